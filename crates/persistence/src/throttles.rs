//! Attempts to sign in, counted for the account and for the client's network before anything is verified, so that guesses
//! made at the same time, on whatever replica, count as well. Too many are put off, each for twice as long as the one
//! before; nobody is locked out for good.
//!
//! Where a user has signed in from lately, an account has a counter of its own: whoever guesses from elsewhere does not keep
//! its owner out. An account that does not exist is counted like one that does.

use std::{net::IpAddr, time::Duration};

use domain::{
    Error, ErrorKind,
    api_key::Network,
    ports::Transaction as _,
    session::{Attempt, ThrottlePolicy},
};
use sea_orm::{DbBackend, FromQueryResult, Statement, prelude::Uuid};

use crate::{
    SystemTx,
    rows::{first, missing},
};

/// A client with IPv6 has a whole network of this many bits to itself.
const IPV6_CLIENT: u8 = 64;

/// Counts an attempt, unless it comes before the last delay is over.
const COUNT: &str = "INSERT INTO sign_in_throttles AS t (subject, attempts, last_attempt, blocked_until, expires_at) \
     VALUES (sha256(convert_to($1::text, 'UTF8')), 1, $2::uuid, \
         CASE WHEN $3::int <= 1 THEN CURRENT_TIMESTAMP + $4::bigint * INTERVAL '1 millisecond' END, \
         CURRENT_TIMESTAMP + $6::bigint * INTERVAL '1 millisecond') \
     ON CONFLICT (subject) DO UPDATE SET (attempts, last_attempt, blocked_until, expires_at) = ( \
         SELECT next.attempts, next.last_attempt, \
             CASE WHEN next.is_early THEN t.blocked_until \
                 WHEN next.attempts >= $3 THEN CURRENT_TIMESTAMP + INTERVAL '1 millisecond' \
                     * LEAST($5::bigint, $4 * power(2, LEAST(next.attempts - $3, 40))) END, \
             CASE WHEN next.is_early THEN t.expires_at ELSE EXCLUDED.expires_at END \
         FROM (SELECT early AS is_early, \
             CASE WHEN early THEN t.attempts WHEN t.expires_at <= CURRENT_TIMESTAMP THEN 1 ELSE t.attempts + 1 END AS attempts, \
             CASE WHEN early THEN t.last_attempt ELSE EXCLUDED.last_attempt END AS last_attempt \
             FROM (SELECT t.blocked_until IS NOT NULL AND t.blocked_until > CURRENT_TIMESTAMP AS early) AS now) AS next) \
     RETURNING last_attempt = $2 AS is_counted, \
         COALESCE(ceil(EXTRACT(EPOCH FROM blocked_until - CURRENT_TIMESTAMP))::bigint, 0) AS seconds";

/// Takes an attempt back; the delay as well, unless another attempt has been counted since.
const TAKE_BACK: &str = "UPDATE sign_in_throttles SET attempts = GREATEST(attempts - 1, 0), \
         blocked_until = CASE WHEN last_attempt = $1 THEN NULL ELSE blocked_until END \
     WHERE subject IN (sha256(convert_to($2::text, 'UTF8')), sha256(convert_to($3::text, 'UTF8')))";

pub(crate) const EXPIRED: &str = "WITH gone AS (DELETE FROM sign_in_throttles WHERE expires_at <= CURRENT_TIMESTAMP RETURNING 1) \
     SELECT COUNT(*) AS total FROM gone";

#[derive(FromQueryResult)]
struct Counted {
    is_counted: bool,
    seconds: i64,
}

/// The network of the client at `address`.
pub(crate) fn network_of(address: IpAddr) -> String {
    let length = match address.to_canonical() {
        IpAddr::V4(_) => u8::MAX,
        IpAddr::V6(_) => IPV6_CLIENT,
    };
    Network::around(address, length).to_string()
}

pub(crate) fn network_subject(address: Option<IpAddr>) -> String {
    let network = address.map_or_else(|| "unknown".to_owned(), network_of);
    format!("network {network}")
}

fn count(id: Uuid, subject: &str, attempts: u32, policy: &ThrottlePolicy) -> Statement {
    let milliseconds = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    Statement::from_sql_and_values(
        DbBackend::Postgres,
        COUNT,
        [
            subject.into(),
            id.into(),
            i32::try_from(attempts).unwrap_or(i32::MAX).into(),
            milliseconds(policy.first_delay).into(),
            milliseconds(policy.max_delay).into(),
            milliseconds(policy.forget_after).into(),
        ],
    )
}

/// Takes an attempt back that was none to guess. Sent among the statements of a transaction of the system role.
pub(crate) fn take_back(attempt: &Attempt) -> Statement {
    let subject = |place| attempt.subjects.get(place).map(String::as_str);
    Statement::from_sql_and_values(
        DbBackend::Postgres,
        TAKE_BACK,
        [attempt.id.into(), subject(0).into(), subject(1).into()],
    )
}

impl SystemTx {
    pub(crate) async fn count(
        self,
        subjects: [String; 2],
        policy: &ThrottlePolicy,
    ) -> Result<Attempt, Error> {
        let id = Uuid::new_v4();
        let [account, network] = &subjects;
        let statements = [
            count(id, account, policy.account_attempts, policy),
            count(id, network, policy.network_attempts, policy),
        ];
        let answers = self.rows(statements).await?;
        let (mut counted, mut wait) = (Vec::new(), Duration::ZERO);
        for (subject, rows) in subjects.into_iter().zip(&answers) {
            let answer: Counted = first(rows)?.ok_or_else(|| missing("attempt"))?;
            if answer.is_counted {
                counted.push(subject);
            } else {
                wait = wait.max(Duration::from_secs(answer.seconds.max(1).unsigned_abs()));
            }
        }
        let attempt = Attempt {
            id,
            subjects: counted,
        };
        if wait.is_zero() {
            self.commit().await?;
            return Ok(attempt);
        }
        self.finish([take_back(&attempt)]).await?;
        let detail = format!("too many attempts; try again in {} s", wait.as_secs());
        let error = Error::new(ErrorKind::RateLimited, "too_many_attempts", detail);
        Err(error.with_retry_after(wait))
    }
}
