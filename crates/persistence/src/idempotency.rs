//! Idempotency keys: the answer to a request stands beside what the request changed, written in the same transaction, so
//! that the same request sent again is answered alike and changes nothing.
//!
//! While a request runs, its transaction holds an advisory lock on the key. A process that dies takes lock and changes
//! with it: the key is then as if it had never been sent, and no half-finished entry has to be taken over.

use std::{fmt, time::Duration};

use domain::{Error, ErrorKind};
use entity::idempotency_key;
use sea_orm::{
    ActiveValue::Set,
    DbBackend, EntityTrait, FromQueryResult, QueryResult, QueryTrait, Statement,
    prelude::{Json, Uuid},
};

use crate::{SystemTx, TenantTx, Transaction, rows::first};

/// How often a key is asked for that another request has, and how long after each other: a request that was refused has its
/// key until it is rolled back, which may be after its answer.
const ATTEMPTS: usize = 5;
const PAUSE: Duration = Duration::from_millis(40);

/// Two keys with the same hash only wait for each other's answer.
const CLAIM: &str =
    "SELECT pg_try_advisory_xact_lock(hashtextextended($1::uuid::text || ' ' || $2, 0)) AS claimed";

/// Waits for the request's own transaction, which was given up and may not have ended yet.
const CLAIM_IN_TURN: &str = "SELECT true AS claimed FROM pg_advisory_xact_lock(hashtextextended($1::uuid::text || ' ' || $2, 0))";

/// An answer older than a day is as good as none.
const FIND: &str = "SELECT fingerprint, status, response, location, etag FROM idempotency_keys \
     WHERE user_id = $1 AND key = $2 AND created_at > CURRENT_TIMESTAMP - INTERVAL '24 hours'";

const EXPIRED: &str =
    "DELETE FROM idempotency_keys WHERE created_at <= CURRENT_TIMESTAMP - INTERVAL '24 hours'";

/// A request that is to take effect once.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Once {
    /// The namespace of the key: the user who sent it.
    pub owner: Uuid,
    /// What the client calls the request.
    pub key: String,
    /// The same for the same request alone.
    pub fingerprint: Vec<u8>,
}

/// What a request was answered with.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Json,
    /// The header `Location`.
    pub location: Option<String>,
    /// The header `ETag`.
    pub etag: Option<String>,
}

/// Travels as the source of an error: nothing is left to be done, this answer was given before.
#[derive(Debug)]
struct Replay(Answer);

impl fmt::Display for Replay {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("this request was answered before")
    }
}

impl std::error::Error for Replay {}

/// The answer that was given before, where that is what `error` says.
pub fn replayed(error: &Error) -> Option<&Answer> {
    let replay = std::error::Error::source(error)?.downcast_ref::<Replay>()?;
    Some(&replay.0)
}

#[derive(FromQueryResult)]
struct Claim {
    claimed: bool,
}

#[derive(FromQueryResult)]
struct Stored {
    fingerprint: Vec<u8>,
    status: i32,
    response: Json,
    location: Option<String>,
    etag: Option<String>,
}

impl TenantTx {
    /// Makes this transaction the only one that answers the request, where it carries a key. Costs a round trip then.
    ///
    /// # Errors
    /// `idempotency_key_in_use` while another answers it, `idempotency_key_reused` for a key of another request, and the
    /// error that [`replayed`] recognises for a request that was answered.
    pub async fn once(&mut self, once: Option<&Once>) -> Result<(), Error> {
        let Some(once) = once else { return Ok(()) };
        let (_, rows) = self.enter(claiming(CLAIM, once)).await?;
        self.answers(once.clone());
        self.await_key(once, rows).await
    }

    /// Keeps the answer to a request that changed nothing, and commits.
    ///
    /// # Errors
    /// As [`once`](Self::once).
    pub async fn keep_refusal(mut self, once: &Once, answer: &Answer) -> Result<(), Error> {
        let (_, rows) = self.enter(claiming(CLAIM_IN_TURN, once)).await?;
        unanswered(once, &rows)?;
        self.finish([record(once, answer)]).await.map(drop)
    }
}

impl SystemTx {
    /// As [`TenantTx::once`], for a request of nobody who is known.
    ///
    /// # Errors
    /// As [`TenantTx::once`].
    pub async fn once(&mut self, once: Option<&Once>) -> Result<(), Error> {
        let Some(once) = once else { return Ok(()) };
        let rows = self.rows(claiming(CLAIM, once)).await?;
        self.answers(once.clone());
        self.await_key(once, rows).await
    }

    /// Removes the answers that are too old to be given again, and commits; how many there were.
    ///
    /// # Errors
    /// Fails where the database does not answer.
    pub async fn remove_expired_answers(self) -> Result<u64, Error> {
        let sql =
            format!("WITH gone AS ({EXPIRED} RETURNING 1) SELECT COUNT(*) AS total FROM gone");
        let [rows] = self
            .finish([Statement::from_string(DbBackend::Postgres, sql)])
            .await?;
        let removed: Option<Removed> = first(&rows)?;
        Ok(removed.map_or(0, |removed| {
            u64::try_from(removed.total).unwrap_or_default()
        }))
    }
}

impl<Context> Transaction<Context> {
    async fn await_key(&self, once: &Once, mut rows: Claimed) -> Result<(), Error> {
        for _ in 1..ATTEMPTS {
            match unanswered(once, &rows) {
                Err(error) if error.code() == IN_USE => {}
                outcome => return outcome,
            }
            tokio::time::sleep(PAUSE).await;
            rows = self.rows(claiming(CLAIM, once)).await?;
        }
        unanswered(once, &rows)
    }
}

#[derive(FromQueryResult)]
struct Removed {
    total: i64,
}

/// What [`CLAIM`] and [`FIND`] found.
type Claimed = [Vec<QueryResult>; 2];

const IN_USE: &str = "idempotency_key_in_use";

fn claiming(claim: &str, once: &Once) -> [Statement; 2] {
    let values = || [once.owner.into(), once.key.clone().into()];
    [claim, FIND].map(|sql| Statement::from_sql_and_values(DbBackend::Postgres, sql, values()))
}

fn unanswered(once: &Once, [claim, found]: &Claimed) -> Result<(), Error> {
    let Some(stored) = first::<Stored>(found)? else {
        let claim: Option<Claim> = first(claim)?;
        if claim.is_some_and(|claim| claim.claimed) {
            return Ok(());
        }
        let detail = "a request with this Idempotency-Key is under way; ask again when it is done";
        return Err(Error::conflict(IN_USE, detail));
    };
    if stored.fingerprint != once.fingerprint {
        let detail =
            "this Idempotency-Key belongs to another request; a new request needs a new key";
        return Err(Error::new(
            ErrorKind::Invalid,
            "idempotency_key_reused",
            detail,
        ));
    }
    let answer = Answer {
        status: u16::try_from(stored.status).map_err(Error::internal)?,
        body: stored.response,
        location: stored.location,
        etag: stored.etag,
    };
    Err(Error::conflict("replayed", "answered before").with_source(Replay(answer)))
}

/// What takes the place of an answer that has expired and is still there.
pub(crate) fn record(once: &Once, answer: &Answer) -> Statement {
    use idempotency_key::Column;
    use sea_orm::sea_query::{Expr, OnConflict};
    let row = idempotency_key::ActiveModel {
        user_id: Set(once.owner),
        key: Set(once.key.clone()),
        fingerprint: Set(once.fingerprint.clone()),
        status: Set(i32::from(answer.status)),
        response: Set(answer.body.clone()),
        location: Set(answer.location.clone()),
        etag: Set(answer.etag.clone()),
        ..Default::default()
    };
    let replace = OnConflict::columns([Column::UserId, Column::Key])
        .update_columns([
            Column::Fingerprint,
            Column::Status,
            Column::Response,
            Column::Location,
            Column::Etag,
        ])
        .value(Column::CreatedAt, Expr::current_timestamp())
        .to_owned();
    idempotency_key::Entity::insert(row)
        .on_conflict(replace)
        .build(DbBackend::Postgres)
}
