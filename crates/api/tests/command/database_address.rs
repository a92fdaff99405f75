//! What every subcommand says of the database's address: the servers where none answers, and never a part of a password.

use std::{fs, net::TcpListener, process::Output};

use tempfile::TempDir;

use crate::process::{run, text};

/// Every subcommand that works on the database, with all else that it needs.
const COMMANDS: [&[&str]; 10] = [
    &["serve"],
    &["migrate", "up"],
    &["migrate", "down"],
    &["migrate", "status"],
    &[
        "admin",
        "create",
        "--username",
        "root",
        "--email",
        "root@example.com",
        "--password-file",
        "password",
    ],
    &["keys", "list"],
    &["keys", "rotate"],
    &["keys", "status"],
    &["verify-isolation"],
    &["audit", "export", "--directory", "audit"],
];

fn folder() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(
        folder.path().join("password"),
        "a password of an administrator\n",
    )
    .expect("a file");
    folder
}

/// Runs it with a database at `url`, on which it does not wait for long, and says all that can be said.
fn at(folder: &TempDir, url: &str, arguments: &[&str]) -> Output {
    let variables = [
        ("DATABASE_URL", url),
        ("NOMAD_ADDR", "http://127.0.0.1:1"),
        ("NOMAD_SERVICES__DATABASE__STARTUP_TIMEOUT", "200ms"),
        ("LOG_LEVEL", "trace"),
    ];
    run(folder.path(), arguments, &variables)
}

fn printed(output: &Output) -> String {
    text(&output.stdout) + &text(&output.stderr)
}

#[test]
fn nothing_of_a_password_is_printed_whatever_is_wrong_with_the_address() {
    let folder = folder();
    let broken = include_str!("../../../postgres-connection/tests/broken_addresses.txt");
    let unreachable = [
        "postgres://owner:kanarienvogel@127.0.0.1:1/db",
        "postgres://owner:kanarienvogel@127.0.0.1:1,[::1]:1/db?target_session_attrs=read-write",
        "postgres://owner:kanarienvogel@127.0.0.1:1/db?sslmode=verify-full&sslrootcert=/nowhere",
        "host=127.0.0.1 port=1 user=owner password='kanarien vogel' dbname=db",
    ];
    for address in broken.lines().chain(unreachable) {
        for arguments in COMMANDS.iter().chain(&[["config", "print"].as_slice()]) {
            let output = at(&folder, address, arguments);
            let said = printed(&output);
            let shows = arguments[0] == "config" && unreachable.contains(&address);
            assert_eq!(
                output.status.code(),
                Some(i32::from(!shows)),
                "{address} {arguments:?}: {said}"
            );
            let said = said.to_lowercase();
            assert!(
                !said.contains("kanarien") && !said.contains("vogel"),
                "{address} {arguments:?}: {said}"
            );
        }
    }
}

#[test]
fn a_server_that_does_not_answer_is_named_with_host_and_port_by_every_subcommand() {
    let folder = folder();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let silent = listener.local_addr().expect("its address").to_string();
    for server in ["127.0.0.1:1", &silent] {
        for arguments in COMMANDS {
            let output = at(&folder, &format!("postgres://owner@{server}/db"), arguments);
            let said = printed(&output);
            assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
            let told = format!(
                "nomad-services: the database at {server} did not answer within 200ms (database.startup_timeout): "
            );
            assert!(said.contains(&told), "{arguments:?}: {said}");
        }
    }
}

#[test]
fn a_password_that_nobody_has_encoded_is_said_to_be_so() {
    let folder = folder();
    let output = at(
        &folder,
        "postgres://owner:p@ss:w/rd%1@host/db",
        &["migrate", "status"],
    );
    let said = text(&output.stderr);
    assert!(
        said.contains("database.url (environment variable DATABASE_URL)")
            && said.contains("with user, password and name percent-encoded"),
        "{said}"
    );
}
