//! SeaORM on one connection, for whatever takes a [`DatabaseConnection`]: migrations and tests. Transactions nest as savepoints.
//! What serves requests does not go through here: it pipelines, and its transactions have a tenant.

use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt;
use sea_orm::{
    Database, DatabaseConnection, DbBackend, DbErr, ProxyDatabaseTrait, ProxyExecResult, ProxyRow,
    RuntimeErr, Statement,
};
use tokio_postgres::{Client, Error, SimpleQueryMessage, error::DbError};

use crate::{Address, ConnectError, Connector, parameters, row};

/// A connection to the database at `address`, for SeaORM. It ends when this is dropped; `close` waits for nothing.
///
/// Transactions of it are one within the other, never beside each other. A BEGIN or COMMIT that fails makes everything that
/// follows fail, and `ping`: SeaORM has no other way to say it.
///
/// # Errors
/// The database can't be reached, or refuses.
pub async fn connect(address: &Address) -> Result<DatabaseConnection, ConnectError> {
    let client = Connector::new(address)?.connect().await?;
    let proxy: Box<dyn ProxyDatabaseTrait> = Box::new(Proxy::new(client));
    let connection = Database::connect_proxy(DbBackend::Postgres, Arc::new(proxy)).await;
    connection.map_err(|error| ConnectError::Setup(error.to_string()))
}

/// What [`connect`] puts under SeaORM.
pub struct Proxy {
    client: Client,
    standing: Mutex<Standing>,
}

#[derive(Default)]
struct Standing {
    /// Transactions that are open, each within the one before.
    open: usize,
    /// Why nothing is carried out any more.
    failed: Option<String>,
}

impl std::fmt::Debug for Proxy {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Proxy")
    }
}

impl Proxy {
    /// On this connection, which has no transaction open.
    pub fn new(client: Client) -> Self {
        Self {
            client,
            standing: Mutex::default(),
        }
    }

    fn standing(&self) -> std::sync::MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check(&self) -> Result<(), DbErr> {
        match &self.standing().failed {
            Some(reason) => Err(DbErr::Query(RuntimeErr::Internal(reason.clone()))),
            None => Ok(()),
        }
    }

    /// Begins a transaction, or a savepoint in the one that is open.
    fn beginning(&self) -> String {
        let mut standing = self.standing();
        standing.open += 1;
        match standing.open {
            1 => "BEGIN".to_owned(),
            level => format!("SAVEPOINT level_{level}"),
        }
    }

    /// Ends the innermost.
    fn end(&self, whole: &str, part: &str) -> String {
        let mut standing = self.standing();
        let level = standing.open;
        standing.open = level.saturating_sub(1);
        match level {
            0 | 1 => whole.to_owned(),
            level => format!("{part} SAVEPOINT level_{level}"),
        }
    }

    async fn control(&self, sql: String) {
        if let Err(error) = self.client.batch_execute(&sql).await {
            let reason = format!("{sql}: {}", words(&error));
            self.standing().failed.get_or_insert(reason);
        }
    }
}

#[async_trait::async_trait]
impl ProxyDatabaseTrait for Proxy {
    async fn query(&self, statement: Statement) -> Result<Vec<ProxyRow>, DbErr> {
        self.check()?;
        let values = parameters(&statement);
        let rows = self.client.query(&statement.sql, &values.as_params()).await;
        rows.map_err(query_error)?.iter().map(row).collect()
    }

    async fn execute(&self, statement: Statement) -> Result<ProxyExecResult, DbErr> {
        self.check()?;
        let rows_affected = match &statement.values {
            Some(_) => {
                let values = parameters(&statement);
                self.client
                    .execute(&statement.sql, &values.as_params())
                    .await
            }
            // Several statements at once, as a migration has them, go as text or not at all.
            None => self
                .client
                .simple_query(&statement.sql)
                .await
                .map(|messages| {
                    let affected = |message| match message {
                        SimpleQueryMessage::CommandComplete(rows) => rows,
                        _ => 0,
                    };
                    messages.into_iter().map(affected).sum()
                }),
        };
        let rows_affected =
            rows_affected.map_err(|error| DbErr::Exec(RuntimeErr::Internal(words(&error))))?;
        Ok(ProxyExecResult {
            last_insert_id: 0,
            rows_affected,
        })
    }

    async fn begin(&self) {
        let begin = self.beginning();
        self.control(begin).await;
    }

    async fn commit(&self) {
        let commit = self.end("COMMIT", "RELEASE");
        self.control(commit).await;
    }

    async fn rollback(&self) {
        let rollback = self.end("ROLLBACK", "ROLLBACK TO");
        self.control(rollback).await;
    }

    fn start_rollback(&self) {
        let rollback = self.end("ROLLBACK", "ROLLBACK TO");
        // The first poll queues it, before anything that comes later; nobody is left who would hear of its end.
        let _ = self.client.batch_execute(&rollback).now_or_never();
    }

    async fn ping(&self) -> Result<(), DbErr> {
        self.check()?;
        self.client.batch_execute("").await.map_err(query_error)
    }
}

fn query_error(error: Error) -> DbErr {
    DbErr::Query(RuntimeErr::Internal(words(&error)))
}

/// With what PostgreSQL says, which the driver leaves out.
fn words(error: &Error) -> String {
    error
        .as_db_error()
        .map_or_else(|| error.to_string(), DbError::to_string)
}
