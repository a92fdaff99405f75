//! A user's own signed-in sessions and password. They belong to the user and to no tenant, so this works across tenants, for
//! that user alone.

use std::net::IpAddr;

use domain::{
    Acting, Credential, Error, UserId,
    audit_log::Event,
    idempotency::Answer,
    page::{Page, PageRequest},
    policy::Actor,
    session::{Attempt, Credentials, OwnSession, ThrottlePolicy, ports::OwnAccount},
};
use postgres_connection::Row;
use sea_orm::{
    FromQueryResult, Statement,
    prelude::{DateTime as Timestamp, Uuid},
};

use crate::{
    SystemTx, audit,
    page::{self, Estimate},
    rows::{first, missing, read},
    sign_in,
    statement::statement,
    throttles,
};

#[derive(FromQueryResult)]
struct SessionRow {
    id: Uuid,
    ip_address: Option<String>,
    user_agent: Option<String>,
    created_at: Timestamp,
    last_used_at: Timestamp,
    expires_at: Timestamp,
}

#[derive(FromQueryResult)]
struct Changed {
    changed: i64,
}

const SELECT: &str = "SELECT family_id AS id, ip_address, user_agent, signed_in_at AS created_at, \
     created_at AS last_used_at, expires_at";

const ALIVE: &str = "FROM refresh_tokens WHERE user_id = $1 AND used_at IS NULL AND revoked_at IS NULL \
     AND expires_at > CURRENT_TIMESTAMP";

const PAGE: &str = "AND ($2::timestamp IS NULL OR (signed_in_at, family_id) < ($2, $3::uuid)) \
     ORDER BY signed_in_at DESC, family_id DESC LIMIT $4";

const END: &str = "WITH ended AS (UPDATE refresh_tokens SET revoked_at = CURRENT_TIMESTAMP \
         WHERE user_id = $1 AND family_id = $2 AND used_at IS NULL AND revoked_at IS NULL \
           AND expires_at > CURRENT_TIMESTAMP RETURNING 1) \
     SELECT COUNT(*) AS changed FROM ended";

const END_OTHERS: &str = "UPDATE refresh_tokens SET revoked_at = CURRENT_TIMESTAMP \
     WHERE user_id = $1 AND ($2::uuid IS NULL OR family_id <> $2) AND used_at IS NULL AND revoked_at IS NULL";

const SET_PASSWORD: &str = "WITH done AS (UPDATE users SET password = $3, updated_at = CURRENT_TIMESTAMP \
         WHERE id = $1 AND password = $2 RETURNING 1) \
     SELECT COUNT(*) AS changed FROM done";

fn session(row: &Row) -> Result<OwnSession, Error> {
    let row: SessionRow = read(row)?;
    Ok(OwnSession {
        id: row.id,
        ip_address: row.ip_address.and_then(|address| address.parse().ok()),
        user_agent: row.user_agent,
        created_at: row.created_at.and_utc(),
        last_used_at: row.last_used_at.and_utc(),
        expires_at: row.expires_at.and_utc(),
    })
}

fn changed(rows: &[Row]) -> Result<bool, Error> {
    let changed: Changed = first(rows)?.ok_or_else(|| missing("count"))?;
    Ok(changed.changed > 0)
}

/// Ends every session of a user but `kept`.
fn end_sessions(user: UserId, kept: Option<Uuid>) -> Statement {
    statement(END_OTHERS, [user.0.into(), kept.into()])
}

impl OwnAccount for SystemTx {
    async fn count_password(
        self,
        user: UserId,
        address: Option<IpAddr>,
        policy: &ThrottlePolicy,
    ) -> Result<Attempt, Error> {
        let subjects = [
            format!("password {user}"),
            throttles::network_subject(address),
        ];
        self.count(subjects, policy).await
    }

    async fn take_back(&self, attempt: &Attempt) -> Result<(), Error> {
        self.rows([throttles::take_back(attempt)]).await.map(drop)
    }

    async fn list_sessions(
        &self,
        acting: &Acting,
        credential: &Credential,
        request: PageRequest,
    ) -> Result<(Actor, Page<OwnSession>), Error> {
        let user = acting.user.ok_or_else(Error::unauthenticated)?;
        let after = request.after;
        let limit = i64::try_from(request.limit + 1).map_err(Error::internal)?;
        let list = statement(
            &format!("{SELECT} {ALIVE} {PAGE}"),
            [
                user.0.into(),
                after.map(|after| after.created_at.naive_utc()).into(),
                after.map(|after| after.id).into(),
                limit.into(),
            ],
        );
        let alive = statement(&format!("SELECT 1 {ALIVE}"), [user.0.into()]);
        let count = page::count(alive, Estimate::AtLeast, request);
        let (actor, [list, count]) = self.enter(acting, credential, [list, count]).await?;
        let page = page::read(&list, &count, request, session)?;
        Ok((actor, page))
    }

    async fn end_session_of(&self, user: UserId, id: Uuid) -> Result<bool, Error> {
        let [rows] = self
            .rows([statement(END, [user.0.into(), id.into()])])
            .await?;
        changed(&rows)
    }

    async fn own_credentials(
        &self,
        acting: &Acting,
        credential: &Credential,
    ) -> Result<(Actor, Credentials), Error> {
        let user = acting.user.ok_or_else(Error::unauthenticated)?;
        let find = sign_in::find_credentials_of(user);
        let (actor, [rows]) = self.enter(acting, credential, [find]).await?;
        let found = sign_in::credentials(&rows)?.ok_or_else(Error::unauthenticated)?;
        Ok((actor, found))
    }

    async fn change_password(
        self,
        user: UserId,
        outdated: &str,
        current: String,
        kept: Option<Uuid>,
        answer: impl FnOnce(&()) -> Answer + Send,
    ) -> Result<(), Error> {
        let values = [user.0.into(), outdated.into(), current.into()];
        let set = statement(SET_PASSWORD, values);
        let event = audit::event(Event::new(
            "user.password_change",
            format!("users/{user}"),
            serde_json::json!({}),
        ));
        let statements = [set, end_sessions(user, kept), event];
        let [set, _, _] = self.rows(statements).await?;
        if !changed(&set)? {
            let detail = "the password was changed by somebody else at this moment";
            return Err(Error::conflict("password_changed", detail));
        }
        self.finish_answered([], |[]| Ok(()), answer).await
    }
}
