//! The database that is measured: many tenants, and the same once more without triggers for the least that can be asked.

use std::time::{Duration, Instant};

use secrecy::SecretString;
use tokio::time::sleep;
use tokio_postgres::Client as Postgres;

use crate::{Result, client::Client, database::Database, member::Member, server::Server};

/// The database for the least that can be asked.
pub const LEAST: &str = "least";

/// How long sealing what a start writes down may take.
const PATIENCE: Duration = Duration::from_secs(1800);

/// What runs of creates leave.
const FORGET: &str = "SET session_replication_role = replica; SET synchronous_commit = off; \
    DELETE FROM services WHERE name LIKE 'bench-%'";

/// Fills the database with so many tenants that have services, and so many that have none.
pub async fn fill(database: &Database, tenants: u32, fresh: u32) -> Result<()> {
    let (url, folder) = (database.url(), database.folder.path());
    let password = password(&url, database).await?;
    let superuser = database.superuser().await?;
    let population = format!(
        include_str!("sql/population.sql"),
        tenants = tenants,
        fresh = fresh,
        password = password
    );
    superuser.batch_execute(&population).await?;
    // The first start makes each tenant a data key, and writes that down.
    let server = Server::start(&url, folder, &[]).await?;
    sealed(database).await?;
    server.stop().await?;
    superuser.batch_execute("VACUUM ANALYZE").await?;
    drop(superuser);
    let elsewhere = database.superuser_in("postgres").await?;
    let original = database
        .config()?
        .get_dbname()
        .unwrap_or_default()
        .to_owned();
    let copy = format!("CREATE DATABASE {LEAST} TEMPLATE {original}");
    // The session above and the server's end a moment after they are closed.
    let started = Instant::now();
    while let Err(error) = elsewhere.batch_execute(&copy).await {
        if started.elapsed() > Duration::from_secs(10) {
            return Err(error.into());
        }
        sleep(Duration::from_millis(100)).await;
    }
    let least = database.superuser_in(LEAST).await?;
    for statement in include_str!("sql/least.sql").split_inclusive(";\n") {
        least.batch_execute(statement).await?;
    }
    Ok(())
}

/// The stored form of everybody's password, as the server makes it.
async fn password(url: &SecretString, database: &Database) -> Result<String> {
    let server = Server::start(url, database.folder.path(), &[]).await?;
    let mut client = Client::connect(server.address).await?;
    Member::register(&mut client, "first".to_owned()).await?;
    server.stop().await?;
    let sql = "SELECT password FROM users WHERE username = 'first'";
    Ok(database
        .superuser()
        .await?
        .query_one(sql, &[])
        .await?
        .get(0))
}

/// Returns once every tenant has a data key and no event waits to be sealed.
pub async fn sealed(database: &Database) -> Result<()> {
    let waits = "SELECT EXISTS (SELECT FROM audit_pending) OR EXISTS ( \
        SELECT FROM tenants WHERE NOT EXISTS (SELECT FROM tenant_keys WHERE tenant_id = tenants.id))";
    let (superuser, started) = (database.superuser().await?, Instant::now());
    while superuser.query_one(waits, &[]).await?.get(0) {
        if started.elapsed() > PATIENCE {
            return Err("the server does not seal what was written".into());
        }
        sleep(Duration::from_millis(250)).await;
    }
    Ok(())
}

/// Takes away what creates have left, so that each run finds the same tenants empty.
pub async fn forget(superuser: &Postgres) -> Result<()> {
    for sql in [FORGET, "VACUUM (ANALYZE) services", "CHECKPOINT"] {
        superuser.batch_execute(sql).await?;
    }
    Ok(())
}
