//! Reading rows into types, with an error of the product where a row is not what the schema promises.

use chrono::{DateTime, NaiveDateTime, Utc};
use domain::Error;
use postgres_connection::{ColumnError, Row};
use sea_orm::FromQueryResult;
use tokio_postgres::types::{FromSql, Type};

/// The row as `T`.
pub(crate) fn read<T: FromQueryResult>(row: &Row) -> Result<T, Error> {
    let row = postgres_connection::row(row).map_err(Error::internal)?;
    T::from_query_result(&row.into(), "").map_err(Error::internal)
}

/// A column of the row. What is read often is read like this, without SeaORM's copy of the row between.
pub(crate) fn column<'a, T: FromSql<'a>>(row: &'a Row, name: &str) -> Result<T, Error> {
    row.get(name)
        .map_err(|error: ColumnError| Error::internal(error))
}

/// The first row as `T`, where there is one.
pub(crate) fn first<T: FromQueryResult>(rows: &[Row]) -> Result<Option<T>, Error> {
    rows.first().map(read).transpose()
}

/// The schema's timestamps are UTC; those that may be NULL have a default, so a missing one is a defect.
pub(crate) fn timestamp(value: Option<NaiveDateTime>) -> Result<DateTime<Utc>, Error> {
    value
        .map(|time| time.and_utc())
        .ok_or_else(|| missing("a timestamp"))
}

/// A column that may be NULL by the schema, and never is.
pub(crate) fn missing(what: &str) -> Error {
    Error::internal(format!("a row has no {what}"))
}

/// A JSON column as its text.
pub(crate) struct JsonText<'a>(pub &'a str);

impl<'a> FromSql<'a> for JsonText<'a> {
    fn from_sql(
        of: &Type,
        raw: &'a [u8],
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let text = match (of, raw) {
            // The only version there is stands before the text.
            (&Type::JSONB, [1, text @ ..]) => text,
            (&Type::JSON, text) => text,
            _ => return Err("JSON in a form that is not known".into()),
        };
        Ok(Self(std::str::from_utf8(text)?))
    }

    fn accepts(of: &Type) -> bool {
        matches!(*of, Type::JSON | Type::JSONB)
    }
}
