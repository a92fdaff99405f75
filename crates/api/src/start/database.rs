//! The database: the server that the settings name, or a private one; waited for, and with the schema of this program.

use std::{io, path::PathBuf};

use embedded_postgres::{Binaries, Cluster, ClusterError, Durability};
use migration::SchemaState;
use persistence::{ConnectionSettings, Database, PoolSettings, SetupError, Tunnel};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::{Duration, Instant, sleep, timeout_at};

use super::StartError;
use crate::settings::{DatabaseServer, Settings, SslMode};

const RETRY_INTERVAL: Duration = Duration::from_millis(500);

/// Why there is no answer.
enum Unanswered {
    /// Nobody is there, which may pass.
    Silent(String),
    /// Somebody is, and refuses or is refused.
    Refused(String),
}

/// The database to use; a private one stops when this is dropped.
#[derive(Debug)]
pub struct ChosenDatabase {
    server: DatabaseServer,
    /// For the migrations, where the server's certificate matters.
    tunnel: Option<Tunnel>,
    private: Option<(Cluster, PathBuf)>,
}

impl ChosenDatabase {
    /// The database that `settings` name; otherwise starts a private one, for as long as this process runs.
    ///
    /// # Errors
    /// Says why there is none.
    pub async fn for_server(settings: &Settings) -> Result<Self, StartError> {
        Self::choose(settings, async |binaries, folder| {
            Cluster::start(binaries, folder, Durability::Durable).await
        })
        .await
    }

    /// The same, except that a private one which a server runs at this moment is used.
    ///
    /// # Errors
    /// Says why there is none.
    pub async fn for_command(settings: &Settings) -> Result<Self, StartError> {
        let chosen = Self::choose(settings, async |binaries, folder| {
            Cluster::start_or_share(binaries, folder, Durability::Durable).await
        })
        .await?;
        if let Some(tunnel) = &chosen.tunnel {
            let address = chosen.server.host_and_port();
            tunnel.check().await.map_err(|error| {
                StartError::Database(format!("at {address} can't be used: {error}"))
            })?;
        }
        Ok(chosen)
    }

    async fn choose(
        settings: &Settings,
        start: impl AsyncFnOnce(Binaries, &std::path::Path) -> Result<Cluster, ClusterError>,
    ) -> Result<Self, StartError> {
        let named = settings.database.server();
        if let Some(server) = named.map_err(|allowed| StartError::Setting(allowed.to_owned()))? {
            return Ok(Self {
                tunnel: Tunnel::open(&connection(&server)).map_err(unusable)?,
                server,
                private: None,
            });
        }
        let binaries = Binaries::find_or_fetch(settings.database.bin_directory.as_deref()).await?;
        let folder = settings.data.postgres();
        let cluster = start(binaries, &folder).await?;
        let server = DatabaseServer {
            url: cluster.url(),
            // It listens on loopback alone.
            ssl_mode: SslMode::Disable,
            ssl_root_cert: None,
        };
        Ok(Self {
            server,
            tunnel: None,
            private: Some((cluster, folder)),
        })
    }

    /// For people: which one it is.
    pub fn description(&self) -> String {
        let address = self.server.host_and_port();
        match &self.private {
            Some((_, folder)) => {
                format!("a private PostgreSQL in {}, at {address}", folder.display())
            }
            None => format!("PostgreSQL at {address}"),
        }
    }

    /// Its address with its protection, as the migrations' own driver reads both.
    pub fn migration_url(&self) -> SecretString {
        if let Some(tunnel) = &self.tunnel {
            return tunnel.url().clone();
        }
        let url = self.server.url.expose_secret();
        let separator = if url.contains('?') { '&' } else { '?' };
        let mode = ssl_mode(self.server.ssl_mode).as_str();
        format!("{url}{separator}sslmode={mode}").into()
    }

    /// Waits until it answers, then brings its schema up to date or compares it with this program, as `settings` say.
    ///
    /// # Errors
    /// It does not answer in time, refuses, or has another schema.
    pub async fn prepare(&self, settings: &Settings) -> Result<(), StartError> {
        self.answers(settings).await?;
        let url = self.migration_url();
        if settings.database.migrate_on_start {
            let migrated = migration::up(&url).await;
            return migrated
                .map_err(|error| StartError::Database(format!("can't be migrated: {error}")));
        }
        match migration::state(&url).await {
            Ok(SchemaState::Current) => Ok(()),
            Ok(SchemaState::Behind(missing)) => Err(StartError::Schema(format!(
                "it lacks {}",
                missing.join(", ")
            ))),
            Ok(SchemaState::Unknown(newer)) => Err(StartError::Schema(format!(
                "a newer program added {}",
                newer.join(", ")
            ))),
            Err(error) => Err(StartError::Database(format!(
                "can't be asked for its schema: {error}"
            ))),
        }
    }

    /// Whether it has the table that data keys are in: without it there are none.
    ///
    /// # Errors
    /// It can't be asked.
    pub async fn has_data_keys_table(&self) -> Result<bool, StartError> {
        let asked = migration::has_table(&self.migration_url(), "tenant_keys").await;
        asked.map_err(|error| {
            StartError::Database(format!("can't be asked for its tables: {error}"))
        })
    }

    /// Waits until it answers.
    ///
    /// # Errors
    /// It does not in time, or it refuses.
    pub async fn answers(&self, settings: &Settings) -> Result<(), StartError> {
        let patience = settings.database.startup_timeout.get();
        let address = self.server.host_and_port();
        let silent = || StartError::DatabaseSilent {
            address: address.clone(),
            waited: patience,
        };
        let deadline = Instant::now() + patience;
        let mut told = false;
        loop {
            let asked = timeout_at(deadline, self.ask()).await;
            match asked.map_err(|_| silent())? {
                Ok(()) => return Ok(()),
                Err(Unanswered::Refused(reason)) => {
                    return Err(StartError::Database(format!(
                        "at {address} refuses: {reason}"
                    )));
                }
                Err(Unanswered::Silent(error)) if !told => {
                    tracing::warn!(address, error, "the database does not answer yet");
                    told = true;
                }
                Err(Unanswered::Silent(_)) => {}
            }
            if Instant::now() + RETRY_INTERVAL > deadline {
                return Err(silent());
            }
            sleep(RETRY_INTERVAL).await;
        }
    }

    /// Asks once whether it answers.
    async fn ask(&self) -> Result<(), Unanswered> {
        if let Some(tunnel) = &self.tunnel {
            tunnel.check().await.map_err(|error| match error.kind() {
                io::ErrorKind::InvalidData => Unanswered::Refused(error.to_string()),
                _ => Unanswered::Silent(error.to_string()),
            })?;
        }
        match migration::connect(&self.migration_url()).await {
            Ok(connection) => {
                // It was only asked whether it answers.
                let _ = connection.close().await;
                Ok(())
            }
            Err(error) if migration::did_not_answer(&error) => {
                Err(Unanswered::Silent(error.to_string()))
            }
            Err(error) => Err(Unanswered::Refused(error.to_string())),
        }
    }

    /// A pool of connections to it.
    ///
    /// # Errors
    /// The address or the protection is not usable.
    pub fn pool(&self, settings: &Settings) -> Result<Database, StartError> {
        let bounds = PoolSettings {
            max_open: settings.database.max_open,
            max_idle: settings.database.max_idle,
            max_lifetime: settings.database.max_lifetime.get(),
            idle_timeout: settings.database.idle_timeout.get(),
            acquire_timeout: settings.database.acquire_timeout.get(),
            ..PoolSettings::default()
        };
        Database::new(&connection(&self.server), bounds).map_err(unusable)
    }
}

/// Refuses a database in which the product would run as a role that row-level security does not bind, or in which a table,
/// policy, view, function or grant leads past it.
///
/// # Errors
/// Names each, and what to do.
pub async fn check_isolation(database: &Database) -> Result<(), StartError> {
    let standing = database.isolation().await;
    let standing = standing.map_err(|error| {
        StartError::Database(format!(
            "can't be asked whether it keeps tenants apart: {error}"
        ))
    })?;
    for warning in standing.warnings {
        tracing::warn!("{warning}");
    }
    if standing.findings.is_empty() {
        return Ok(());
    }
    Err(StartError::Isolation(standing.findings))
}

fn connection(server: &DatabaseServer) -> ConnectionSettings {
    ConnectionSettings {
        url: server.url.clone(),
        ssl_mode: ssl_mode(server.ssl_mode),
        ssl_root_certificate: server.ssl_root_cert.clone(),
    }
}

fn unusable(error: SetupError) -> StartError {
    StartError::Database(error.to_string())
}

fn ssl_mode(mode: SslMode) -> persistence::SslMode {
    match mode {
        SslMode::Disable => persistence::SslMode::Disable,
        SslMode::Prefer => persistence::SslMode::Prefer,
        SslMode::Require => persistence::SslMode::Require,
        SslMode::VerifyCa => persistence::SslMode::VerifyCa,
        SslMode::VerifyFull => persistence::SslMode::VerifyFull,
    }
}
