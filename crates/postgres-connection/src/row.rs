//! Between SeaORM's values and tokio-postgres's: the column types our tables use, and no others.

use std::collections::BTreeMap;

use sea_orm::{DbErr, ProxyRow, RuntimeErr, Statement, Value, sea_query::ArrayType};
use sea_query_postgres::{PostgresValue, PostgresValues};
use tokio_postgres::{
    Row,
    types::{FromSql, Type},
};

/// What SeaORM reads of `row`.
///
/// # Errors
/// Fails for a column whose type none of our tables has.
pub fn row(row: &Row) -> Result<ProxyRow, DbErr> {
    let mut values = BTreeMap::new();
    for (index, column) in row.columns().iter().enumerate() {
        let value = match *column.type_() {
            Type::UUID => Value::Uuid(get(row, index)?),
            Type::VARCHAR | Type::TEXT => Value::String(get(row, index)?),
            Type::JSONB => Value::Json(get::<serde_json::Value>(row, index)?.map(Box::new)),
            Type::TIMESTAMP => Value::ChronoDateTime(get(row, index)?),
            Type::INT4 => Value::Int(get(row, index)?),
            Type::INT8 => Value::BigInt(get(row, index)?),
            Type::BOOL => Value::Bool(get(row, index)?),
            Type::BYTEA => Value::Bytes(get(row, index)?),
            Type::NUMERIC => Value::Decimal(get(row, index)?),
            Type::TEXT_ARRAY => Value::Array(
                ArrayType::String,
                get::<Vec<String>>(row, index)?
                    .map(|texts| Box::new(texts.into_iter().map(Value::from).collect())),
            ),
            ref other => {
                return Err(DbErr::Type(format!(
                    "column {} has type {other}, which is not mapped",
                    column.name()
                )));
            }
        };
        values.insert(column.name().to_owned(), value);
    }
    Ok(ProxyRow::new(values))
}

/// What a statement is sent with.
pub fn parameters(statement: &Statement) -> PostgresValues {
    let values = statement
        .values
        .iter()
        .flat_map(|values| values.0.iter().cloned());
    PostgresValues(values.map(PostgresValue).collect())
}

fn get<'row, T: FromSql<'row>>(row: &'row Row, index: usize) -> Result<Option<T>, DbErr> {
    row.try_get(index)
        .map_err(|error| DbErr::Query(RuntimeErr::Internal(error.to_string())))
}
