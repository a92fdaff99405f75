//! The runtime roles, and the policies that show each of them no more than it may see.

use sea_orm_migration::prelude::*;

/// See the module.
#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        connection
            .execute_unprepared(include_str!("sql/create_roles.sql"))
            .await?;
        connection
            .execute_unprepared(include_str!("sql/enable_row_level_security.sql"))
            .await?;
        Ok(())
    }

    /// The roles stay: another database of the cluster may use them.
    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        connection
            .execute_unprepared(include_str!("sql/disable_row_level_security.sql"))
            .await?;
        Ok(())
    }
}
