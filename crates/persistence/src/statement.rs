//! Statements that are written as SQL, because SeaORM's builder has no words for what they do.

use sea_orm::{DbBackend, Statement, Value};

/// `sql` with `values` for its parameters.
pub(crate) fn statement<const N: usize>(sql: &str, values: [Value; N]) -> Statement {
    Statement::from_sql_and_values(DbBackend::Postgres, sql, values)
}
