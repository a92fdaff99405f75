//! The `migration` command, as a person runs it.

use std::process::{Command, Output};

use embedded_postgres::test_database::TestDatabase;
use secrecy::ExposeSecret;

use crate::catalogue::describe;

#[tokio::test]
async fn each_command_leaves_the_schema_it_promises() {
    let database = TestDatabase::empty().await;
    let run = |arguments: &[&str]| {
        let output = migration(&database, arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(!run(&["status"]).contains("Applied"));
    run(&["up"]);
    let current = describe(&database.url()).await;
    let all_applied = run(&["status"]);
    assert!(!all_applied.contains("Pending"), "{all_applied}");

    let one_less = run(&["down"]);
    assert!(
        one_less.contains("Pending") && one_less.contains("Applied"),
        "{one_less}"
    );
    run(&["up"]);
    for command in ["fresh", "refresh"] {
        assert_eq!(run(&[command]), all_applied, "{command}");
        assert_eq!(describe(&database.url()).await, current, "{command}");
    }
    run(&["reset"]);
    assert_eq!(describe(&database.url()).await, Vec::<String>::new());
    assert!(!run(&["status"]).contains("Applied"));
}

#[tokio::test]
async fn a_database_that_is_not_there_is_an_error_and_no_password_is_printed() {
    let output = Command::new(env!("CARGO_BIN_EXE_migration"))
        .arg("up")
        .env(
            "DATABASE_URL",
            "postgres://somebody:unspeakable@127.0.0.1:1/nowhere",
        )
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.starts_with("migration: ") && !said.contains("unspeakable"),
        "{said}"
    );
}

#[test]
fn wrong_use_has_its_own_exit_code() {
    let output = Command::new(env!("CARGO_BIN_EXE_migration"))
        .arg("sideways")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
}

fn migration(database: &TestDatabase, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_migration"))
        .args(arguments)
        .env("DATABASE_URL", database.url().expose_secret())
        .output()
        .unwrap()
}
