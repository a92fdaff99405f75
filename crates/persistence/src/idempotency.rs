//! Idempotency keys: the answer to a request stands beside what the request changed, written in the same transaction, so
//! that the same request sent again is answered alike and changes nothing.
//!
//! While a request runs, its transaction holds an advisory lock on the key. A process that dies takes lock and changes
//! with it: the key is then as if it had never been sent, and no half-finished entry has to be taken over.

use std::time::Duration;

use domain::{
    Error, ErrorKind,
    idempotency::{Answer, Once, replay},
};
use entity::idempotency_key;
use postgres_connection::Row;
use sea_orm::{
    ActiveValue::Set, DbBackend, EntityTrait, FromQueryResult, QueryTrait, Statement, prelude::Json,
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

/// A transaction as the only one that answers a request; see [`Transaction::once`](domain::ports::Transaction::once).
pub(crate) trait ClaimKey {
    fn claim(&mut self, once: &Once) -> impl Future<Output = Result<(), Error>> + Send;
}

impl ClaimKey for TenantTx {
    async fn claim(&mut self, once: &Once) -> Result<(), Error> {
        self.claims_next(Some(once));
        self.enter([]).await.map(drop)
    }
}

impl ClaimKey for SystemTx {
    async fn claim(&mut self, once: &Once) -> Result<(), Error> {
        let rows = self.rows(claiming(once)).await?;
        self.answers(once.clone());
        self.await_key(once, rows).await
    }
}

impl TenantTx {
    /// See [`TenantTransaction::keep_refusal`](domain::ports::TenantTransaction::keep_refusal).
    pub(crate) async fn keep(mut self, once: &Once, answer: &Answer) -> Result<(), Error> {
        let (_, rows) = self.enter(asking(CLAIM_IN_TURN, once)).await?;
        unanswered(once, &rows)?;
        self.finish([record(once, answer)]).await.map(drop)
    }
}

/// Removes the answers that are too old to be given again.
pub(crate) fn remove_expired() -> Statement {
    let sql = format!("WITH gone AS ({EXPIRED} RETURNING 1) SELECT COUNT(*) AS total FROM gone");
    Statement::from_string(DbBackend::Postgres, sql)
}

impl<Context> Transaction<Context> {
    /// Waits a while for a key that another request has.
    pub(crate) async fn await_key(&self, once: &Once, mut rows: Claimed) -> Result<(), Error> {
        for _ in 1..ATTEMPTS {
            match unanswered(once, &rows) {
                Err(error) if error.code() == IN_USE => {}
                outcome => return outcome,
            }
            tokio::time::sleep(PAUSE).await;
            rows = self.rows(claiming(once)).await?;
        }
        unanswered(once, &rows)
    }
}

/// What [`CLAIM`] and [`FIND`] found.
type Claimed = [Vec<Row>; 2];

const IN_USE: &str = "idempotency_key_in_use";

/// Claims the key, unless another request has it, and finds the answer that was given.
pub(crate) fn claiming(once: &Once) -> [Statement; 2] {
    asking(CLAIM, once)
}

fn asking(claim: &str, once: &Once) -> [Statement; 2] {
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
    Err(replay(answer))
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
