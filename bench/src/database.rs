//! A throw-away PostgreSQL: where it is, and sessions with it.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use embedded_postgres::{Binaries, Cluster, Durability};
use secrecy::{ExposeSecret, SecretString};
use tempfile::TempDir;
use tokio_postgres::{Client, Config, NoTls};

use crate::Result;

/// More than the default, as whoever runs a database of some size sets it.
const MEMORY: &str = "ALTER SYSTEM SET shared_buffers = '512MB'";

pub struct Database {
    // Ended before its folder is removed.
    cluster: Cluster,
    pub folder: TempDir,
}

impl Database {
    /// Starts one that keeps what is committed as PostgreSQL does by default, or one that does not.
    pub async fn start(durability: Durability) -> Result<Self> {
        let preferred = std::env::var_os("POSTGRES_BIN_DIR").filter(|folder| !folder.is_empty());
        let preferred = preferred.as_deref().map(Path::new);
        let binaries = Binaries::find_or_fetch(preferred).await?;
        let readable = fs::Permissions::from_mode(0o755);
        let folder = tempfile::Builder::new()
            .prefix("nomad-services-bench-")
            .permissions(readable)
            .tempdir()?;
        let cluster = Cluster::start(binaries.clone(), folder.path(), durability).await?;
        connect(&cluster, |config| config.user("postgres"))
            .await?
            .batch_execute(MEMORY)
            .await?;
        drop(cluster);
        let cluster = Cluster::start(binaries, folder.path(), durability).await?;
        Ok(Self { cluster, folder })
    }

    /// The address the server uses.
    pub fn url(&self) -> SecretString {
        self.cluster.url()
    }

    pub fn config(&self) -> Result<Config> {
        Ok(self.cluster.url().expose_secret().parse()?)
    }

    /// A session in the server's database. The private PostgreSQL gives its superuser the same password as the server.
    pub async fn superuser(&self) -> Result<Client> {
        connect(&self.cluster, |config| config.user("postgres")).await
    }

    /// The same in another database.
    pub async fn superuser_in(&self, database: &str) -> Result<Client> {
        connect(&self.cluster, |config| {
            config.user("postgres").dbname(database)
        })
        .await
    }

    /// All that PostgreSQL has written into its log.
    pub fn log(&self) -> Result<String> {
        let log = fs::canonicalize(self.folder.path())?.join("log");
        Ok(String::from_utf8_lossy(&fs::read(log)?).into_owned())
    }
}

async fn connect(
    cluster: &Cluster,
    change: impl FnOnce(&mut Config) -> &mut Config,
) -> Result<Client> {
    let mut config: Config = cluster.url().expose_secret().parse()?;
    let (client, connection) = change(&mut config).connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}
