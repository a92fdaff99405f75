//! Keyset paging: a page begins after the last row of the one before, so its cost does not grow with its depth. Nor does it
//! grow with how much there is: some rows are counted, and above that their number is estimated.

use std::sync::LazyLock;

use chrono::NaiveDateTime;
use domain::{
    Error,
    page::{COUNTED, Page, PageRequest, Position},
};
use postgres_connection::Row;
use sea_orm::{
    DbBackend, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait, Select,
    Statement, sea_query::Expr,
};

use crate::rows::{column, missing};

/// What says how many rows there are where they are too many to be counted.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Estimate {
    /// Nothing: it is said how many were counted, and there are no fewer.
    AtLeast,
    /// A query that is answered with one number at once, however many there are.
    Query(&'static str),
}

/// The statements for the page that `request` asks of what `select` finds, newest first, and for how many that is, by
/// `estimate` where it is many. One row more than the page holds is read, so that the next page is known to exist.
pub(crate) fn statements<E: EntityTrait>(
    select: Select<E>,
    (created_at, id): (E::Column, E::Column),
    estimate: Estimate,
    request: PageRequest,
) -> [Statement; 2] {
    // In the order of the list, so that the same index finds the rows that are counted.
    let ordered = select.order_by_desc(created_at).order_by_desc(id);
    let found = ordered.clone().select_only().expr(Expr::cust("1"));
    let count = count(found.build(DbBackend::Postgres), estimate, request);
    let mut list = ordered
        .offset((request.offset > 0).then_some(request.offset))
        .limit(request.limit + 1);
    if let Some(after) = request.after {
        let row = Expr::tuple([Expr::col(created_at), Expr::col(id)]);
        list = list.filter(row.lt(Expr::tuple([
            after.created_at.naive_utc().into(),
            after.id.into(),
        ])));
    }
    [list.build(DbBackend::Postgres), count]
}

/// Counts the rows that `found` finds, or some of them.
pub(crate) fn count(found: Statement, estimate: Estimate, request: PageRequest) -> Statement {
    let Statement { sql, values, .. } = found;
    let sql = if request.counts_all {
        format!("SELECT COUNT(*) AS total, true AS total_is_exact FROM ({sql}) AS found")
    } else {
        let estimate = match estimate {
            Estimate::AtLeast => "counted",
            Estimate::Query(query) => query,
        };
        format!(
            "SELECT CASE WHEN counted > {COUNTED} THEN GREATEST(counted, ({estimate})) ELSE counted END AS total, \
                 counted <= {COUNTED} AS total_is_exact \
             FROM (SELECT COUNT(*) AS counted FROM ({sql} LIMIT {COUNTED} + 1) AS found) AS bounded"
        )
    };
    Statement {
        sql,
        values,
        db_backend: DbBackend::Postgres,
    }
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
        total_is_exact: true,
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
    let count = count.first().ok_or_else(|| missing("count"))?;
    let total: i64 = column(count, "total")?;
    let position = |row| {
        let created_at: NaiveDateTime = column(row, "created_at")?;
        Ok::<_, Error>(Position {
            created_at: created_at.and_utc(),
            id: column(row, "id")?,
        })
    };
    Ok(Page {
        items: shown.iter().map(read).collect::<Result<_, _>>()?,
        total: u64::try_from(total).map_err(Error::internal)?,
        total_is_exact: column(count, "total_is_exact")?,
        next: last.map(position).transpose()?,
    })
}
