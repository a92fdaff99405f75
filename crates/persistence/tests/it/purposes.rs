//! What may be done across tenants, as `docs/security/isolation.md` lists it: the purposes there are, in the words of the code.

use std::fs;

const CODE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../domain/src/context.rs");
const DOCUMENT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../docs/security/isolation.md"
);

fn between(file: &str, begin: &str, end: &str) -> String {
    let text = fs::read_to_string(file).unwrap();
    let (_, after) = text.split_once(begin).unwrap();
    after.split_once(end).unwrap().0.to_owned()
}

/// The rows of the table that the variants of the enumeration make, with what is said of each.
fn table() -> Vec<String> {
    let (mut rows, mut said) = (Vec::new(), Vec::new());
    let code = between(CODE, "pub enum SystemPurpose {", "\n}");
    for line in code.lines().map(str::trim) {
        if let Some(text) = line.strip_prefix("/// ") {
            said.push(text.trim_end_matches('.'));
        } else if let Some(name) = line.strip_suffix(',') {
            rows.push(format!("| `{name}` | {} |", said.join(" ")));
            said.clear();
        }
    }
    rows
}

#[test]
fn the_document_lists_every_purpose_and_no_other() {
    let table = table();
    let section = between(DOCUMENT, "## The database roles", "\n## ");
    let (_, listed) = section.split_once("| Purpose |").unwrap();
    let listed: Vec<_> = listed
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .collect();
    assert!(table.len() > 1, "{table:?}");
    assert_eq!(
        listed,
        table,
        "docs/security/isolation.md should list:\n{}",
        table.join("\n")
    );
}
