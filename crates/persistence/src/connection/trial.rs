//! A transaction in which any statement may be tried, because nothing of it stays: its session is ended, not used again.

use domain::Error;
use tokio_postgres::{Client, SimpleQueryMessage};

use super::Database;
use crate::scope::Role;

/// Whatever is tried waits no longer for a lock, and holds up nobody for longer.
const BEGIN: &str = "BEGIN; SET LOCAL lock_timeout = '2s'";
const SAVEPOINT: &str = "SAVEPOINT attempt";
const TAKE_BACK: &str = "ROLLBACK TO SAVEPOINT attempt; RELEASE SAVEPOINT attempt";

/// Statements of any kind, none of which lasts.
pub(crate) struct Trial {
    client: Client,
}

/// What a statement came to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Outcome {
    /// So many rows were shown or changed.
    Rows(u64),
    /// PostgreSQL refused.
    Refused {
        /// Its SQLSTATE.
        code: String,
        /// Its words.
        message: String,
    },
}

impl Trial {
    /// A session outside of any transaction so far, which runs as a tenant's transaction does.
    pub(crate) async fn new(database: &Database) -> Result<Self, Error> {
        let client = database.connector().connect().await.map_err(|error| {
            crate::error::unavailable("the database can't be reached").with_source(error)
        })?;
        let trial = Self { client };
        trial.run(&format!("SET ROLE {}", Role::App.name())).await?;
        trial.run("SET timezone = 'UTC'").await?;
        Ok(trial)
    }

    pub(crate) async fn begin(&self) -> Result<(), Error> {
        self.run(BEGIN).await
    }

    /// Carries out what has to work.
    pub(crate) async fn run(&self, sql: &str) -> Result<(), Error> {
        self.select(sql).await.map(drop)
    }

    /// The rows of what has to work, each column as text.
    pub(crate) async fn select(&self, sql: &str) -> Result<Vec<Vec<String>>, Error> {
        let messages = self.client.simple_query(sql).await;
        let messages = messages.map_err(crate::error::of_driver)?;
        let row = |message| match message {
            SimpleQueryMessage::Row(row) => Some(
                (0..row.len())
                    .map(|column| row.get(column).unwrap_or_default().to_owned())
                    .collect(),
            ),
            _ => None,
        };
        Ok(messages.into_iter().filter_map(row).collect())
    }

    /// Tries a statement as `context` says, and takes it back.
    pub(crate) async fn attempt(&self, context: &str, sql: &str) -> Result<Outcome, Error> {
        self.run(&format!("{SAVEPOINT}; {context}")).await?;
        let outcome = match self.client.simple_query(sql).await {
            Ok(messages) => Outcome::Rows(affected(&messages)),
            Err(error) => match error.as_db_error() {
                Some(refused) => Outcome::Refused {
                    code: refused.code().code().to_owned(),
                    message: refused.message().to_owned(),
                },
                None => return Err(crate::error::of_driver(error)),
            },
        };
        self.run(TAKE_BACK).await?;
        Ok(outcome)
    }
}

fn affected(messages: &[SimpleQueryMessage]) -> u64 {
    let completed = messages.iter().map(|message| match message {
        SimpleQueryMessage::CommandComplete(count) => *count,
        _ => 0,
    });
    completed.sum()
}
