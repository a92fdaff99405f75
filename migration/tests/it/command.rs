//! The `migration` command, as a person runs it, and as `sea-orm-cli` does.

use std::process::{Command, Output};

use embedded_postgres::test_database::TestDatabase;
use migration::Migrator;
use sea_orm_migration::MigratorTrait;
use secrecy::ExposeSecret;

use crate::catalogue::describe;

#[tokio::test]
async fn each_command_leaves_the_schema_it_promises() {
    let database = TestDatabase::empty().await;
    let run = |arguments: &[&str]| succeeds(&mut at(&database, arguments));
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

/// `sea-orm-cli migrate …` gives the subcommand, `-n` and `-v` as arguments, and the rest as variables.
#[tokio::test]
async fn it_does_what_each_form_of_sea_orm_cli_migrate_asks_for() {
    let database = TestDatabase::empty().await;
    let all = Migrator::migrations().len();
    for (arguments, applied) in [
        (["up"].as_slice(), all),
        (&["down", "-n", "1"], all - 1),
        (&["down", "-n", "2"], all - 3),
        (&["up", "-n", "1"], all - 2),
        (&["status"], all - 2),
        (&["refresh"], all),
        (&["down", "-n", "1", "-v"], all - 1),
        (&["fresh", "-v"], all),
        (&["reset"], 0),
        (&["up", "-n", "2", "-v"], 2),
        (&["status", "-v"], 2),
    ] {
        let mut command = at(&database, arguments);
        let said = succeeds(command.env("DATABASE_SCHEMA", "public"));
        assert_eq!(
            said.matches("Applied").count(),
            applied,
            "{arguments:?}: {said}"
        );
        assert_eq!(said.lines().count(), all, "{arguments:?}: {said}");
    }
}

/// What `cargo run --manifest-path migration/Cargo.toml -- …` is given by a person who knows SeaORM.
#[tokio::test]
async fn it_takes_the_same_from_a_person() {
    let database = TestDatabase::empty().await;
    let url = database.url();
    let url = url.expose_secret();
    let all = Migrator::migrations().len();
    for (arguments, applied) in [
        (["-u", url].as_slice(), all),
        (&["down", "-u", url], all - 1),
        (
            &["down", "--num", "2", "-u", url, "-s", "public", "-v"],
            all - 3,
        ),
        (&["up", "-n", "1", "-u", url, "-s", "public", "-v"], all - 2),
        (
            &[
                "--database-url",
                url,
                "--database-schema",
                "public",
                "--verbose",
                "up",
                "--num",
                "1",
            ],
            all - 1,
        ),
    ] {
        let said = succeeds(migration(arguments).env_remove("DATABASE_URL"));
        assert_eq!(
            said.matches("Applied").count(),
            applied,
            "{arguments:?}: {said}"
        );
    }
}

#[tokio::test]
async fn what_is_done_is_said_beside_the_answer_and_more_of_it_on_request() {
    let database = TestDatabase::empty().await;
    let briefly = at(&database, &["up", "-n", "1"]).output().unwrap();
    let briefly = String::from_utf8(briefly.stderr).unwrap();
    let name = Migrator::migrations()[0].name().to_owned();
    assert_eq!(
        briefly,
        format!(
            "Applying 1 pending migrations\nApplying migration '{name}'\nMigration '{name}' has been applied\n"
        )
    );
    let at_length = at(&database, &["up", "-n", "1", "-v"]).output().unwrap();
    let at_length = String::from_utf8(at_length.stderr).unwrap();
    assert!(
        at_length.contains(" DEBUG ") && at_length.contains(" INFO "),
        "{at_length}"
    );
}

#[tokio::test]
async fn a_schema_that_the_tables_are_not_in_is_refused() {
    let database = TestDatabase::empty().await;
    let output = at(&database, &["up", "-s", "other"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("[possible values: public]"), "{said}");
}

#[test]
fn a_database_that_is_not_there_is_named_with_host_and_port() {
    for command in ["up", "down", "status", "fresh", "refresh", "reset"] {
        let url = "postgres://somebody:unspeakable@127.0.0.1:1/nowhere";
        let output = migration(&[command])
            .env("DATABASE_URL", url)
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{command}: {said}");
        assert!(
            said.starts_with("migration: PostgreSQL at 127.0.0.1:1 does not answer: "),
            "{command}: {said}"
        );
        assert!(!said.contains("unspeakable"), "{command}: {said}");
    }
}

#[test]
fn a_server_that_says_nothing_is_named_after_the_time_that_its_address_gives() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let place = silent.local_addr().unwrap();
    let url = format!("postgres://somebody@{place}/nowhere?connect_timeout=1");
    let output = migration(&["status"])
        .env("DATABASE_URL", url)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        format!("migration: PostgreSQL at {place} does not answer: no answer within 1s\n")
    );
}

#[test]
fn nothing_of_a_password_in_a_broken_address_is_printed() {
    let addresses = include_str!("../../../crates/postgres-connection/tests/broken_addresses.txt");
    let more = [
        "postgres://owner:kanarienvogel@127.0.0.1:1/db",
        "postgres://owner:kanarien\nvogel@127.0.0.1:1/db",
    ];
    for address in addresses.lines().chain(more) {
        let by_variable = migration(&["status", "-v"])
            .env("DATABASE_URL", address)
            .output()
            .unwrap();
        let by_argument = migration(&["up", "-v", "-u", address])
            .env_remove("DATABASE_URL")
            .output()
            .unwrap();
        let in_the_wrong_place = migration(&["up", address]).output().unwrap();
        let help = migration(&["--help"])
            .env("DATABASE_URL", address)
            .output()
            .unwrap();
        for (output, code) in [(by_variable, 1), (by_argument, 1), (help, 0)] {
            let said = printed(&output);
            assert_eq!(output.status.code(), Some(code), "{address}: {said}");
            assert!(!shows_the_canary(&said), "{address}: {said}");
        }
        let said = printed(&in_the_wrong_place);
        let is_an_address = address.contains(['@', '=']);
        assert!(
            !is_an_address || !shows_the_canary(&said),
            "{address}: {said}"
        );
    }
}

fn shows_the_canary(said: &str) -> bool {
    let said = said.to_lowercase();
    said.contains("kanarien") || said.contains("vogel")
}

#[test]
fn wrong_use_has_its_own_exit_code() {
    let output = migration(&["sideways"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}

fn migration(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_migration"));
    command.args(arguments);
    command
}

fn at(database: &TestDatabase, arguments: &[&str]) -> Command {
    let mut command = migration(arguments);
    command.env("DATABASE_URL", database.url().expose_secret());
    command
}

/// What it answers.
fn succeeds(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn printed(output: &Output) -> String {
    [&output.stdout, &output.stderr]
        .map(|text| String::from_utf8_lossy(text))
        .concat()
}
