//! The schema as a whole: brought to another version by one process at a time, or compared with what this program knows.

use std::{collections::BTreeMap, fmt, time::Duration};

use postgres_connection::{Address, ConnectError};
use sea_orm_migration::{
    prelude::*,
    sea_orm::{DatabaseConnection, DbBackend, Statement, TransactionTrait},
};

use crate::Migrator;

/// Any number, the same in every replica: whoever holds this lock migrates, the others wait.
const LOCK: i64 = 0x6e6f_6d61_6473;

/// How long a replica waits for another's migration.
const LOCK_DEADLINE: Duration = Duration::from_secs(120);

/// What SeaORM does for `fresh`, which it knows of its own driver's PostgreSQL alone.
const DROP_TABLES: &str = "
DO $$
DECLARE
    owned REGCLASS;
BEGIN
    FOR owned IN
        SELECT oid FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = current_schema()::text::regnamespace
        AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = pg_class.oid AND deptype = 'e')
    LOOP
        EXECUTE format('DROP TABLE IF EXISTS %s CASCADE', owned);
    END LOOP;
END
$$";

/// Why the schema was not changed, or nothing is known of it.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// The database can't be reached, or refuses the login.
    #[error(transparent)]
    Connection(#[from] ConnectError),
    /// It refuses a statement, or its schema is of a newer program.
    #[error(transparent)]
    Database(#[from] DbErr),
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

impl fmt::Display for Standing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Applied => "Applied",
            Self::Pending => "Pending",
            Self::Unknown => "Unknown",
        })
    }
}

/// Applies what has not been applied, or the next `steps` of it, as the database's owner. Replicas that start together take
/// turns.
///
/// # Errors
/// Fails where the database can't be reached, where a migration is refused, or where another replica takes longer than two
/// minutes.
pub async fn up(address: &Address, steps: Option<u32>) -> Result<(), MigrationError> {
    in_turn(address, async |connection| {
        Migrator::up(connection, steps).await
    })
    .await
}

/// Takes back the last `steps` migrations, or all of them.
///
/// # Errors
/// As [`up`].
pub async fn down(address: &Address, steps: Option<u32>) -> Result<(), MigrationError> {
    in_turn(address, async |connection| {
        Migrator::down(connection, steps).await
    })
    .await
}

/// Drops every table, whoever made it, then applies everything.
///
/// # Errors
/// As [`up`].
pub async fn fresh(address: &Address) -> Result<(), MigrationError> {
    in_turn(address, async |connection| {
        connection.execute_unprepared(DROP_TABLES).await?;
        Migrator::up(connection, None).await
    })
    .await
}

/// Takes everything back, then applies it again.
///
/// # Errors
/// As [`up`].
pub async fn refresh(address: &Address) -> Result<(), MigrationError> {
    in_turn(address, async |connection| {
        Migrator::refresh(connection).await
    })
    .await
}

/// Takes everything back, and forgets that there were migrations.
///
/// # Errors
/// As [`up`].
pub async fn reset(address: &Address) -> Result<(), MigrationError> {
    in_turn(address, async |connection| {
        Migrator::reset(connection).await
    })
    .await
}

/// The turn is held by a connection of its own: each migration is a transaction of the other.
async fn in_turn(
    address: &Address,
    change: impl AsyncFnOnce(&DatabaseConnection) -> Result<(), DbErr>,
) -> Result<(), MigrationError> {
    let (holder, connection) = (connect(address).await?, connect(address).await?);
    let turn = holder.begin().await?;
    let deadline = LOCK_DEADLINE.as_secs();
    let lock =
        format!("SET LOCAL lock_timeout = '{deadline}s'; SELECT pg_advisory_xact_lock({LOCK})");
    turn.execute_unprepared(&lock).await?;
    change(&connection).await?;
    // A COMMIT that failed is known here at the latest.
    connection.ping().await?;
    turn.commit().await?;
    Ok(holder.ping().await?)
}

async fn connect(address: &Address) -> Result<DatabaseConnection, ConnectError> {
    let address = address
        .clone()
        .or_named("nomad-services-migration")
        .with_options("-c timezone=UTC");
    postgres_connection::connect(&address).await
}

/// Whether the database has a table of this name. It changes nothing.
///
/// # Errors
/// Fails where the database can't be asked.
pub async fn has_table(address: &Address, name: &str) -> Result<bool, MigrationError> {
    Ok(exists(&connect(address).await?, name).await?)
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
pub async fn state(address: &Address) -> Result<SchemaState, MigrationError> {
    let status = status(address).await?;
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
pub async fn status(address: &Address) -> Result<Vec<(String, Standing)>, MigrationError> {
    let applied = applied(&connect(address).await?).await?;
    let mut status: BTreeMap<_, _> = applied
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
