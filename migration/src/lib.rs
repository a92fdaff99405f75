//! The schema of Nomad Services, step by step. A migration is text that never changes once released, so it imports none of
//! the product's other crates. The server runs [`up`] at its start; the `migration` command does the same by hand.

use std::{collections::BTreeMap, time::Duration};

use sea_orm_migration::{
    prelude::*,
    sea_orm::{
        ConnectOptions, Database, DatabaseConnection, DbBackend, RuntimeErr, SqlxError, Statement,
        TransactionTrait,
    },
};
use secrecy::{ExposeSecret, SecretString};

mod m20261124_000001_create_tables;
mod m20261124_000002_create_supporting_tables;
mod m20261124_000003_enable_row_level_security;
mod m20261124_000004_record_audit;
mod m20261124_000005_refuse_foreign_references;
mod m20261124_000006_seal_audit;
mod m20261124_000007_create_tenant_keys;
mod m20261124_000008_manage_access;
mod m20261124_000009_strengthen_audit;

/// Any number, the same in every replica: whoever holds this lock migrates, the others wait.
const LOCK: i64 = 0x6e6f_6d61_6473;

/// How long a replica waits for another's migration.
const LOCK_DEADLINE: Duration = Duration::from_secs(120);

/// SQLSTATEs of a server that is starting, or full.
const CANNOT_CONNECT_NOW: &str = "57P03";
const TOO_MANY_CONNECTIONS: &str = "53300";

const CONNECT_DEADLINE: Duration = Duration::from_secs(10);

/// Every migration, oldest first.
#[derive(Debug)]
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261124_000001_create_tables::Migration),
            Box::new(m20261124_000002_create_supporting_tables::Migration),
            Box::new(m20261124_000003_enable_row_level_security::Migration),
            Box::new(m20261124_000004_record_audit::Migration),
            Box::new(m20261124_000005_refuse_foreign_references::Migration),
            Box::new(m20261124_000006_seal_audit::Migration),
            Box::new(m20261124_000007_create_tenant_keys::Migration),
            Box::new(m20261124_000008_manage_access::Migration),
            Box::new(m20261124_000009_strengthen_audit::Migration),
        ]
    }
}

/// Whether the schema is the one this program was built for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SchemaState {
    /// Every migration has been applied, and no other.
    Current,
    /// These have not been applied yet.
    Behind(Vec<String>),
    /// These were applied by a newer program.
    Unknown(Vec<String>),
}

/// How one migration stands in a database.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing {
    /// It has been applied.
    Applied,
    /// It has not been applied yet.
    Pending,
    /// It was applied by a newer program.
    Unknown,
}

/// Connects to the database at `url` (`postgres://…`) as its owner.
///
/// # Errors
/// Fails where the database can't be reached.
pub async fn connect(url: &SecretString) -> Result<DatabaseConnection, DbErr> {
    let mut options = ConnectOptions::new(url.expose_secret());
    options
        .max_connections(2)
        .connect_timeout(CONNECT_DEADLINE)
        .sqlx_logging(false);
    Database::connect(options).await
}

/// Applies what has not been applied. Replicas that start together take turns.
///
/// # Errors
/// Fails where a migration is refused, or where another replica takes longer than two minutes.
pub async fn up(url: &SecretString) -> Result<(), DbErr> {
    in_turn(url, async |connection| Migrator::up(connection, None).await).await
}

/// Takes back the last `steps` migrations, or all of them.
///
/// # Errors
/// As [`up`].
pub async fn down(url: &SecretString, steps: Option<u32>) -> Result<(), DbErr> {
    in_turn(url, async |connection| {
        Migrator::down(connection, steps).await
    })
    .await
}

async fn in_turn(
    url: &SecretString,
    change: impl AsyncFnOnce(&DatabaseConnection) -> Result<(), DbErr>,
) -> Result<(), DbErr> {
    let connection = connect(url).await?;
    let result = async {
        let turn = connection.begin().await?;
        let deadline = format!("SET LOCAL lock_timeout = '{}s'", LOCK_DEADLINE.as_secs());
        turn.execute_unprepared(&deadline).await?;
        let lock = "SELECT pg_advisory_xact_lock($1)";
        turn.execute_raw(Statement::from_sql_and_values(
            DbBackend::Postgres,
            lock,
            [LOCK.into()],
        ))
        .await?;
        change(&connection).await?;
        turn.commit().await
    };
    let result = result.await;
    connection.close().await?;
    result
}

/// Whether `error` means that no database answered, which may pass, rather than that it refused.
pub fn did_not_answer(error: &DbErr) -> bool {
    match error {
        DbErr::ConnectionAcquire(_) => true,
        DbErr::Conn(RuntimeErr::SqlxError(error)) => match error.as_ref() {
            SqlxError::Io(_) | SqlxError::PoolTimedOut => true,
            SqlxError::Database(error) => error.code().is_some_and(|code| {
                [CANNOT_CONNECT_NOW, TOO_MANY_CONNECTIONS].contains(&code.as_ref())
            }),
            _ => false,
        },
        _ => false,
    }
}

/// Whether the database has a table of this name. It changes nothing.
///
/// # Errors
/// Fails where the database can't be asked.
pub async fn has_table(url: &SecretString, name: &str) -> Result<bool, DbErr> {
    let connection = connect(url).await?;
    let asked = exists(&connection, name).await;
    connection.close().await?;
    asked
}

async fn exists(connection: &DatabaseConnection, name: &str) -> Result<bool, DbErr> {
    let table = "SELECT to_regclass($1) IS NOT NULL AS present";
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, table, [name.into()]);
    let row = connection.query_one_raw(statement).await?;
    let present = row.map(|row| row.try_get::<bool>("", "present"));
    Ok(present.transpose()?.unwrap_or_default())
}

/// Compares what has been applied with what this program knows. It changes nothing.
///
/// # Errors
/// Fails where the database can't be asked.
pub async fn state(url: &SecretString) -> Result<SchemaState, DbErr> {
    let status = status(url).await?;
    let names = |wanted| {
        let found = status.iter().filter(|(_, standing)| *standing == wanted);
        found.map(|(name, _)| name.clone()).collect::<Vec<_>>()
    };
    let (unknown, missing) = (names(Standing::Unknown), names(Standing::Pending));
    Ok(match (unknown.is_empty(), missing.is_empty()) {
        (false, _) => SchemaState::Unknown(unknown),
        (true, false) => SchemaState::Behind(missing),
        (true, true) => SchemaState::Current,
    })
}

/// Every migration that was applied or that this program knows, oldest first. It changes nothing.
///
/// # Errors
/// Fails where the database can't be asked.
pub async fn status(url: &SecretString) -> Result<Vec<(String, Standing)>, DbErr> {
    let connection = connect(url).await?;
    let applied = applied(&connection).await;
    connection.close().await?;
    let mut status: BTreeMap<_, _> = applied?
        .into_iter()
        .map(|name| (name, Standing::Unknown))
        .collect();
    for migration in Migrator::migrations() {
        status
            .entry(migration.name().to_owned())
            .and_modify(|standing| *standing = Standing::Applied)
            .or_insert(Standing::Pending);
    }
    Ok(status.into_iter().collect())
}

async fn applied(connection: &DatabaseConnection) -> Result<Vec<String>, DbErr> {
    if !exists(connection, "seaql_migrations").await? {
        return Ok(Vec::new());
    }
    let names = "SELECT version FROM seaql_migrations ORDER BY version";
    let rows = connection
        .query_all_raw(Statement::from_string(DbBackend::Postgres, names))
        .await?;
    rows.iter().map(|row| row.try_get("", "version")).collect()
}
