//! The database as everything else has it: reached through a tenant's context or, loudly, across tenants.

use std::{fmt, sync::Arc, time::Duration};

use domain::{Acting, Error, SystemPurpose, TenantScope};
use postgres_connection::{Address, ConnectError, Connector, Query, Row};

use super::{
    pool::{Connections, Pool, Pooled},
    rows,
    transaction::{SystemTx, TenantTx},
};
use crate::{
    encryption::Keyring,
    scope::{Bounds, Context, INTO_TENANT, Role},
};

/// A transaction in which nothing happens is ended after this: its request has died.
const IDLE_IN_TRANSACTION: Duration = Duration::from_secs(60);

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
    /// Whether a session keeps the statements it has parsed. Behind a pooler that knows nothing of them it must not.
    pub keeps_statements: bool,
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
            keeps_statements: true,
        }
    }
}

/// The database, reached only through a tenant's context or, loudly, across tenants.
#[derive(Clone)]
pub struct Database {
    pool: Arc<Pool>,
    /// Past a pooler.
    direct: Option<Connector>,
    keyring: Keyring,
    _reaper: Arc<Reaper>,
}

impl fmt::Debug for Database {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Database")
            .field("connections", &self.connections())
            .finish_non_exhaustive()
    }
}

impl Database {
    /// A pool for the database at `address`, whose login is a member of the runtime roles; it connects when a connection is
    /// first needed. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// Fails where the TLS settings are not usable.
    pub fn new(address: &Address, settings: PoolSettings) -> Result<Self, ConnectError> {
        let address = address
            .clone()
            .or_named("nomad-services")
            .within(settings.acquire_timeout);
        let bound = |name: &str, time: Duration| {
            let own = address.session().get_options().unwrap_or_default();
            (!own.contains(name)).then(|| time.as_millis().to_string())
        };
        let bounds = Bounds {
            statement_timeout: bound("statement_timeout", settings.statement_timeout),
            idle_timeout: bound("idle_in_transaction_session_timeout", IDLE_IN_TRANSACTION),
        };
        let pool = Arc::new(Pool::new(&address, bounds, settings)?);
        let reaper = Reaper(tokio::spawn(pool.clone().close_idle()));
        Ok(Self {
            pool,
            direct: None,
            keyring: Keyring::default(),
            _reaper: Arc::new(reaper),
        })
    }

    /// The same database, which is at `address` past a pooler: what would leave a trace in a session is done there.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_direct(self, address: &Address) -> Result<Self, ConnectError> {
        let direct = Some(Connector::new(address)?);
        Ok(Self { direct, ..self })
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
        let context = Context::changing(&Acting::from(&scope), Role::App);
        let connection = self.connection().await?;
        Ok(TenantTx::new(
            self.clone(),
            connection,
            context,
            Some(scope),
        ))
    }

    /// A transaction across tenants, for one of a few named purposes, on behalf of `acting`.
    ///
    /// # Errors
    /// `database_unavailable` where no connection is free in time.
    pub async fn system(&self, purpose: SystemPurpose, acting: &Acting) -> Result<SystemTx, Error> {
        tracing::trace!(?purpose, "a transaction across tenants");
        let context = Context::changing(acting, Role::System);
        let connection = self.connection().await?;
        Ok(SystemTx::new(self.clone(), connection, context, None))
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// `database_unavailable` where it does not.
    pub async fn ping(&self) -> Result<(), Error> {
        let mut connection = self.connection().await?;
        connection.command("").await.map_err(|error| {
            crate::error::unavailable("the database does not answer").with_source(error)
        })
    }

    /// The rows of questions about the database itself, which are asked as a session is before it has a context.
    pub(crate) async fn without_context<const N: usize>(
        &self,
        questions: [&str; N],
    ) -> Result<[Vec<Row>; N], Error> {
        let mut connection = self.connection().await?;
        let role = connection.bounds().map(|_| Query::plain(INTO_TENANT));
        let (skipped, role) = (usize::from(role.is_some()), role.into_iter());
        let queries: Vec<_> = role.chain(questions.map(Query::plain)).collect();
        let answers = connection.carry_out(&queries, true).await;
        let answers = answers.map_err(|error| crate::error::of(error.into()))?;
        Ok(rows(answers.into_iter().skip(skipped)))
    }

    /// What the connections do at this moment.
    pub fn connections(&self) -> Connections {
        self.pool.connections()
    }

    /// What opens sessions that nobody else uses, without settings.
    pub(super) fn connector(&self) -> &Connector {
        self.direct.as_ref().unwrap_or(self.pool.bare())
    }

    pub(super) async fn connection(&self) -> Result<Pooled, Error> {
        self.pool.take().await
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
