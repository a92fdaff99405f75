//! The key-encryption key at the start: missing, wrong, put right.

use std::{fs, os::unix::fs::PermissionsExt};

use embedded_postgres::test_database::TestDatabase;
use nix::sys::signal::Signal;
use secrecy::ExposeSecret;

use crate::{
    process::{ENCRYPTION_KEY, Server, get, get_until},
    serve::folder,
};

const OTHER_KEY: &str = "//////////////////////////////////////////8=";

/// Tables, in a database that may have none.
async fn tables(database: &TestDatabase) -> Vec<String> {
    let url = database.url();
    let (client, connection) = tokio_postgres::connect(url.expose_secret(), tokio_postgres::NoTls)
        .await
        .expect("a connection");
    actix_web::rt::spawn(connection);
    let tables = "SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace";
    let rows = client.query(tables, &[]).await.expect("the tables");
    rows.iter().map(|row| row.get(0)).collect()
}

fn is_unready_for(reason: &'static str) -> impl Fn(&str) -> bool {
    move |answer| answer.starts_with("HTTP/1.1 503") && answer.contains(reason)
}

fn is_ready(answer: &str) -> bool {
    answer.starts_with("HTTP/1.1 200")
}

#[actix_web::test]
async fn production_without_a_key_or_with_a_wrong_one_is_not_ready_says_why_and_writes_nothing() {
    let database = TestDatabase::empty().await;
    let folder = tempfile::tempdir().expect("a folder");
    let keys = folder.path().join("keys");
    let (url, path) = (database.url(), keys.to_str().expect("a path"));
    let variables = [
        ("ENVIRONMENT", "production"),
        ("NOMAD_SERVICES__LOG__FORMAT", "text"),
        ("NOMAD_SERVICES__SERVER__HOST", "127.0.0.1"),
        ("DATABASE_URL", url.expose_secret()),
        ("JWT_SECRET", "a secret of a test, with thirty-two bytes"),
        ("NOMAD_ADDR", "http://127.0.0.1:1"),
        ("LOG_LEVEL", "error"),
    ];
    let with_file = [&variables[..], &[("ENCRYPTION_KEY_FILE", path)]].concat();

    let (server, address) = Server::start_unready(folder.path(), &variables);
    get_until(&address, "/readyz", is_unready_for("ENCRYPTION_KEY_FILE"));
    assert!(get(&address, "/livez").starts_with("HTTP/1.1 200"));
    assert!(get(&address, "/api/v1/services").starts_with("HTTP/1.1 503"));
    assert_eq!(tables(&database).await, Vec::<String>::new());
    assert_eq!(server.terminate(Signal::SIGTERM), Some(0));

    // Put right while it runs.
    let (server, address) = Server::start_unready(folder.path(), &with_file);
    get_until(&address, "/readyz", is_unready_for("No such file"));
    assert_eq!(tables(&database).await, Vec::<String>::new());
    fs::write(&keys, ENCRYPTION_KEY).expect("the keys");
    get_until(&address, "/readyz", is_ready);
    assert_eq!(server.terminate(Signal::SIGTERM), Some(0));

    // Another key than the one the database knows.
    fs::write(&keys, OTHER_KEY).expect("the keys");
    let (server, address) = Server::start_unready(folder.path(), &with_file);
    let refused = get_until(
        &address,
        "/readyz",
        is_unready_for("data keys are wrapped by"),
    );
    assert!(!refused.contains(ENCRYPTION_KEY) && !refused.contains(OTHER_KEY));
    fs::write(&keys, format!("{OTHER_KEY}\n{ENCRYPTION_KEY}\n")).expect("the keys");
    get_until(&address, "/readyz", is_ready);
    server.kill();
}

#[test]
fn development_makes_a_key_once_and_never_another_while_the_database_knows_it() {
    let folder = folder();
    let server = Server::start(folder.path(), &[]);
    let key = folder.path().join(".data/encryption-key");
    let made = fs::read_to_string(&key).expect("a key");
    let mode = fs::metadata(&key).expect("its mode").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(server.terminate(Signal::SIGTERM), Some(0));

    let kept = folder.path().join("kept");
    fs::rename(&key, &kept).expect("it is moved");
    let quiet = [("LOG_LEVEL", "error")];
    let (server, address) = Server::start_unready(folder.path(), &quiet);
    get_until(&address, "/readyz", is_unready_for("put it back"));
    assert!(!key.exists(), "another key is made");
    fs::rename(&kept, &key).expect("it is put back");
    get_until(&address, "/readyz", is_ready);
    assert_eq!(server.terminate(Signal::SIGTERM), Some(0));
    assert_eq!(fs::read_to_string(&key).expect("the key"), made);
}
