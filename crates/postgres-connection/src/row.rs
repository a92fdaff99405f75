//! Between SeaORM's values and tokio-postgres's: the column types our tables use, and no others.

use std::{collections::BTreeMap, error::Error};

use sea_orm::{DbErr, ProxyRow, RuntimeErr, Statement, Value, sea_query::ArrayType};
use sea_query_postgres::{PostgresValue, PostgresValues};
use tokio_postgres::types::{FromSql, Type};

use crate::session::{Column, Row};

/// A row that SeaORM can read.
pub trait Values {
    /// Its columns in order: how many, and of each the name and the value.
    ///
    /// # Errors
    /// Fails for a column whose type none of our tables has.
    fn values(&self) -> Result<BTreeMap<String, Value>, DbErr>;
}

impl Values for tokio_postgres::Row {
    fn values(&self) -> Result<BTreeMap<String, Value>, DbErr> {
        let columns = self.columns().iter().enumerate();
        let value = |(index, column): (usize, &tokio_postgres::Column)| {
            let Loaded(value) = self.try_get(index).map_err(|error| unread(&error))?;
            Ok((column.name().to_owned(), value))
        };
        columns.map(value).collect()
    }
}

impl Values for Row {
    fn values(&self) -> Result<BTreeMap<String, Value>, DbErr> {
        let columns = self.columns().iter().enumerate();
        let value = |(index, column): (usize, &Column)| {
            let Loaded(value) = self.at(index).map_err(|error| unread(&error))?;
            Ok((column.name.to_string(), value))
        };
        columns.map(value).collect()
    }
}

/// What SeaORM reads of `row`.
///
/// # Errors
/// Fails for a column whose type none of our tables has.
pub fn row(row: &impl Values) -> Result<ProxyRow, DbErr> {
    row.values().map(ProxyRow::new)
}

/// A value as SeaORM has it.
struct Loaded(Value);

impl<'a> FromSql<'a> for Loaded {
    fn from_sql(of: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Send + Sync>> {
        loaded(of, Some(raw)).map(Self)
    }

    fn from_sql_null(of: &Type) -> Result<Self, Box<dyn Error + Send + Sync>> {
        loaded(of, None).map(Self)
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

fn loaded(of: &Type, raw: Option<&[u8]>) -> Result<Value, Box<dyn Error + Send + Sync>> {
    Ok(match *of {
        Type::UUID => Value::Uuid(get(of, raw)?),
        Type::VARCHAR | Type::TEXT => Value::String(get(of, raw)?),
        Type::JSONB => Value::Json(get::<serde_json::Value>(of, raw)?.map(Box::new)),
        Type::TIMESTAMP => Value::ChronoDateTime(get(of, raw)?),
        Type::INT4 => Value::Int(get(of, raw)?),
        Type::INT8 => Value::BigInt(get(of, raw)?),
        Type::BOOL => Value::Bool(get(of, raw)?),
        Type::BYTEA => Value::Bytes(get(of, raw)?),
        Type::NUMERIC => Value::Decimal(get(of, raw)?),
        Type::TEXT_ARRAY => Value::Array(
            ArrayType::String,
            get::<Vec<String>>(of, raw)?
                .map(|texts| Box::new(texts.into_iter().map(Value::from).collect())),
        ),
        ref other => return Err(format!("the type {other} is not mapped").into()),
    })
}

fn get<'a, T: FromSql<'a>>(
    of: &Type,
    raw: Option<&'a [u8]>,
) -> Result<Option<T>, Box<dyn Error + Send + Sync>> {
    Option::<T>::from_sql_nullable(of, raw)
}

fn unread(error: &dyn Error) -> DbErr {
    let reason = error
        .source()
        .map_or_else(|| error.to_string(), |source| format!("{error}: {source}"));
    DbErr::Query(RuntimeErr::Internal(reason))
}

/// What a statement is sent with.
pub fn parameters(statement: &Statement) -> PostgresValues {
    let values = statement
        .values
        .iter()
        .flat_map(|values| values.0.iter().cloned());
    PostgresValues(values.map(PostgresValue).collect())
}
