//! Keyset paging: a page begins after the last row of the one before, so its cost does not grow with its depth.

use chrono::{DateTime, NaiveDateTime, Utc};
use domain::Error;
use sea_orm::{
    ColumnTrait, ExprTrait, FromQueryResult, QueryResult, prelude::Uuid, sea_query::Expr,
};

use crate::rows::first;

/// The place of a row in a list that is ordered by its creation, newest first.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Position {
    /// When the row was made.
    pub created_at: NaiveDateTime,
    /// Decides between rows of the same moment.
    pub id: Uuid,
}

impl Position {
    /// The place of a row made at `created_at`.
    pub fn new(created_at: DateTime<Utc>, id: Uuid) -> Self {
        Self {
            created_at: created_at.naive_utc(),
            id,
        }
    }

    /// The condition for the rows that come after this one.
    pub(crate) fn before<C: ColumnTrait>(self, created_at: C, id: C) -> Expr {
        let row = Expr::tuple([Expr::col(created_at), Expr::col(id)]);
        row.lt(Expr::tuple([self.created_at.into(), self.id.into()]))
    }
}

/// Which rows of a list to answer with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PageRequest {
    /// How many at most.
    pub limit: u64,
    /// The last row of the page before.
    pub after: Option<Position>,
    /// Rows to pass over, for older clients.
    pub offset: u64,
}

/// A part of a list.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// How many there are on all pages.
    pub total: u64,
    /// Where the next page begins, if there is one.
    pub next: Option<Position>,
}

#[derive(FromQueryResult)]
struct Count {
    total: i64,
}

impl<T> Page<T> {
    /// The page of `rows`, which were read with one more than `limit`, so that the next page is known to exist.
    pub(crate) fn new(
        mut items: Vec<T>,
        count: &[QueryResult],
        limit: u64,
        position: impl Fn(&T) -> Position,
    ) -> Result<Self, Error> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| more).map(position);
        let count: Option<Count> = first(count)?;
        let total = count.map_or(0, |count| u64::try_from(count.total).unwrap_or_default());
        Ok(Self { items, total, next })
    }
}
