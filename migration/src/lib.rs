//! The schema of Nomad Services, step by step. A migration is text that never changes once released, so of the product's other
//! crates it imports none but the connection. The server runs [`up`] at its start; the `migration` command does the same by
//! hand.

use sea_orm_migration::prelude::*;

mod m20261124_000001_create_tables;
mod m20261124_000002_create_supporting_tables;
mod m20261124_000003_enable_row_level_security;
mod m20261124_000004_refuse_foreign_references;
mod m20261124_000005_record_audit;
mod m20261124_000006_create_tenant_keys;
mod m20261124_000007_manage_access;

mod schema;

pub use schema::{
    MigrationError, SchemaState, Standing, down, fresh, has_table, refresh, reset, state, status,
    up,
};

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
            Box::new(m20261124_000004_refuse_foreign_references::Migration),
            Box::new(m20261124_000005_record_audit::Migration),
            Box::new(m20261124_000006_create_tenant_keys::Migration),
            Box::new(m20261124_000007_manage_access::Migration),
        ]
    }
}
