//! A server that can't serve yet.

use embedded_postgres::test_database::TestDatabase;
use nix::sys::signal::Signal;
use secrecy::ExposeSecret;

use crate::process::{ENCRYPTION_KEY, Server, get, get_until};

#[actix_web::test]
async fn until_it_serves_the_probe_of_older_clients_is_told_that_it_starts() {
    let database = TestDatabase::empty().await;
    let folder = tempfile::tempdir().expect("a folder");
    let keys = folder.path().join("keys");
    let url = database.url();
    // It waits for the key.
    let (server, address) = Server::start_unready(
        folder.path(),
        &[
            ("ENVIRONMENT", "production"),
            ("NOMAD_SERVICES__SERVER__HOST", "127.0.0.1"),
            ("DATABASE_URL", url.expose_secret()),
            ("JWT_SECRET", "a secret of a test, with thirty-two bytes"),
            ("NOMAD_ADDR", "http://127.0.0.1:1"),
            ("LOG_LEVEL", "error"),
            ("ENCRYPTION_KEY_FILE", keys.to_str().expect("a path")),
        ],
    );
    let health = get_until(&address, "/health", |_| true);
    assert!(health.starts_with("HTTP/1.1 503"), "{health}");
    assert!(health.contains(r#""status":"starting""#), "{health}");
    assert!(get(&address, "/api/v1/services").starts_with("HTTP/1.1 503"));
    std::fs::write(&keys, ENCRYPTION_KEY).expect("the keys");
    let health = get_until(&address, "/health", |answer| {
        answer.starts_with("HTTP/1.1 200")
    });
    assert!(health.contains(r#""status":"healthy""#), "{health}");
    assert_eq!(server.terminate(Signal::SIGTERM), Some(0));
}
