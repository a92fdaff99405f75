//! Databases for tests: one is migrated once, each test gets a copy of its own, and drops it.

use std::{
    env, fs,
    future::Future,
    hash::{DefaultHasher, Hash, Hasher},
    io,
    path::{Path, PathBuf},
};

use secrecy::{ExposeSecret, SecretString};
use tokio_postgres::{Client, NoTls};

/// Names the server that `with-postgres` started; its login may make databases and is no superuser.
pub const VARIABLE: &str = "TEST_DATABASE_URL";

const TEMPLATE: &str = "nomad_services_template";

/// What the template is made by.
const MIGRATIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../migration/src");

/// How long a test waits for its database to be gone.
const PATIENCE: std::time::Duration = std::time::Duration::from_millis(500);

/// The same in every test process: whoever holds it makes the template.
const LOCK: i64 = 0x7465_7374;

/// A database of one test's own.
#[derive(Debug)]
pub struct TestDatabase {
    server: SecretString,
    name: String,
}

impl TestDatabase {
    /// A copy of the template, which the first caller makes with `migrate`: of a run, and where the server outlives that, of
    /// each form that the migrations have.
    ///
    /// # Panics
    /// Without the server that `make test` starts, or where it refuses.
    #[expect(clippy::expect_used, reason = "a test without a database can only end")]
    pub async fn new<M, F>(migrate: M) -> Self
    where
        M: FnOnce(SecretString) -> F,
        F: Future<Output = ()>,
    {
        let server = server();
        let client = connect(&server).await;
        let template = template_of(Path::new(MIGRATIONS)).expect("the migrations' sources");
        client
            .query_one("SELECT pg_advisory_lock($1)", &[&LOCK])
            .await
            .expect("a lock");
        let exists = "SELECT FROM pg_database WHERE datname = $1 AND datistemplate";
        if client
            .query_opt(exists, &[&template])
            .await
            .expect("an answer")
            .is_none()
        {
            remove_templates(&client).await;
            let create = format!("CREATE DATABASE {template}");
            let created = client.batch_execute(&create).await;
            created.expect("a template database");
            migrate(database_at(&server, &template)).await;
            let finish = format!("ALTER DATABASE {template} IS_TEMPLATE true");
            client
                .batch_execute(&finish)
                .await
                .expect("a finished template");
        }
        Self::copy(&client, server, &template).await
    }

    /// A database without a schema, for the tests of the migrations themselves.
    ///
    /// # Panics
    /// As [`TestDatabase::new`].
    pub async fn empty() -> Self {
        let server = server();
        let client = connect(&server).await;
        Self::copy(&client, server, "template1").await
    }

    #[expect(clippy::expect_used, reason = "a test without a database can only end")]
    async fn copy(client: &Client, server: SecretString, template: &str) -> Self {
        let name = format!("test_{}", uuid::Uuid::new_v4().simple());
        client
            .batch_execute(&format!("CREATE DATABASE {name} TEMPLATE {template}"))
            .await
            .expect("a copy of the template");
        Self { server, name }
    }

    /// Its address.
    pub fn url(&self) -> SecretString {
        database_at(&self.server, &self.name)
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        let (tell, told) = std::sync::mpsc::channel::<()>();
        // A test's own runtime may be ending already.
        std::thread::spawn(move || {
            let _tell = tell;
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let Ok(runtime) = runtime else { return };
            runtime.block_on(async {
                let client = connect(&server).await;
                // In two statements, because PostgreSQL 12 knows no WITH (FORCE).
                let end =
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1";
                let ended = client.execute(end, &[&name]).await;
                let drop = format!("DROP DATABASE IF EXISTS {name}");
                if let Err(error) = ended.and(client.batch_execute(&drop).await) {
                    eprintln!("{name} was not dropped: {error}");
                }
            });
        });
        // PostgreSQL drops nothing while anybody is half signed in, and that may be a task of the test's own runtime, which
        // goes on only once this has returned.
        let _ = told.recv_timeout(PATIENCE);
    }
}

/// Removes the templates of earlier migrations, and what a test has left that ended while it made one.
#[expect(clippy::expect_used, reason = "a test without a database can only end")]
async fn remove_templates(client: &Client) {
    let like = "SELECT datname FROM pg_database WHERE starts_with(datname::text, $1)";
    let rows = client.query(like, &[&TEMPLATE]).await;
    for row in rows.expect("the databases") {
        let name: String = row.get(0);
        // In two calls, because several statements in one are one transaction.
        for statement in [
            format!("ALTER DATABASE {name} IS_TEMPLATE false"),
            format!("DROP DATABASE {name}"),
        ] {
            let done = client.batch_execute(&statement).await;
            done.expect("a template that goes");
        }
    }
}

/// The name of the template that the sources in `folder` make: other sources, another name.
fn template_of(folder: &Path) -> io::Result<String> {
    let mut hasher = DefaultHasher::new();
    for file in files(folder)? {
        file.hash(&mut hasher);
        fs::read(&file)?.hash(&mut hasher);
    }
    Ok(format!("{TEMPLATE}_{:016x}", hasher.finish()))
}

/// All files below `folder`, in order.
fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.append(&mut files(&path)?);
        } else {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

#[expect(clippy::expect_used, reason = "a test without a database can only end")]
fn server() -> SecretString {
    env::var(VARIABLE)
        .expect(
            "TEST_DATABASE_URL is not set: run `make test`, or `cargo run -p nomad-services-embedded-postgres -- cargo test`",
        )
        .into()
}

fn database_at(server: &SecretString, name: &str) -> SecretString {
    let url = server.expose_secret();
    let base = url.rsplit_once('/').map_or(url, |(base, _)| base);
    format!("{base}/{name}").into()
}

#[expect(clippy::expect_used, reason = "a test without a database can only end")]
async fn connect(server: &SecretString) -> Client {
    let connected = tokio_postgres::connect(server.expose_secret(), NoTls).await;
    let (client, connection) = connected.expect("the test server answers");
    tokio::spawn(connection);
    client
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_that_of_the_sources_as_they_are_at_this_moment() {
        let folder = tempfile::tempdir().unwrap();
        let nested = folder.path().join("sql");
        fs::create_dir(&nested).unwrap();
        let write = |text: &str| fs::write(nested.join("create_tables.sql"), text).unwrap();
        let template = || template_of(folder.path()).unwrap();

        write("CREATE TABLE services ()");
        let first = template();
        write("CREATE TABLE tenants ()");
        assert_ne!(template(), first);
        write("CREATE TABLE services ()");
        assert_eq!(template(), first);
    }
}
