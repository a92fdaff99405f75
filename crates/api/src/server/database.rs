//! The database: the server that the settings name, or a private one; waited for, and with the schema of this program.

use std::path::PathBuf;

use embedded_postgres::{Binaries, Cluster, ClusterError, Durability};
use migration::{MigrationError, SchemaState};
use persistence::{Database, PoolSettings};
use postgres_connection::{Address, ConnectError, Connector, SslMode};
use tokio::time::{Duration, Instant, sleep, timeout_at};

use super::StartError;
use crate::settings::Settings;

const RETRY_INTERVAL: Duration = Duration::from_millis(500);

/// What is said where a pooler stands in the way of a migration.
const POOLERS: [&str; 2] = ["unsupported startup parameter", "prepared statement"];

/// The database to use; a private one stops when this is dropped.
#[derive(Debug)]
pub struct ChosenDatabase {
    address: Address,
    /// Past a pooler.
    direct: Option<Address>,
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

    /// The same, except that a private one which a server runs at this moment is used; and it answers.
    ///
    /// # Errors
    /// Says why there is none.
    pub async fn for_command(settings: &Settings) -> Result<Self, StartError> {
        let chosen = Self::choose(settings, async |binaries, folder| {
            Cluster::start_or_share(binaries, folder, Durability::Durable).await
        })
        .await?;
        chosen.answers(settings).await?;
        Ok(chosen)
    }

    async fn choose(
        settings: &Settings,
        start: impl AsyncFnOnce(Binaries, &std::path::Path) -> Result<Cluster, ClusterError>,
    ) -> Result<Self, StartError> {
        if let Some(address) = settings.database.address()? {
            return Ok(Self {
                address,
                direct: settings.database.direct_address()?,
                private: None,
            });
        }
        let binaries = Binaries::find_or_fetch(settings.database.bin_directory.as_deref()).await?;
        let folder = settings.data.postgres();
        let cluster = start(binaries, &folder).await?;
        // It listens on loopback alone.
        let address = Address::parse(&cluster.url())?.or_protected(SslMode::Disable, None);
        Ok(Self {
            address,
            direct: None,
            private: Some((cluster, folder)),
        })
    }

    /// For people: which one it is.
    pub fn description(&self) -> String {
        let address = &self.address;
        match &self.private {
            Some((_, folder)) => {
                format!("a private PostgreSQL in {}, at {address}", folder.display())
            }
            None => format!("PostgreSQL at {address}"),
        }
    }

    /// Where it gives out sessions that are used by one client alone, as migrations need them.
    pub fn direct(&self) -> &Address {
        self.direct.as_ref().unwrap_or(&self.address)
    }

    /// Brings its schema up to date or compares it with this program, as `settings` say.
    ///
    /// # Errors
    /// It can't be reached, refuses, or has another schema.
    pub async fn prepare(&self, settings: &Settings) -> Result<(), StartError> {
        if settings.database.migrate_on_start {
            let migrated = migration::up(self.direct(), None).await;
            return migrated.map_err(|error| unusable("can't be migrated", &error));
        }
        match migration::state(self.direct()).await {
            Ok(SchemaState::Current) => Ok(()),
            Ok(SchemaState::Behind(missing)) => Err(StartError::Schema(format!(
                "it lacks {}",
                missing.join(", ")
            ))),
            Ok(SchemaState::Unknown(newer)) => Err(StartError::Schema(format!(
                "a newer program added {}",
                newer.join(", ")
            ))),
            Err(error) => Err(unusable("can't be asked for its schema", &error)),
        }
    }

    /// Whether it has the table that data keys are in: without it there are none.
    ///
    /// # Errors
    /// It can't be asked.
    pub async fn has_data_keys_table(&self) -> Result<bool, StartError> {
        let asked = migration::has_table(self.direct(), "tenant_keys").await;
        asked.map_err(|error| unusable("can't be asked for its tables", &error))
    }

    /// Waits until it answers.
    ///
    /// # Errors
    /// It does not in time, or it refuses.
    pub async fn answers(&self, settings: &Settings) -> Result<(), StartError> {
        let patience = settings.database.startup_timeout.get();
        let deadline = Instant::now() + patience;
        for address in std::iter::once(&self.address).chain(&self.direct) {
            answers_at(address, patience, deadline).await?;
        }
        Ok(())
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
            keeps_statements: settings.database.prepared_statements,
            ..PoolSettings::default()
        };
        let database = Database::new(&self.address, bounds)?;
        Ok(match &self.direct {
            Some(direct) => database.with_direct(direct)?,
            None => database,
        })
    }
}

/// Why migrations, or a look at the schema, came to nothing.
pub fn unusable(what: &str, error: &MigrationError) -> StartError {
    let mut reason = format!("{what}: {error}");
    if POOLERS.iter().any(|words| reason.contains(words)) {
        reason.push_str("; behind a pooler such as PgBouncer, set DATABASE_DIRECT_URL to the address of PostgreSQL itself");
    }
    StartError::Database(reason)
}

/// Waits until somebody answers there.
async fn answers_at(
    address: &Address,
    patience: Duration,
    deadline: Instant,
) -> Result<(), StartError> {
    let connector = Connector::new(&address.clone().within(patience))?;
    let mut silence = None;
    loop {
        let asked = timeout_at(deadline, connector.connect()).await;
        match asked {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error @ ConnectError::Silent { .. })) if silence.is_none() => {
                tracing::warn!(%error, "the database does not answer yet");
                silence = Some(error);
            }
            Ok(Err(ConnectError::Silent { .. })) => {}
            Ok(Err(error)) => return Err(error.into()),
            Err(_) => {}
        }
        if Instant::now() + RETRY_INTERVAL > deadline {
            let reason = match silence {
                Some(ConnectError::Silent { reason, .. }) => reason,
                _ => "no answer".to_owned(),
            };
            return Err(StartError::DatabaseSilent {
                address: address.to_string(),
                waited: patience,
                reason,
            });
        }
        sleep(RETRY_INTERVAL).await;
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
