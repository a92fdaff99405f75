//! Several servers on one database.

use std::thread;

use embedded_postgres::test_database::TestDatabase;
use secrecy::ExposeSecret;

use crate::process::{ENCRYPTION_KEY, Server, run, text};

#[actix_web::test]
async fn three_servers_that_start_at_once_on_an_empty_database_all_serve_a_migrated_one() {
    let database = TestDatabase::empty().await;
    let folder = tempfile::tempdir().expect("a folder");
    let url = database.url();
    let variables = [
        ("ENVIRONMENT", "production"),
        ("NOMAD_SERVICES__LOG__FORMAT", "text"),
        ("NOMAD_SERVICES__SERVER__HOST", "127.0.0.1"),
        ("DATABASE_URL", url.expose_secret()),
        ("ENCRYPTION_KEY", ENCRYPTION_KEY),
        ("JWT_SECRET", "a secret of a test, with thirty-two bytes"),
        ("NOMAD_ADDR", "http://127.0.0.1:1"),
    ];
    let servers = thread::scope(|scope| {
        let start = || Server::start(folder.path(), &variables);
        let starting = [(); 3].map(|()| scope.spawn(start));
        starting.map(|server| server.join().expect("a server"))
    });
    for server in &servers {
        let ready = server.get("/readyz");
        assert!(ready.starts_with("HTTP/1.1 200 OK"), "{ready}");
    }
    let status = run(folder.path(), &["migrate", "status", "--json"], &variables);
    let status = text(&status.stdout);
    assert!(
        status.contains("applied") && !status.contains("pending"),
        "{status}"
    );
}
