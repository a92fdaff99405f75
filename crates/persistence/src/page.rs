//! Keyset paging: a page begins after the last row of the one before, so its cost does not grow with its depth.

use chrono::{DateTime, NaiveDateTime, Utc};
use domain::Error;
use sea_orm::{
    DbBackend, EntityTrait, ExprTrait, FromQueryResult, QueryFilter, QueryOrder, QueryResult,
    QuerySelect, QueryTrait, Select, Statement,
    prelude::Uuid,
    sea_query::{Asterisk, Expr, Func},
};

use crate::rows::{self, first};

/// The place of a row in a list that is ordered by its creation, newest first.
#[derive(Clone, Copy, Debug, Eq, FromQueryResult, PartialEq)]
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

/// The statements for the page that `request` asks of what `select` finds, newest first, and for how many that is. One row
/// more than the page holds is read, so that the next page is known to exist.
pub(crate) fn statements<E: EntityTrait>(
    select: Select<E>,
    (created_at, id): (E::Column, E::Column),
    request: PageRequest,
) -> [Statement; 2] {
    let count = select
        .clone()
        .select_only()
        .expr_as(Func::count(Expr::col(Asterisk)), "total");
    let mut list = select
        .order_by_desc(created_at)
        .order_by_desc(id)
        .offset((request.offset > 0).then_some(request.offset))
        .limit(request.limit + 1);
    if let Some(after) = request.after {
        let row = Expr::tuple([Expr::col(created_at), Expr::col(id)]);
        list = list.filter(row.lt(Expr::tuple([after.created_at.into(), after.id.into()])));
    }
    [
        list.build(DbBackend::Postgres),
        count.build(DbBackend::Postgres),
    ]
}

impl<T> Page<T> {
    /// What the [`statements`] for `request` were answered with, each row read by `read`.
    pub(crate) fn read(
        list: &[QueryResult],
        count: &[QueryResult],
        request: PageRequest,
        read: impl Fn(&QueryResult) -> Result<T, Error>,
    ) -> Result<Self, Error> {
        let limit = usize::try_from(request.limit).unwrap_or(usize::MAX);
        let shown = &list[..list.len().min(limit)];
        let last = shown.last().filter(|_| list.len() > limit);
        let count: Option<Count> = first(count)?;
        Ok(Self {
            items: shown.iter().map(read).collect::<Result<_, _>>()?,
            total: count.map_or(0, |count| u64::try_from(count.total).unwrap_or_default()),
            next: last.map(rows::read).transpose()?,
        })
    }
}
