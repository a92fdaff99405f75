//! The private PostgreSQL from outside: found again, killed, in somebody's way, run by root and by others.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that can't go on has failed"
)]

mod accounts;
mod killed;
mod life;
mod processes;

use std::path::Path;

use embedded_postgres::{Binaries, Cluster, ClusterError, Durability};
use secrecy::{ExposeSecret, SecretString};
use tokio_postgres::{Client, NoTls};

async fn start(folder: &Path) -> Result<Cluster, ClusterError> {
    let binaries = Binaries::find_or_fetch(None).await?;
    Cluster::start(binaries, folder, Durability::Durable).await
}

async fn connect(url: &SecretString) -> Client {
    let connected = tokio_postgres::connect(url.expose_secret(), NoTls).await;
    let (client, connection) = connected.unwrap();
    tokio::spawn(connection);
    client
}

/// A folder that every account may enter, gone with the test.
fn folder() -> tempfile::TempDir {
    use std::{fs::Permissions, os::unix::fs::PermissionsExt};
    tempfile::Builder::new()
        .permissions(Permissions::from_mode(0o755))
        .tempdir()
        .unwrap()
}
