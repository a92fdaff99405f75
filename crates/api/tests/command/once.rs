//! Subcommands that answer and end.

use serde_json::Value;

use crate::process::{run, text};

#[test]
fn wrong_use_has_its_own_exit_code_and_is_told_on_standard_error() {
    let folder = tempfile::tempdir().unwrap();
    let create = [
        "admin",
        "create",
        "--username",
        "a",
        "--email",
        "a@b.example",
    ];
    for arguments in [
        &["sideways"][..],
        &["migrate"],
        &["migrate", "down", "--steps", "0"],
        &["migrate", "down", "--steps", "2", "--all"],
        &create,
        &[&create[..], &["--password", "secret"]].concat(),
        &[&create[..], &["--password-stdin", "--password-file", "x"]].concat(),
    ] {
        let output = run(folder.path(), arguments, &[]);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty());
    }
}

#[test]
fn every_subcommand_explains_itself() {
    let folder = tempfile::tempdir().unwrap();
    let help = text(&run(folder.path(), &["--help"], &[]).stdout);
    for word in [
        "serve",
        "migrate",
        "admin",
        "config",
        "openapi",
        "verify-isolation",
        "DATABASE_URL",
        "--json",
    ] {
        assert!(help.contains(word), "{word} is missing in {help}");
    }
}

#[test]
fn a_wrong_setting_fails_and_names_the_setting() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &["serve"], &[("SERVER_PORT", "http")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("SERVER_PORT"), "{output:?}");
}

#[test]
fn production_names_what_is_missing_for_what_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let production = [("ENVIRONMENT", "production")];
    let missing = |arguments: &[&str]| {
        let output = run(folder.path(), arguments, &production);
        (output.status.code(), text(&output.stderr))
    };
    let (code, said) = missing(&["serve"]);
    assert_eq!(code, Some(1));
    for name in ["DATABASE_URL", "JWT_SECRET", "NOMAD_ADDR"] {
        assert!(said.contains(name), "{name} is missing in {said}");
    }
    let (code, said) = missing(&["migrate", "status"]);
    assert_eq!(code, Some(1));
    assert!(
        said.contains("DATABASE_URL") && !said.contains("JWT_SECRET"),
        "{said}"
    );
    assert_eq!(missing(&["config", "print"]).0, Some(0));
    assert!(!folder.path().join(".data").exists(), "nothing is made up");
}

#[test]
fn the_configuration_is_printed_with_origins_and_without_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let variables = [
        ("JWT_SECRET", "unspeakable-unspeakable-unspeakable"),
        ("DATABASE_URL", "postgres://app:unspeakable@db/app"),
    ];
    let printed = |arguments: &[&str]| {
        let output = run(folder.path(), arguments, &variables);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let printed = text(&output.stdout);
        assert!(!printed.contains("unspeakable"), "{printed}");
        printed
    };
    let listing = printed(&["config", "print"]);
    assert!(
        listing.contains(r#"jwt_secret = "**********""#),
        "{listing}"
    );
    assert!(
        listing.contains("# environment variable JWT_SECRET"),
        "{listing}"
    );
    assert_eq!(listing.matches("\n[auth]\n").count(), 1, "{listing}");
    let document: Value = serde_json::from_str(&printed(&["config", "print", "--json"])).unwrap();
    let port = &document["settings"]["server.port"];
    assert_eq!(port["value"], 0);
    assert_eq!(port["origin"], "environment variable SERVER_PORT");
}

#[test]
fn the_description_of_the_api_needs_no_server() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &["openapi"], &[]);
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    assert!(document["paths"]["/api/v1/services"]["post"].is_object());
}

#[test]
fn a_database_that_stays_silent_is_named_with_host_and_port() {
    let folder = tempfile::tempdir().unwrap();
    let variables = [
        ("DATABASE_URL", "postgres://app:unspeakable@127.0.0.1:1/app"),
        ("NOMAD_ADDR", "http://127.0.0.1:1"),
        ("NOMAD_SERVICES__DATABASE__STARTUP_TIMEOUT", "1s"),
    ];
    let output = run(folder.path(), &["serve"], &variables);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("127.0.0.1:1 did not answer"), "{said}");
    assert!(!said.contains("unspeakable"), "{said}");
}
