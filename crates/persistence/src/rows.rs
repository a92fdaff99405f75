//! Reading rows into types, with an error of the product where a row is not what the schema promises.

use chrono::{DateTime, NaiveDateTime, Utc};
use domain::Error;
use sea_orm::{FromQueryResult, QueryResult};

/// The row as `T`.
pub(crate) fn read<T: FromQueryResult>(row: &QueryResult) -> Result<T, Error> {
    T::from_query_result(row, "").map_err(Error::internal)
}

/// The first row as `T`, where there is one.
pub(crate) fn first<T: FromQueryResult>(rows: &[QueryResult]) -> Result<Option<T>, Error> {
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
