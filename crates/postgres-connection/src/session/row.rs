//! What a statement was answered with: rows whose columns are read straight from what the server sent.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use fallible_iterator::FallibleIterator;
use postgres_protocol::message::backend::{
    DataRowBody, ParameterDescriptionBody, RowDescriptionBody,
};
use tokio_postgres::types::{FromSql, Type};

use super::SessionError;

/// A column of an answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Column {
    /// As the statement names it.
    pub name: Box<str>,
    /// As the server names it.
    pub type_: Type,
}

/// A row of an answer.
#[derive(Clone, Debug)]
pub struct Row {
    columns: Arc<[Column]>,
    body: Bytes,
    values: Box<[Option<Range<usize>>]>,
}

/// Why a column can't be read.
#[derive(Debug, thiserror::Error)]
pub enum ColumnError {
    /// There is no such column.
    #[error("an answer has no column {0}")]
    Missing(String),
    /// It holds something else.
    #[error("the column {0} can't be read: {1}")]
    Value(String, Box<dyn std::error::Error + Send + Sync>),
}

impl Row {
    /// Its columns, in order.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The value of the column with this name.
    ///
    /// # Errors
    /// There is none, or it is of another type.
    pub fn get<'a, T: FromSql<'a>>(&'a self, name: &str) -> Result<T, ColumnError> {
        let mut columns = self.columns.iter();
        let index = columns.position(|column| &*column.name == name);
        let index = index.ok_or_else(|| ColumnError::Missing(name.to_owned()))?;
        self.at(index)
    }

    /// The value of the column with this number, from 0.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn at<'a, T: FromSql<'a>>(&'a self, index: usize) -> Result<T, ColumnError> {
        let (Some(column), Some(place)) = (self.columns.get(index), self.values.get(index)) else {
            return Err(ColumnError::Missing(index.to_string()));
        };
        let refused = |error| ColumnError::Value(column.name.to_string(), error);
        if !T::accepts(&column.type_) {
            return Err(refused(format!("it is {}", column.type_).into()));
        }
        let value = place.clone().and_then(|place| self.body.get(place));
        T::from_sql_nullable(&column.type_, value).map_err(refused)
    }
}

/// What a statement was answered with.
#[derive(Debug)]
pub struct Answer {
    columns: Arc<[Column]>,
    /// Its rows.
    pub rows: Vec<Row>,
    /// How many rows it showed or changed.
    pub affected: u64,
}

impl Answer {
    pub(super) fn of(columns: Arc<[Column]>) -> Self {
        Self {
            columns,
            rows: Vec::new(),
            affected: 0,
        }
    }

    pub(super) fn push(&mut self, body: DataRowBody) -> Result<(), SessionError> {
        let values: Vec<_> = body.ranges().collect()?;
        self.rows.push(Row {
            columns: self.columns.clone(),
            body: body.buffer_bytes().clone(),
            values: values.into(),
        });
        Ok(())
    }

    /// `SELECT 5`, `INSERT 0 1`: the last word is the number.
    pub(super) fn complete(&mut self, tag: &str) {
        let number = tag.rsplit(' ').next().and_then(|word| word.parse().ok());
        self.affected = number.unwrap_or_default();
    }
}

/// A type that PostgreSQL has by itself; our tables have no other.
fn known(oid: u32) -> Result<Type, SessionError> {
    Type::from_oid(oid).ok_or(SessionError::Protocol("a type is none of PostgreSQL's own"))
}

pub(super) fn types(body: &ParameterDescriptionBody) -> Result<Arc<[Type]>, SessionError> {
    let oids: Vec<u32> = body.parameters().collect()?;
    oids.into_iter().map(known).collect()
}

pub(super) fn columns(body: &RowDescriptionBody) -> Result<Arc<[Column]>, SessionError> {
    let mut columns = Vec::new();
    let mut fields = body.fields();
    while let Some(field) = fields.next()? {
        columns.push(Column {
            name: field.name().into(),
            type_: known(field.type_oid())?,
        });
    }
    Ok(columns.into())
}
