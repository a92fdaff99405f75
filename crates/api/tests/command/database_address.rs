//! What every subcommand says of the database's address: the servers where none answers, and never a part of a password.

use std::{fs, net::TcpListener, process::Output};

use embedded_postgres::test_database::TestDatabase;
use secrecy::ExposeSecret;
use tempfile::TempDir;
use tokio::{
    io::{AsyncRead, AsyncWrite, copy_bidirectional},
    net::{self, TcpStream, UnixListener},
};

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

async fn forward(mut near: impl AsyncRead + AsyncWrite + Unpin, server: &str) {
    let mut far = TcpStream::connect(server).await.expect("the database");
    let _ = copy_bidirectional(&mut near, &mut far).await;
}

// The other thread forwards while this one waits for a command to end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_form_of_an_address_leads_migrations_and_pool_to_the_same_database() {
    let folder = folder();
    let database = TestDatabase::empty().await;
    let url = database.url().expose_secret().to_owned();
    let (login, place) = url.split_once('@').expect("a login");
    let (server, name) = place.split_once('/').expect("a name");
    let server = server.to_owned();
    let (user, password) = login
        .trim_start_matches("postgres://")
        .split_once(':')
        .expect("a password");
    let (host, port) = server.split_once(':').expect("a port");

    let ipv6 = net::TcpListener::bind("[::1]:0").await.expect("a port");
    let ipv6_place = ipv6.local_addr().expect("its address");
    let socket_folder = tempfile::tempdir().expect("a folder");
    let socket = UnixListener::bind(socket_folder.path().join(".s.PGSQL.6543")).expect("a socket");
    let socket_folder = socket_folder.path().to_str().expect("a path");
    let through = server.clone();
    tokio::spawn(async move {
        loop {
            let through = through.clone();
            tokio::select! {
                near = ipv6.accept() => {
                    let (near, _) = near.expect("a connection");
                    tokio::spawn(async move { forward(near, &through).await });
                }
                near = socket.accept() => {
                    let (near, _) = near.expect("a connection");
                    tokio::spawn(async move { forward(near, &through).await });
                }
            }
        }
    });

    let encoded = socket_folder.replace('/', "%2F");
    let parameters = "sslmode=prefer&application_name=tests&connect_timeout=30&options=-c%20lock_timeout%3D60000";
    for address in [
        format!("{url}\n"),
        format!(" \t{}", url.replace("postgres://", "postgresql://")),
        format!("host={host} port={port} user={user} password='{password}' dbname={name}\n"),
        format!("{login}@{ipv6_place}/{name}"),
        format!("{login}@/{name}?host={socket_folder}&port=6543"),
        format!("{login}@{encoded}:6543/{name}?sslmode=require"),
        format!("{login}@127.0.0.1:1,{server}/{name}?target_session_attrs=read-write&{parameters}"),
    ] {
        for arguments in [["migrate", "up"], ["migrate", "status"], ["keys", "list"]] {
            let output = run(folder.path(), &arguments, &[("DATABASE_URL", &address)]);
            let said = printed(&output);
            assert_eq!(
                output.status.code(),
                Some(0),
                "{address:?} {arguments:?}: {said}"
            );
            assert!(
                !said.contains("pending"),
                "{address:?} {arguments:?}: {said}"
            );
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
