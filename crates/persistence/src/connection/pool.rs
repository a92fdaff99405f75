//! The pool of connections: how many there may be, how long they live, and how long a request waits for one.

use std::{fmt, sync::Arc, time::Duration};

use deadpool::managed::{
    self, Hook, Metrics, PoolConfig, PoolError, QueueMode, RecycleError, RecycleResult, Timeouts,
};
use domain::{Acting, Error, SystemPurpose, TenantScope};
use postgres_connection::{Address, ConnectError};
use sea_orm::{QueryResult, Statement};

use super::{
    Connection,
    transaction::{SystemTx, TenantTx, collect},
};
use crate::encryption::Keyring;

/// Bounds of the pool.
#[derive(Clone, Copy, Debug)]
pub struct PoolSettings {
    /// Open connections at most.
    pub max_open: usize,
    /// Idle connections kept after [`idle_timeout`](Self::idle_timeout).
    pub max_idle: usize,
    /// A connection is replaced after this.
    pub max_lifetime: Duration,
    /// Idle connections above [`max_idle`](Self::max_idle) close after this.
    pub idle_timeout: Duration,
    /// A request waits this long for a connection, then gets 503.
    pub acquire_timeout: Duration,
    /// PostgreSQL ends a statement after this.
    pub statement_timeout: Duration,
}

impl Default for PoolSettings {
    fn default() -> Self {
        Self {
            max_open: 100,
            max_idle: 10,
            max_lifetime: Duration::from_secs(3600),
            idle_timeout: Duration::from_secs(60),
            acquire_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(30),
        }
    }
}

/// What the pool's connections do at one moment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Connections {
    /// Used by a request.
    pub in_use: usize,
    /// Open and free.
    pub idle: usize,
    /// Requests that wait for one.
    pub waiting: usize,
}

pub(super) type Pool = managed::Pool<Connector>;
pub(super) type Pooled = managed::Object<Connector>;

/// The database, reached only through a tenant's context or, loudly, across tenants.
#[derive(Clone)]
pub struct Database {
    pool: Pool,
    keyring: Keyring,
    _reaper: Arc<Reaper>,
}

impl fmt::Debug for Database {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Database")
            .field("status", &self.pool.status())
            .finish()
    }
}

impl Database {
    /// A pool for the database at `address`, whose login is a member of the runtime roles; it connects when a connection is
    /// first needed. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// Fails where the TLS settings are not usable.
    pub fn new(address: &Address, bounds: PoolSettings) -> Result<Self, ConnectError> {
        let statement_timeout = bounds.statement_timeout.as_millis();
        let address = address
            .clone()
            .or_named("nomad-services")
            .within(bounds.acquire_timeout)
            .or_options(&format!(
                "-c statement_timeout={statement_timeout} -c idle_in_transaction_session_timeout=60000"
            ))
            .with_options("-c role=nomad_services_app -c timezone=UTC");
        let connector = Connector {
            connector: postgres_connection::Connector::new(&address)?,
            max_lifetime: bounds.max_lifetime,
        };
        let pool = Pool::builder(connector)
            .config(PoolConfig {
                max_size: bounds.max_open,
                timeouts: Timeouts {
                    wait: Some(bounds.acquire_timeout),
                    create: Some(bounds.acquire_timeout),
                    recycle: None,
                },
                queue_mode: QueueMode::Lifo,
            })
            .runtime(deadpool::Runtime::Tokio1)
            .post_create(Hook::sync_fn(|_, _| {
                metrics::counter!("nomad_services_database_connections_opened_total").increment(1);
                Ok(())
            }))
            .build()
            .map_err(|error| ConnectError::Setup(error.to_string()))?;
        let reaper = Arc::new(Reaper(tokio::spawn(close_idle(pool.clone(), bounds))));
        Ok(Self {
            pool,
            keyring: Keyring::default(),
            _reaper: reaper,
        })
    }

    /// The same database, whose secret values are encrypted with the keys of `keyring`.
    #[must_use]
    pub fn with_keyring(self, keyring: Keyring) -> Self {
        Self { keyring, ..self }
    }

    /// What secret values are encrypted with.
    pub fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    /// A transaction of a tenant's member. Nothing is sent before its first statement.
    ///
    /// # Errors
    /// `database_unavailable` where no connection is free in time.
    pub async fn tenant(&self, scope: TenantScope) -> Result<TenantTx, Error> {
        Ok(TenantTx::new(
            self.clone(),
            self.connection().await?,
            &scope,
        ))
    }

    /// A transaction across tenants, for one of a few named purposes, on behalf of `acting`.
    ///
    /// # Errors
    /// `database_unavailable` where no connection is free in time.
    pub async fn system(&self, purpose: SystemPurpose, acting: &Acting) -> Result<SystemTx, Error> {
        let connection = self.connection().await?;
        Ok(SystemTx::new(self.clone(), connection, purpose, acting))
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// `database_unavailable` where it does not.
    pub async fn ping(&self) -> Result<(), Error> {
        let connection = self.connection().await?;
        connection.client.batch_execute("").await.map_err(|error| {
            crate::error::unavailable("the database does not answer").with_source(error)
        })
    }

    /// The rows of statements about the database itself, which run as the session is between two transactions.
    pub(crate) async fn outside_transactions<const N: usize>(
        &self,
        statements: [Statement; N],
    ) -> Result<[Vec<QueryResult>; N], Error> {
        let connection = self.connection().await?;
        let answers = connection.exchange(None, &statements, false).await;
        collect(&answers.map_err(crate::error::of)?)
    }

    /// What the connections do at this moment.
    pub fn connections(&self) -> Connections {
        let status = self.pool.status();
        Connections {
            in_use: status.size.saturating_sub(status.available),
            idle: status.available,
            waiting: status.waiting,
        }
    }

    pub(super) async fn connection(&self) -> Result<Pooled, Error> {
        self.pool.get().await.map_err(|error| {
            let detail = match &error {
                PoolError::Timeout(managed::TimeoutType::Wait) => {
                    "every database connection is in use"
                }
                _ => "the database can't be reached",
            };
            crate::error::unavailable(detail).with_source(error)
        })
    }
}

/// Makes connections, and decides which may be used again.
pub(super) struct Connector {
    connector: postgres_connection::Connector,
    max_lifetime: Duration,
}

impl managed::Manager for Connector {
    type Type = Connection;
    type Error = ConnectError;

    async fn create(&self) -> Result<Connection, ConnectError> {
        Ok(Connection::new(self.connector.connect().await?))
    }

    async fn recycle(
        &self,
        connection: &mut Connection,
        metrics: &Metrics,
    ) -> RecycleResult<ConnectError> {
        if connection.client.is_closed() {
            return Err(RecycleError::message("the session has ended"));
        }
        if metrics.age() > self.max_lifetime {
            return Err(RecycleError::message("the connection is old"));
        }
        Ok(())
    }
}

/// Ends the task with the last handle to the database.
#[derive(Debug)]
struct Reaper(tokio::task::JoinHandle<()>);

impl Drop for Reaper {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn close_idle(pool: Pool, bounds: PoolSettings) {
    let mut clock = tokio::time::interval(bounds.idle_timeout / 6);
    loop {
        clock.tick().await;
        let mut excess = pool.status().available.saturating_sub(bounds.max_idle);
        pool.retain(|_, metrics| {
            let close = excess > 0 && metrics.last_used() > bounds.idle_timeout;
            excess -= usize::from(close);
            !close
        });
    }
}
