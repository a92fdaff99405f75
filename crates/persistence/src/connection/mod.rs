//! SeaORM's statements in sessions of our own: BEGIN, the caller's context, the statements and COMMIT leave together and cost
//! one round trip. It decides both isolation and speed, so nothing outside this module sees a bare session.

mod database;
mod pool;
mod read;
mod transaction;
mod trial;

use postgres_connection::{Answer, Query, Row, SessionError, parameters};
use sea_orm::Statement;
use tokio_postgres::error::SqlState;

pub use database::{Database, PoolSettings};
pub use pool::Connections;
pub use read::TenantRead;
pub use transaction::{SystemTx, TenantTx, Transaction};
pub(crate) use trial::{Outcome, Trial};

use pool::Pooled;

use crate::scope::{self, Context};

/// Why statements were not carried out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExchangeError {
    /// The server or the network.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// Nothing was sent.
    #[error("a statement would change the transaction or the context it runs in")]
    ChangesContext,
}

/// The commands that read and write rows. No other is sent: some end the transaction, or leave its context or role for another.
const ROW_COMMANDS: [&str; 7] = [
    "SELECT", "INSERT", "UPDATE", "DELETE", "WITH", "TABLE", "VALUES",
];

/// Whether a statement could change what decides which rows are visible. The context is set with BEGIN, and then stays.
fn changes_context(sql: &str) -> bool {
    let end = sql.find(|character: char| !character.is_ascii_alphabetic());
    let first = &sql[..end.unwrap_or(sql.len())];
    let is_known = ROW_COMMANDS
        .iter()
        .any(|known| known.eq_ignore_ascii_case(first));
    !is_known || names_context(sql.as_bytes())
}

/// Whether a statement names what sets a variable from within one, or a name in a form in which that is not recognised.
fn names_context(sql: &[u8]) -> bool {
    let around = |place: usize, before: &[u8], after: &[u8]| {
        let (start, behind) = (&sql[..place], &sql[place + 1..]);
        let start = start
            .len()
            .checked_sub(before.len())
            .map(|from| &start[from..]);
        let behind = behind.get(..after.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(before))
            && behind.is_some_and(|behind| behind.eq_ignore_ascii_case(after))
    };
    let mut places = sql.iter().enumerate();
    places.any(|(place, byte)| match byte {
        b'_' => around(place, b"set", b"config") || around(place, b"pg", b"settings"),
        b'&' => around(place, b"u", b"\""),
        _ => false,
    })
}

/// What begins a transaction: its context, before anything else runs.
#[derive(Clone, Debug)]
pub(crate) struct Opening {
    context: Context,
    /// What is asked across tenants, before the transaction becomes one tenant's.
    across: Option<Statement>,
}

impl From<Context> for Opening {
    fn from(context: Context) -> Self {
        Self {
            context,
            across: None,
        }
    }
}

/// Sends everything at once, in this order, and answers for the statements alone, those of the opening that is asked across
/// tenants first.
///
/// What begins and ends with the same exchange needs neither BEGIN nor COMMIT: that is one transaction already.
async fn exchange(
    session: &mut Pooled,
    opening: Option<&Opening>,
    statements: &[Statement],
    commit: bool,
) -> Result<Vec<Answer>, ExchangeError> {
    for statement in statements {
        if changes_context(&statement.sql) {
            return Err(ExchangeError::ChangesContext);
        }
    }
    let across = opening.and_then(|opening| opening.across.as_ref());
    let context = opening.map(|opening| opening.context.statement(session.bounds()));
    let values: Vec<_> = context
        .iter()
        .chain(across)
        .chain(statements)
        .map(|statement| (statement.sql.as_str(), parameters(statement)))
        .collect();
    let parameters: Vec<_> = values
        .iter()
        .map(|(_, values)| values.as_params())
        .collect();
    let mut queries = values
        .iter()
        .zip(&parameters)
        .map(|((sql, _), parameters)| Query { sql, parameters });

    let mut sent = Vec::with_capacity(values.len() + 2);
    let mut answered = Vec::with_capacity(values.len() + 2);
    if opening.is_some() && !commit {
        sent.push(Query::plain("BEGIN"));
    }
    if opening.is_some() {
        sent.extend(queries.next());
    }
    answered.resize(sent.len(), false);
    if across.is_some() {
        sent.extend(queries.next());
        sent.push(Query::plain(scope::INTO_TENANT));
        answered.extend([true, false]);
    }
    sent.extend(queries);
    answered.resize(sent.len(), true);
    if opening.is_none() && commit {
        sent.push(Query::plain("COMMIT"));
    }
    let answers = session.carry_out(&sent, opening.is_some()).await?;
    let answers = answers.into_iter();
    let wanted = answers.zip(answered).filter(|(_, wanted)| *wanted);
    Ok(wanted.map(|(answer, _)| answer).collect())
}

/// The rows of as many answers as were asked for.
fn rows<const N: usize>(answers: impl IntoIterator<Item = Answer>) -> [Vec<Row>; N] {
    let mut answers = answers.into_iter();
    std::array::from_fn(|_| next_rows(&mut answers))
}

/// The rows of the next answer.
fn next_rows(answers: &mut impl Iterator<Item = Answer>) -> Vec<Row> {
    answers.next().map(|answer| answer.rows).unwrap_or_default()
}

/// What may be done about a failed exchange of which nothing took effect.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Remedy {
    /// A migration changed what a prepared statement refers to: prepare it again.
    PrepareAgain,
    /// The server or the network ended the session: take another.
    Reconnect,
    /// The statement itself was refused.
    None,
}

fn remedy(error: &ExchangeError) -> Remedy {
    let refusal = match error {
        ExchangeError::Session(SessionError::Refused(refusal)) => refusal,
        ExchangeError::Session(SessionError::Lost(_)) => return Remedy::Reconnect,
        ExchangeError::Session(SessionError::Parameter(_) | SessionError::Protocol(_))
        | ExchangeError::ChangesContext => return Remedy::None,
    };
    let is_stale = refusal.code == SqlState::FEATURE_NOT_SUPPORTED
        && refusal.message.contains("cached plan must not change");
    let ends = [
        SqlState::ADMIN_SHUTDOWN,
        SqlState::CRASH_SHUTDOWN,
        SqlState::CANNOT_CONNECT_NOW,
    ];
    match (is_stale, refusal.is_fatal() || ends.contains(&refusal.code)) {
        (true, _) => Remedy::PrepareAgain,
        (false, true) => Remedy::Reconnect,
        (false, false) => Remedy::None,
    }
}
