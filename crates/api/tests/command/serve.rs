//! The server as development runs it: with a database and an orchestrator of its own.

use std::{fs, os::unix::fs::PermissionsExt};

use nix::sys::signal::Signal;

use crate::process::{Server, get, run, run_with_input, text};

const STATUS: &str = "HTTP/1.1 200 OK";

/// A folder that PostgreSQL's account may enter, where root runs this.
pub fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let permissions = fs::Permissions::from_mode(0o755);
    fs::set_permissions(folder.path(), permissions).expect("its permissions");
    folder
}

#[test]
fn development_says_what_it_uses_finds_its_data_again_and_lets_commands_in_meanwhile() {
    let folder = folder();
    let server = Server::start(folder.path(), &[]);
    assert!(server.line("description").ends_with("/docs"));
    assert!(
        server
            .line("administrator")
            .contains(".data/admin-password")
    );
    assert!(server.line("database").contains("private PostgreSQL"));
    assert!(server.get("/livez").starts_with(STATUS));
    let ready = server.get("/readyz");
    assert!(
        ready.starts_with(STATUS) && ready.contains(r#""status":"ready""#),
        "{ready}"
    );

    let migrations = run(folder.path(), &["migrate", "status", "--json"], &[]);
    let migrations = text(&migrations.stdout);
    assert!(
        migrations.contains("applied") && !migrations.contains("pending"),
        "{migrations}"
    );
    let create = |name: &str, password: &str| {
        let email = format!("{name}@example.com");
        let arguments = [
            "admin",
            "create",
            "--username",
            name,
            "--email",
            &email,
            "--password-stdin",
        ];
        run_with_input(folder.path(), &arguments, password)
    };
    assert_eq!(
        create("boss", "correct horse battery\n").status.code(),
        Some(0)
    );
    let again = create("boss", "correct horse battery\n");
    assert_eq!(again.status.code(), Some(1));
    assert!(text(&again.stderr).contains("in use"), "{again:?}");
    assert!(text(&create("other", "short\n").stderr).contains("15 to 256"));

    assert_eq!(server.terminate(Signal::SIGTERM), Some(0));
    assert!(
        !folder
            .path()
            .join(".data/postgres/data/postmaster.pid")
            .exists()
    );

    let password = fs::read(folder.path().join(".data/admin-password")).unwrap();
    let server = Server::start(folder.path(), &[]);
    assert_eq!(
        fs::read(folder.path().join(".data/admin-password")).unwrap(),
        password
    );
    assert!(text(&create("boss", "correct horse battery\n").stderr).contains("in use"));
    assert_eq!(server.terminate(Signal::SIGINT), Some(0));
}

#[test]
fn a_killed_predecessor_leaves_nothing_that_stops_the_next_start() {
    let folder = folder();
    let server = Server::start(folder.path(), &[]);
    server.kill();
    let server = Server::start(folder.path(), &[]);
    assert!(server.get("/readyz").starts_with(STATUS));
    assert_eq!(server.terminate(Signal::SIGTERM), Some(0));
}

#[test]
fn a_folder_of_job_files_that_is_not_there_is_named() {
    let folder = folder();
    let missing = [
        ("NOMAD_JOBS_PATH", "/nowhere/jobs"),
        ("PATH", "/usr/bin:/bin"),
    ];
    let server = Server::start(folder.path(), &missing);
    server.signal(Signal::SIGTERM);
    let (_, output) = server.ended();
    let warned = |line: &&str| line.contains("WARN") && line.contains("NOMAD_JOBS_PATH");
    let line = output.lines().find(warned).expect("a warning");
    assert!(line.contains("/nowhere/jobs"), "{line}");
}

#[test]
fn without_nomad_on_path_the_simulator_says_that_it_is_one() {
    let folder = folder();
    let server = Server::start(folder.path(), &[("PATH", "/usr/bin:/bin")]);
    let line = server.line("orchestrator").to_owned();
    assert!(line.contains("SIMULATOR, not Nomad"), "{line}");
    let address = line.split("http://").nth(1).unwrap();
    let address = address
        .split_whitespace()
        .next()
        .unwrap()
        .trim_end_matches(':');
    assert!(get(address, "/v1/agent/health").starts_with(STATUS));
    server.terminate(Signal::SIGTERM);
    assert!(std::net::TcpStream::connect(address).is_err());
}
