//! What is measured on: a throw-away PostgreSQL, and the server with it.

use std::{fs, net::SocketAddr, os::unix::fs::PermissionsExt, path::Path, thread::JoinHandle};

use embedded_postgres::{Binaries, Cluster, Durability};
use secrecy::{ExposeSecret, SecretString};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio_postgres::NoTls;

use crate::{Result, server};

/// Who signs in to PostgreSQL, and where.
pub struct Login {
    pub port: u16,
    pub user: String,
    pub password: SecretString,
    pub database: String,
}

pub struct Ground {
    pub address: SocketAddr,
    server: JoinHandle<Result<()>>,
    stop: oneshot::Sender<()>,
    cluster: Cluster,
    pub folder: TempDir,
}

impl Ground {
    /// Starts both, the server with these environment variables besides.
    pub async fn prepare(more: &[(&str, &str)]) -> Result<Self> {
        let preferred = std::env::var_os("POSTGRES_BIN_DIR").filter(|folder| !folder.is_empty());
        let binaries = Binaries::find_or_fetch(preferred.as_deref().map(Path::new)).await?;
        let readable = fs::Permissions::from_mode(0o755);
        let folder = tempfile::Builder::new()
            .prefix("nomad-services-bench-")
            .permissions(readable)
            .tempdir()?;
        let cluster = Cluster::start(binaries, folder.path(), Durability::Throwaway).await?;
        let (server, address, stop) = server::start(cluster.url(), more).await?;
        Ok(Self {
            address,
            server,
            stop,
            cluster,
            folder,
        })
    }

    /// The server's login.
    pub fn login(&self) -> Result<Login> {
        let config = self.config()?;
        let password =
            String::from_utf8_lossy(config.get_password().unwrap_or_default()).into_owned();
        Ok(Login {
            port: config.get_ports().first().copied().unwrap_or_default(),
            user: config.get_user().unwrap_or_default().to_owned(),
            password: password.into(),
            database: config.get_dbname().unwrap_or_default().to_owned(),
        })
    }

    /// A session as the server has them.
    pub async fn application(&self) -> Result<tokio_postgres::Client> {
        connect(self.config()?.options("-c role=nomad_services_app")).await
    }

    /// The private PostgreSQL gives its superuser the same password.
    pub async fn superuser(&self) -> Result<tokio_postgres::Client> {
        connect(self.config()?.user("postgres")).await
    }

    /// Stops the server, then PostgreSQL.
    pub async fn clear(self) -> Result<()> {
        let _ = self.stop.send(());
        let server = self.server;
        tokio::task::spawn_blocking(move || server.join())
            .await?
            .map_err(|_| "the server panicked")??;
        drop(self.cluster);
        Ok(())
    }

    fn config(&self) -> Result<tokio_postgres::Config> {
        Ok(self.cluster.url().expose_secret().parse()?)
    }
}

async fn connect(config: &tokio_postgres::Config) -> Result<tokio_postgres::Client> {
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}
