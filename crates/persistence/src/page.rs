//! Keyset paging: a page begins after the last row of the one before, so its cost does not grow with its depth.

use chrono::NaiveDateTime;
use domain::{
    Error,
    page::{Page, PageRequest, Position},
};
use sea_orm::{
    DbBackend, EntityTrait, ExprTrait, FromQueryResult, QueryFilter, QueryOrder, QueryResult,
    QuerySelect, QueryTrait, Select, Statement,
    prelude::Uuid,
    sea_query::{Asterisk, Expr, Func},
};

use crate::rows::{self, first};

#[derive(FromQueryResult)]
struct Last {
    created_at: NaiveDateTime,
    id: Uuid,
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
        list = list.filter(row.lt(Expr::tuple([
            after.created_at.naive_utc().into(),
            after.id.into(),
        ])));
    }
    [
        list.build(DbBackend::Postgres),
        count.build(DbBackend::Postgres),
    ]
}

/// What the [`statements`] for `request` were answered with, each row read by `read`.
pub(crate) fn read<T>(
    list: &[QueryResult],
    count: &[QueryResult],
    request: PageRequest,
    read: impl Fn(&QueryResult) -> Result<T, Error>,
) -> Result<Page<T>, Error> {
    let limit = usize::try_from(request.limit).unwrap_or(usize::MAX);
    let shown = &list[..list.len().min(limit)];
    let last = shown.last().filter(|_| list.len() > limit);
    let count: Option<Count> = first(count)?;
    let position = |row| {
        let Last { created_at, id } = rows::read(row)?;
        let created_at = created_at.and_utc();
        Ok::<_, Error>(Position { created_at, id })
    };
    Ok(Page {
        items: shown.iter().map(read).collect::<Result<_, _>>()?,
        total: count.map_or(0, |count| u64::try_from(count.total).unwrap_or_default()),
        next: last.map(position).transpose()?,
    })
}
