//! The audit trail: every change of a row, recorded by triggers, and events besides; a log that only grows, is sealed with
//! signed tree heads, and is changed by nobody.

use sea_orm_migration::prelude::*;

/// See the module.
#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        connection
            .execute_unprepared(include_str!("sql/record_audit.sql"))
            .await?;
        connection
            .execute_unprepared(include_str!("sql/seal_audit.sql"))
            .await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        connection
            .execute_unprepared(include_str!("sql/unseal_audit.sql"))
            .await?;
        connection
            .execute_unprepared(include_str!("sql/stop_recording_audit.sql"))
            .await?;
        Ok(())
    }
}
