//! `/users/me/password` and `/users/me/sessions`: how one signs in, and where one is signed in.

use std::net::IpAddr;

use actix_web::{
    HttpResponse,
    web::{Data, Path, Query},
};
use chrono::{DateTime, Utc};
use domain::{
    Caller, Credential, Error, idempotency::Answer, password::PasswordChange, session::OwnSession,
};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::paging::{self, PageQuery};
use crate::{
    extract::{Authenticated, Body},
    idempotency::{IdempotencyKey, answered},
    problem::Problem,
    schemas::accounts as schemas,
    server::App,
};

/// A place where the caller is signed in.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SignedInSession, example = json!({
    "id": "3b241101-e2bb-4255-8caf-4136c566a962", "ip_address": "192.0.2.7", "user_agent": "curl/8.9.1", "is_current": true,
    "created_at": "2026-11-24T20:00:00.123456Z", "last_used_at": "2026-11-24T20:00:00.123456Z",
    "expires_at": "2026-12-01T20:00:00.123456Z"
}))]
pub struct SessionView<'session> {
    id: Uuid,
    /// Where its tokens were exchanged last.
    #[schema(value_type = Option<String>, required = true)]
    ip_address: Option<IpAddr>,
    /// What the client called itself then.
    #[schema(required = true)]
    user_agent: Option<&'session str>,
    /// Whether it is the one that asks.
    is_current: bool,
    /// When it was begun.
    created_at: DateTime<Utc>,
    /// When its tokens were exchanged last.
    last_used_at: DateTime<Utc>,
    /// When it ends unless its tokens are exchanged before.
    expires_at: DateTime<Utc>,
}

/// A part of the caller's sessions, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionList<'session> {
    sessions: Vec<SessionView<'session>>,
    /// How many there are on all pages: exactly, up to 1,000; above that an estimate, at least 1,001.
    total: u64,
    /// Whether `total` is no estimate, as it never is with `total=exact`.
    total_is_exact: bool,
    /// For the next page, if there is one.
    #[schema(required = true)]
    next_cursor: Option<String>,
}

fn view<'session>(session: &'session OwnSession, caller: &Caller) -> SessionView<'session> {
    SessionView {
        id: session.id,
        ip_address: session.ip_address,
        user_agent: session.user_agent.as_deref(),
        is_current: caller.credential == Credential::Session(session.id),
        created_at: session.created_at,
        last_used_at: session.last_used_at,
        expires_at: session.expires_at,
    }
}

fn changed((): &()) -> Answer {
    Answer {
        status: 204,
        body: serde_json::Value::Null,
        location: None,
        etag: None,
    }
}

/// Change one's own password
///
/// Ends every other session. Wrong guesses of the current password are put off as at signing in.
#[utoipa::path(post, path = "/api/v1/users/me/password", tag = "users", request_body = schemas::PasswordChange, responses(
    (status = 204, description = "It has changed."),
    (status = 409, description = "`password_changed` by somebody else at this moment, or a request with this `Idempotency-Key` is under way."),
    (status = 422, description = "`errors[]` names each bad field: `wrong_password`, `invalid_password`, `common_password`, `password_is_a_name`, `unchanged`."),
    (status = 429, description = "`too_many_attempts`."),
))]
pub async fn change_password(
    app: Data<App>,
    Authenticated(caller): Authenticated,
    key: IdempotencyKey,
    Body(body): Body,
) -> Result<HttpResponse, Problem> {
    let change = PasswordChange::parse(&body).map_err(Error::invalid)?;
    let once = key.of(caller.user, &body)?;
    let passwords = (&change.current, &change.new);
    let outcome = app
        .accounts
        .change_password(&caller, once.as_ref(), passwords, changed)
        .await;
    answered(outcome, changed)
}

/// List where one is signed in
#[utoipa::path(get, path = "/api/v1/users/me/sessions", tag = "users", params(PageQuery), responses(
    (status = 200, description = "A page of sessions.", body = SessionList),
))]
pub async fn list_sessions(
    app: Data<App>,
    Authenticated(caller): Authenticated,
    query: Query<PageQuery>,
) -> Result<HttpResponse, Problem> {
    let page = app
        .accounts
        .list_sessions(&caller, query.request()?)
        .await?;
    let sessions = page.items.iter().map(|session| view(session, &caller));
    Ok(HttpResponse::Ok().json(SessionList {
        sessions: sessions.collect(),
        total: page.total,
        total_is_exact: page.total_is_exact,
        next_cursor: page.next.map(paging::cursor),
    }))
}

/// Sign out somewhere
///
/// Its access tokens are refused from the next request on.
#[utoipa::path(delete, path = "/api/v1/users/me/sessions/{id}", tag = "users", params(("id" = Uuid, Path)), responses(
    (status = 204, description = "The session has ended."),
))]
pub async fn end_session(
    app: Data<App>,
    Authenticated(caller): Authenticated,
    id: Path<Uuid>,
) -> Result<HttpResponse, Problem> {
    app.accounts.end_session(&caller, *id).await?;
    Ok(HttpResponse::NoContent().finish())
}
