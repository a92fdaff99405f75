//! `audit verify`: an export and a checkpoint in files, and nothing else.

use std::{fs, path::Path, process::Output};

use domain::{AuditLog, TenantId, UserId};
use serde_json::Value;
use transparency_log::{Checkpoint, Leaf, LogKeys, Origin, Tree, export::Line, leaf};
use uuid::Uuid;

use crate::process::{run, text};

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// Writes the export of a log of five rows, its head and that of its first three, and answers with the verifier key.
fn sealed(folder: &Path) -> String {
    let tenant = Some(TenantId(Uuid::from_u128(1)));
    let (keys, origin) = (
        LogKeys::parse(&KEY.into()).unwrap(),
        Origin::new("example.com", tenant),
    );
    let (mut tree, mut lines) = (Tree::default(), String::new());
    for number in 0..5 {
        let leaf = Leaf {
            index: tree.size(),
            previous: tree.last(),
            row: AuditLog {
                id: Uuid::from_u128(100 + number),
                user_id: UserId(Uuid::from_u128(2)),
                tenant_id: tenant,
                action: format!("note.{number}"),
                resource: "notes".to_owned(),
                details: None,
                ip_address: None,
                user_agent: None,
                created_at: chrono::DateTime::UNIX_EPOCH,
            },
        };
        tree.push(leaf::hash(&leaf.to_bytes().unwrap())).unwrap();
        lines += &format!(
            "{}\n",
            serde_json::to_string(&Line::of(&leaf).unwrap()).unwrap()
        );
        let (size, root) = (tree.size(), tree.root().unwrap());
        let note = keys
            .sign(&Checkpoint {
                origin: origin.clone(),
                size,
                root,
            })
            .unwrap();
        fs::write(folder.join(format!("head-{size}")), note).unwrap();
    }
    fs::write(folder.join("export"), lines).unwrap();
    keys.verifiers(&origin).join("\n")
}

fn verify(folder: &Path, key: &str, more: &[&str]) -> Output {
    let arguments = ["audit", "verify", "--checkpoint", "head-5", "--key", key];
    run(folder, &[&arguments[..], more].concat(), &[])
}

/// Changes a line of the export.
fn edit(folder: &Path, number: usize, change: impl FnOnce(&str) -> String) {
    let export = fs::read_to_string(folder.join("export")).unwrap();
    let mut lines: Vec<_> = export.lines().map(str::to_owned).collect();
    lines[number] = change(&lines[number]);
    fs::write(folder.join("edited"), lines.join("\n")).unwrap();
}

#[test]
fn an_export_as_it_was_sealed_is_told_with_what_that_does_not_show() {
    let folder = tempfile::tempdir().unwrap();
    let key = sealed(folder.path());
    let output = verify(folder.path(), &key, &["export"]);
    assert!(output.status.success(), "{output:?}");
    let said = text(&output.stdout);
    for part in [
        "5 rows are as they were sealed",
        "example.com/",
        "cut off the end",
        "--old-checkpoint",
    ] {
        assert!(said.contains(part), "{part} is missing in {said}");
    }
    let output = verify(
        folder.path(),
        &key,
        &["export", "--old-checkpoint", "head-3", "--json"],
    );
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&said["verified"], &said["rows"]),
        (&true.into(), &5.into()),
        "{said}"
    );

    let older = [
        "audit",
        "verify",
        "export",
        "--checkpoint",
        "head-3",
        "--key",
        &key,
    ];
    let output = run(folder.path(), &older, &[]);
    assert!(output.status.success(), "{output:?}");
    let said = text(&output.stdout);
    assert!(
        said.contains("3 rows are as") && said.contains("2 rows of the export are newer"),
        "{said}"
    );
}

#[test]
fn the_first_bad_row_is_named_with_exit_code_1() {
    let folder = tempfile::tempdir().unwrap();
    let key = sealed(folder.path());
    let id = Uuid::from_u128(102).to_string();
    edit(folder.path(), 2, |line| {
        line.replace("\"notes\"", "\"nothing\"")
    });
    let output = verify(folder.path(), &key, &["edited"]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(
        said.contains("row 2") && said.contains(&id) && said.contains("edited"),
        "{said}"
    );

    let output = verify(folder.path(), &key, &["edited", "--json"]);
    let finding: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(finding["verified"], false);
    let finding = &finding["finding"];
    assert_eq!(
        (&finding["problem"], &finding["index"]),
        (&"edited".into(), &2.into()),
        "{finding}"
    );
    assert_eq!(finding["id"], id);
}

#[test]
fn an_archived_part_and_the_rest_are_read_one_after_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let key = sealed(folder.path());
    let export = fs::read_to_string(folder.path().join("export")).unwrap();
    let (archived, rest) = export.split_at(export.match_indices('\n').nth(1).unwrap().0 + 1);
    fs::write(folder.path().join("archived"), archived).unwrap();
    fs::write(folder.path().join("rest"), rest).unwrap();
    assert!(
        verify(folder.path(), &key, &["archived", "rest"])
            .status
            .success()
    );
    for (exports, named) in [
        (&["rest"][..], "row 0"),
        (&["archived"], "row 2"),
        (&["rest", "archived"], "row 0"),
    ] {
        let output = verify(folder.path(), &key, exports);
        assert_eq!(output.status.code(), Some(1));
        assert!(
            text(&output.stderr).contains(named),
            "{exports:?}: {output:?}"
        );
    }
}

#[test]
fn a_checkpoint_or_key_that_is_none_is_named_and_wrong_use_has_its_own_code() {
    let folder = tempfile::tempdir().unwrap();
    let key = sealed(folder.path());
    fs::write(
        folder.path().join("forged"),
        fs::read_to_string(folder.path().join("head-5"))
            .unwrap()
            .replace("\n5\n", "\n4\n"),
    )
    .unwrap();
    let with = |checkpoint: &str, key: &str| {
        let arguments = [
            "audit",
            "verify",
            "export",
            "--checkpoint",
            checkpoint,
            "--key",
            key,
        ];
        let output = run(folder.path(), &arguments, &[]);
        (output.status.code(), text(&output.stderr))
    };
    let other = LogKeys::parse(&"AQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=".into()).unwrap();
    let other = other
        .verifiers(&Origin::new(
            "example.com",
            Some(TenantId(Uuid::from_u128(1))),
        ))
        .join("\n");
    for (checkpoint, key, named) in [
        ("forged", key.as_str(), "forged is not to be believed"),
        ("head-5", other.as_str(), "head-5 is not to be believed"),
        ("head-5", "nonsense", "nonsense"),
        ("absent", key.as_str(), "absent"),
    ] {
        let (code, said) = with(checkpoint, key);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains(named), "{named} is missing in {said}");
    }
    let output = run(folder.path(), &["audit", "verify", "export"], &[]);
    assert_eq!(output.status.code(), Some(2));
}
