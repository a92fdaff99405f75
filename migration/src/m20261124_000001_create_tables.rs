//! The eight tables of the document, in its order.

use sea_orm_migration::prelude::*;

/// See the module.
#[derive(DeriveMigrationName)]
pub struct Migration;

/// `gen_random_uuid` is built in from PostgreSQL 13 on; version 12 has it in `pgcrypto`.
const EXTENSIONS: &str = r#"
DO $$
BEGIN
    CREATE EXTENSION IF NOT EXISTS "uuid-ossp";
    IF current_setting('server_version_num')::integer < 130000 THEN
        CREATE EXTENSION IF NOT EXISTS pgcrypto;
    END IF;
EXCEPTION WHEN insufficient_privilege THEN
    RAISE EXCEPTION 'role % may not create the extensions uuid-ossp and, on PostgreSQL 12, pgcrypto', current_user
    USING ERRCODE = 'insufficient_privilege',
        HINT = 'A superuser can run, in this database: CREATE EXTENSION "uuid-ossp"; CREATE EXTENSION pgcrypto';
END
$$;
"#;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        connection.execute_unprepared(EXTENSIONS).await?;
        connection
            .execute_unprepared(include_str!("sql/create_tables.sql"))
            .await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        connection
            .execute_unprepared(include_str!("sql/drop_tables.sql"))
            .await?;
        Ok(())
    }
}
