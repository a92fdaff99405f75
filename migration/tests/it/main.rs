//! The migrations on a real PostgreSQL, as the ordinary login that owns the database.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod audit_logs;
mod catalogue;
mod command;
mod generate;
mod isolation_rules;
mod migrations;
mod row_level_security;

use embedded_postgres::test_database::TestDatabase;
use postgres_connection::Address;
use secrecy::{ExposeSecret, SecretString};
use tokio_postgres::{Client, NoTls};

async fn migrated() -> TestDatabase {
    TestDatabase::new(async |url| migration::up(&address(&url), None).await.unwrap()).await
}

fn address(url: &SecretString) -> Address {
    Address::parse(url).unwrap()
}

async fn connect(url: &SecretString) -> Client {
    let (client, connection) = tokio_postgres::connect(url.expose_secret(), NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    client
}
