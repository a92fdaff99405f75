//! Up, down, at once, and beside a schema of another version.

use embedded_postgres::test_database::TestDatabase;
use migration::{Migrator, SchemaState};
use sea_orm_migration::prelude::*;

use crate::{address, catalogue::describe, connect};

#[tokio::test]
async fn every_migration_goes_down_and_up_again() {
    let database = TestDatabase::empty().await;
    let url = database.url();
    let migrator = postgres_connection::connect(&address(&url)).await.unwrap();
    for migration in Migrator::migrations() {
        let before = describe(&url).await;
        Migrator::up(&migrator, Some(1)).await.unwrap();
        let after = describe(&url).await;
        assert_ne!(before, after, "{} changes something", migration.name());
        Migrator::down(&migrator, Some(1)).await.unwrap();
        assert_eq!(
            describe(&url).await,
            before,
            "{} goes down",
            migration.name()
        );
        Migrator::up(&migrator, Some(1)).await.unwrap();
        assert_eq!(
            describe(&url).await,
            after,
            "{} goes up again",
            migration.name()
        );
    }
    Migrator::down(&migrator, None).await.unwrap();
    assert_eq!(describe(&url).await, Vec::<String>::new());
    Migrator::up(&migrator, None).await.unwrap();
    assert_eq!(
        migration::state(&address(&url)).await.unwrap(),
        SchemaState::Current
    );
}

#[tokio::test]
async fn three_servers_migrate_an_empty_database_at_once() {
    let database = TestDatabase::empty().await;
    let url = database.url();
    let address = address(&url);
    let (first, second, third) = tokio::join!(
        migration::up(&address, None),
        migration::up(&address, None),
        migration::up(&address, None)
    );
    first.unwrap();
    second.unwrap();
    third.unwrap();
    assert_eq!(
        migration::state(&address).await.unwrap(),
        SchemaState::Current
    );
}

#[tokio::test]
async fn two_databases_of_one_cluster_migrate_at_once() {
    let (one, other) = (TestDatabase::empty().await, TestDatabase::empty().await);
    let (one_url, other_url) = (one.url(), other.url());
    let (one, other) = (address(&one_url), address(&other_url));
    let (one, other) = tokio::join!(migration::up(&one, None), migration::up(&other, None));
    one.unwrap();
    other.unwrap();
    assert_eq!(describe(&one_url).await, describe(&other_url).await);
}

#[tokio::test]
async fn asking_for_the_state_of_an_empty_database_changes_nothing() {
    let database = TestDatabase::empty().await;
    let url = database.url();
    let names = Migrator::migrations()
        .iter()
        .map(|migration| migration.name().to_owned())
        .collect();
    assert_eq!(
        migration::state(&address(&url)).await.unwrap(),
        SchemaState::Behind(names)
    );
    let tables = connect(&url)
        .await
        .query(
            "SELECT FROM pg_class WHERE relnamespace = 'public'::regnamespace",
            &[],
        )
        .await
        .unwrap();
    assert_eq!(tables.len(), 0);
}

#[tokio::test]
async fn a_schema_of_a_newer_program_is_named_and_left_alone() {
    const NEWER: &str = "m99991231_000001_unheard_of";
    let database = TestDatabase::empty().await;
    let url = database.url();
    migration::up(&address(&url), None).await.unwrap();
    connect(&url)
        .await
        .execute(
            "INSERT INTO seaql_migrations (version, applied_at) VALUES ($1, 0)",
            &[&NEWER],
        )
        .await
        .unwrap();
    let state = migration::state(&address(&url)).await.unwrap();
    assert_eq!(state, SchemaState::Unknown(vec![NEWER.to_owned()]));
    let refused = migration::up(&address(&url), None)
        .await
        .unwrap_err()
        .to_string();
    assert!(refused.contains(NEWER), "{refused}");
}

#[tokio::test]
async fn keys_that_something_is_encrypted_under_are_not_taken_back() {
    let database = TestDatabase::empty().await;
    let url = database.url();
    migration::up(&address(&url), None).await.unwrap();
    let client = connect(&url).await;
    let service = "SET ROLE nomad_services_system;
         INSERT INTO tenants (name, slug) VALUES ('t', 't');
         INSERT INTO users (email, username, password, tenant_id) SELECT 'u', 'u', '', id FROM tenants;
         INSERT INTO services (name, type, config, tenant_id, created_by)
             SELECT 's', 'custom', '{\"environment\": {\"A\": {\"$enc\": {}}}}', tenant_id, id FROM users WHERE username = 'u'";
    client
        .batch_execute("GRANT INSERT ON services TO nomad_services_system")
        .await
        .unwrap();
    client.batch_execute(service).await.unwrap();
    let refused = migration::down(&address(&url), None)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("encrypted under the data keys"),
        "{refused}"
    );
    assert!(
        migration::has_table(&address(&url), "tenant_keys")
            .await
            .unwrap()
    );
}

/// Fails half way.
#[derive(DeriveMigrationName)]
struct Half;

#[async_trait::async_trait]
impl MigrationTrait for Half {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        connection
            .execute_unprepared("CREATE TABLE halves ()")
            .await?;
        connection.execute_unprepared("SELECT 1 / 0").await?;
        Ok(())
    }
}

struct Halves;

#[async_trait::async_trait]
impl MigratorTrait for Halves {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(Half)]
    }
}

#[tokio::test]
async fn a_migration_that_fails_half_way_leaves_nothing() {
    let database = TestDatabase::empty().await;
    let address = address(&database.url());
    let connection = postgres_connection::connect(&address).await.unwrap();
    let refused = Halves::up(&connection, None).await.unwrap_err().to_string();
    assert!(refused.contains("division by zero"), "{refused}");
    assert!(!migration::has_table(&address, "halves").await.unwrap());
    let pending = Halves::get_pending_migrations(&connection).await.unwrap();
    assert_eq!(pending.len(), 1);
}
