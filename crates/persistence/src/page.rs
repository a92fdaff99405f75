//! Keyset paging: a page begins after the last row of the one before, so its cost does not grow with its depth.

use std::sync::LazyLock;

use chrono::NaiveDateTime;
use domain::{
    Error,
    page::{Page, PageRequest, Position},
};
use postgres_connection::Row;
use sea_orm::{
    DbBackend, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait, Select,
    Statement,
    sea_query::{Asterisk, Expr, Func},
};

use crate::rows::column;

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

/// The statement for the first page of all that `select` finds, built once: nearly every list is asked for like this.
pub(crate) struct FirstPage(LazyLock<String>);

impl FirstPage {
    pub(crate) const fn new(build: fn() -> String) -> Self {
        Self(LazyLock::new(build))
    }

    /// As the first of [`statements`], where `request` asks for the beginning.
    pub(crate) fn statement(&self, request: PageRequest) -> Option<Statement> {
        let is_first = request.after.is_none() && request.offset == 0;
        let limit = request.limit + 1;
        is_first.then(|| {
            Statement::from_sql_and_values(DbBackend::Postgres, self.0.as_str(), [limit.into()])
        })
    }
}

/// The page that `list` is, where it is all there is.
pub(crate) fn whole<T>(
    list: &[Row],
    request: PageRequest,
    read: impl Fn(&Row) -> Result<T, Error>,
) -> Result<Option<Page<T>>, Error> {
    let total = u64::try_from(list.len()).map_err(Error::internal)?;
    if total > request.limit {
        return Ok(None);
    }
    let items = list.iter().map(read).collect::<Result<_, _>>()?;
    Ok(Some(Page {
        items,
        total,
        next: None,
    }))
}

/// What the [`statements`] for `request` were answered with, each row read by `read`.
pub(crate) fn read<T>(
    list: &[Row],
    count: &[Row],
    request: PageRequest,
    read: impl Fn(&Row) -> Result<T, Error>,
) -> Result<Page<T>, Error> {
    let limit = usize::try_from(request.limit).unwrap_or(usize::MAX);
    let shown = &list[..list.len().min(limit)];
    let last = shown.last().filter(|_| list.len() > limit);
    let total: Option<i64> = count.first().map(|row| column(row, "total")).transpose()?;
    let position = |row| {
        let created_at: NaiveDateTime = column(row, "created_at")?;
        Ok::<_, Error>(Position {
            created_at: created_at.and_utc(),
            id: column(row, "id")?,
        })
    };
    Ok(Page {
        items: shown.iter().map(read).collect::<Result<_, _>>()?,
        total: total.map_or(0, |total| u64::try_from(total).unwrap_or_default()),
        next: last.map(position).transpose()?,
    })
}
