//! What a module of this crate may name: only the wiring (`server/`) and the commands know which store, orchestrator and
//! libraries there are.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

const ADAPTERS: [&str; 7] = [
    "credentials",
    "deployer",
    "embedded_postgres",
    "migration",
    "nomad",
    "nomad_sim",
    "persistence",
];

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let nested = entries.map(|path| match path.is_dir() {
        true => sources(&path),
        false => vec![path],
    });
    nested.flatten().collect()
}

/// The adapters that a source names, as a path (`nomad::Client`) or an import (`use nomad;`).
fn named(text: &str) -> Vec<&'static str> {
    let code = text.lines().map(str::trim_start);
    let code: Vec<_> = code.filter(|line| !line.starts_with("//")).collect();
    let code = code.join("\n");
    let names = |adapter: &str| {
        code.match_indices(adapter).any(|(start, _)| {
            let before = code[..start].chars().next_back();
            let is_whole = before.is_none_or(|character| {
                !(character.is_alphanumeric() || "_:\"/-.".contains(character))
            });
            let after = &code[start + adapter.len()..];
            let imported = code[..start].ends_with("use ") && after.starts_with(';');
            is_whole && (after.starts_with("::") || imported)
        })
    };
    ADAPTERS
        .into_iter()
        .filter(|adapter| names(adapter))
        .collect()
}

#[test]
fn only_the_wiring_and_the_commands_name_what_implements_the_ports() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src"));
    let (mut wiring, mut others) = (Vec::new(), Vec::new());
    for path in sources(root) {
        let inside = path.strip_prefix(root).unwrap().to_owned();
        let named = named(&fs::read_to_string(&path).unwrap());
        let allowed = inside.starts_with("server") || inside.starts_with("commands");
        let list = if allowed { &mut wiring } else { &mut others };
        list.extend(named.into_iter().map(|adapter| (inside.clone(), adapter)));
    }
    assert_eq!(others, []);
    // Were the search blind, it would find nothing in the wiring either.
    for adapter in ADAPTERS {
        assert!(
            wiring.iter().any(|(_, named)| *named == adapter),
            "{adapter}"
        );
    }
}

/// The modules at the top of the crate that a source uses: `crate::a` and `crate::{a::b, c}`.
fn used(text: &str) -> BTreeSet<String> {
    let mut modules = BTreeSet::new();
    for (start, found) in text.match_indices("crate::") {
        let rest = &text[start + found.len()..];
        let paths = match rest.strip_prefix('{') {
            Some(group) => top_level(group),
            None => vec![rest],
        };
        for path in paths {
            let end =
                path.find(|character: char| !(character.is_alphanumeric() || character == '_'));
            modules.insert(path[..end.unwrap_or(path.len())].to_owned());
        }
    }
    modules
}

/// The parts of a group of imports, up to its end.
fn top_level(group: &str) -> Vec<&str> {
    let (mut depth, mut parts, mut begin) = (0_usize, Vec::new(), 0);
    for (place, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => {
                parts.push(group[begin..place].trim());
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(group[begin..place].trim());
                begin = place + 1;
            }
            _ => {}
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

#[test]
fn no_module_uses_what_uses_it() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src"));
    let mut uses = BTreeMap::<String, BTreeSet<String>>::new();
    for path in sources(root) {
        let inside = path.strip_prefix(root).unwrap();
        let module = inside.iter().next().unwrap().to_str().unwrap();
        let module = module.trim_end_matches(".rs").to_owned();
        let text = fs::read_to_string(&path).unwrap();
        let mut used = used(&text);
        used.remove(&module);
        uses.entry(module).or_default().extend(used);
    }
    assert!(uses["routes"].contains("extract") && uses["openapi"].contains("routes"));
    // Whatever uses nothing that is left is no part of a circle.
    while let Some(free) = uses
        .iter()
        .find(|(_, used)| used.iter().all(|module| !uses.contains_key(module)))
        .map(|(module, _)| module.clone())
    {
        uses.remove(&free);
    }
    assert_eq!(uses, BTreeMap::new());
}

#[test]
fn a_name_is_found_as_a_path_and_as_an_import_and_not_within_another() {
    assert_eq!(named("use persistence::Database;"), ["persistence"]);
    assert_eq!(named("let x: nomad::Client;"), ["nomad"]);
    assert_eq!(named("use nomad;"), ["nomad"]);
    assert_eq!(named("mod nomad;"), [""; 0]);
    assert_eq!(
        named("settings.nomad.addr; crate::nomad::x; nomad_services::y"),
        [""; 0]
    );
    assert_eq!(named("// persistence::Database"), [""; 0]);
}
