//! SeaORM on tokio-postgres, pipelined: BEGIN, the caller's context, the statements and COMMIT leave together and cost
//! one round trip. It decides both isolation and speed, so nothing outside this module sees a bare connection.

mod pool;
mod purpose;
mod read;
mod transaction;
mod trial;

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use futures::{TryStreamExt, future};
use postgres_connection::parameters;
use sea_orm::{DbErr, QueryResult, RuntimeErr, Statement};
use sea_query_postgres::PostgresValues;
use tokio_postgres::{Client, Error, Row, error::SqlState};

pub use pool::{Connections, Database, PoolSettings};
pub use read::TenantRead;
pub use transaction::{SystemTx, TenantTx, Transaction};
pub(crate) use trial::{Outcome, Trial};

/// More statements than the product has; a bound all the same.
const PREPARED_STATEMENTS: usize = 512;

/// One session with PostgreSQL and the statements it has prepared.
pub(crate) struct Connection {
    client: Client,
    prepared: Mutex<HashMap<String, tokio_postgres::Statement>>,
}

/// What a statement answered.
pub(crate) struct Answer {
    rows: Vec<Row>,
    affected: u64,
}

impl Answer {
    pub(crate) fn results(&self) -> Result<Vec<QueryResult>, DbErr> {
        self.rows
            .iter()
            .map(|row| Ok(postgres_connection::row(row)?.into()))
            .collect()
    }

    pub(crate) fn affected(&self) -> u64 {
        self.affected
    }
}

/// Why statements were not carried out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExchangeError {
    /// The server or the network.
    #[error(transparent)]
    Postgres(#[from] Error),
    /// Nothing was sent.
    #[error("a statement would change the transaction or the context it runs in")]
    ChangesContext,
}

/// The commands that read and write rows. No other is sent: some end the transaction, or leave its context or role for another.
const ROW_COMMANDS: [&str; 7] = [
    "SELECT", "INSERT", "UPDATE", "DELETE", "WITH", "TABLE", "VALUES",
];

/// What sets a variable from within a statement, and how a name could be written so that it is not recognised.
const CONTEXT_NAMES: [&str; 3] = ["set_config", "pg_settings", "u&\""];

/// Whether a statement could change what decides which rows are visible. The context is set with BEGIN, and then stays.
fn changes_context(sql: &str) -> bool {
    let first = sql.split(|character: char| !character.is_ascii_alphabetic());
    let first = first.take(1).collect::<String>();
    let is_known = ROW_COMMANDS
        .iter()
        .any(|known| known.eq_ignore_ascii_case(&first));
    let sql = sql.to_ascii_lowercase();
    !is_known || CONTEXT_NAMES.iter().any(|name| sql.contains(name))
}

/// The text that opens a transaction and the context that is set in it, before anything else runs.
#[derive(Clone, Debug)]
pub(crate) struct Opening {
    begin: &'static str,
    context: Statement,
    /// What is asked across tenants, before the transaction becomes one tenant's.
    across: Option<Statement>,
}

/// Leaves the role that works across tenants.
const INTO_TENANT: &str = "SET LOCAL ROLE nomad_services_app";

impl Connection {
    fn new(client: Client) -> Self {
        Self {
            client,
            prepared: Mutex::default(),
        }
    }

    /// Sends everything at once, in this order, and answers for the statements alone, those of the opening that is asked
    /// across tenants first.
    ///
    /// All statements are prepared before BEGIN leaves: one that had to be prepared in between would run after COMMIT,
    /// without a context.
    async fn exchange(
        &self,
        opening: Option<&Opening>,
        statements: &[Statement],
        commit: bool,
    ) -> Result<Vec<Answer>, ExchangeError> {
        if statements
            .iter()
            .any(|statement| changes_context(&statement.sql))
        {
            return Err(ExchangeError::ChangesContext);
        }
        let across = opening.and_then(|opening| opening.across.as_ref());
        let context = opening.map(|opening| &opening.context);
        let mut queries = Vec::with_capacity(statements.len() + 2);
        for statement in context.into_iter().chain(across).chain(statements) {
            queries.push((self.prepare(&statement.sql).await?, parameters(statement)));
        }
        let (first, others) = queries.split_at(queries.len() - statements.len());
        let begin = async {
            match opening {
                Some(opening) => self.client.batch_execute(opening.begin).await,
                None => Ok(()),
            }
        };
        let enter = async {
            match across {
                Some(_) => self.client.batch_execute(INTO_TENANT).await,
                None => Ok(()),
            }
        };
        let commit = async {
            if commit {
                self.client.batch_execute("COMMIT").await
            } else {
                Ok(())
            }
        };
        // The first poll of each queues its messages, and these futures are polled in this order.
        let (begun, first, entered, others, committed) = future::join5(
            begin,
            self.queries(first),
            enter,
            self.queries(others),
            commit,
        )
        .await;
        begun?;
        let first = first?;
        entered?;
        let others = others?;
        committed?;
        let after_context = first.into_iter().skip(1);
        Ok(after_context.chain(others).collect())
    }

    async fn queries(
        &self,
        queries: &[(tokio_postgres::Statement, PostgresValues)],
    ) -> Result<Vec<Answer>, Error> {
        let queries = queries
            .iter()
            .map(|(statement, parameters)| self.query(statement, parameters));
        future::join_all(queries).await.into_iter().collect()
    }

    async fn query(
        &self,
        statement: &tokio_postgres::Statement,
        parameters: &PostgresValues,
    ) -> Result<Answer, Error> {
        let mut stream = Box::pin(
            self.client
                .query_raw(statement, parameters.as_params())
                .await?,
        );
        let mut rows = Vec::new();
        while let Some(row) = stream.try_next().await? {
            rows.push(row);
        }
        Ok(Answer {
            rows,
            affected: stream.rows_affected().unwrap_or_default(),
        })
    }

    async fn prepare(&self, sql: &str) -> Result<tokio_postgres::Statement, Error> {
        if let Some(statement) = self.statements().get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare(sql).await?;
        let mut statements = self.statements();
        if statements.len() >= PREPARED_STATEMENTS {
            statements.clear();
        }
        statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    fn statements(&self) -> std::sync::MutexGuard<'_, HashMap<String, tokio_postgres::Statement>> {
        self.prepared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn forget_statements(&self) {
        self.statements().clear();
    }
}

/// What may be done about a failed exchange of which nothing took effect.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Remedy {
    /// A migration changed what a prepared statement refers to: prepare it again.
    PrepareAgain,
    /// The server or the network ended the session: take another.
    Reconnect,
    /// The statement itself was refused.
    None,
}

fn remedy(error: &ExchangeError) -> Remedy {
    let ExchangeError::Postgres(error) = error else {
        return Remedy::None;
    };
    let stale = match error.code() {
        Some(code) if *code == SqlState::INVALID_SQL_STATEMENT_NAME => true,
        Some(code) if *code == SqlState::FEATURE_NOT_SUPPORTED => error
            .as_db_error()
            .is_some_and(|error| error.message().contains("cached plan must not change")),
        _ => false,
    };
    let ended = error.is_closed()
        || error.as_db_error().is_none()
        || matches!(
            error.code(),
            Some(code) if *code == SqlState::ADMIN_SHUTDOWN
                || *code == SqlState::CRASH_SHUTDOWN
                || *code == SqlState::CANNOT_CONNECT_NOW
        );
    match (stale, ended) {
        (true, _) => Remedy::PrepareAgain,
        (false, true) => Remedy::Reconnect,
        (false, false) => Remedy::None,
    }
}

/// What SeaORM's own traits carry; [`crate::Failure::from`] finds the PostgreSQL error in it again.
fn to_db_err(error: ExchangeError) -> DbErr {
    match error {
        ExchangeError::Postgres(error) => {
            DbErr::Query(RuntimeErr::Internal(crate::error::encode(&error)))
        }
        ExchangeError::ChangesContext => DbErr::Custom(error.to_string()),
    }
}
