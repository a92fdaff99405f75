//! `/auth`: registering, signing in and out.

use actix_web::{HttpResponse, web::Data};
use application::{OneTimeToken, SignedIn};
use chrono::{DateTime, Utc};
use domain::{
    Error,
    idempotency::Answer,
    user::{Registration, SignIn, User, parse_refresh_token},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    entity_tag::shown,
    users::{UserView, view},
};
use crate::{
    extract::{Anybody, Body},
    idempotency::{IdempotencyKey, answered},
    problem::Problem,
    schemas,
    server::App,
};

/// Somebody has registered.
#[derive(Debug, Serialize, ToSchema)]
pub struct Registered<'user> {
    /// For people.
    message: &'static str,
    user: UserView<'user>,
}

/// A session: send `token` with each request, and `refresh_token` for a new pair.
#[derive(Debug, Serialize, ToSchema)]
pub struct Session<'user> {
    /// The access token, a JWT.
    token: &'user str,
    /// For a new pair, once.
    refresh_token: &'user str,
    user: UserView<'user>,
    /// When the access token expires.
    expires_at: DateTime<Utc>,
}

fn registered(user: &User) -> Answer {
    joined("User registered successfully", user)
}

/// Somebody is a user now.
pub(super) fn joined(message: &'static str, user: &User) -> Answer {
    let body = shown(&Registered {
        message,
        user: view(user),
    });
    Answer {
        status: 201,
        body: body.into(),
        location: None,
        etag: None,
    }
}

/// Register
///
/// Makes a tenant, and its first user, who administers it.
#[utoipa::path(post, path = "/api/v1/auth/register", tag = "auth", security(()), request_body = schemas::Registration,
    responses(
    (status = 201, description = "Registered; sign in next.", body = Registered),
    (status = 409, description = "`username_taken`, `email_taken`, or a request with this `Idempotency-Key` is under way."),
))]
pub async fn register(
    app: Data<App>,
    key: IdempotencyKey,
    Anybody(origin): Anybody,
    Body(body): Body,
) -> Result<HttpResponse, Problem> {
    let registration = Registration::parse(&body).map_err(Error::invalid)?;
    let once = key.of_registration(&registration, &body)?;
    let outcome = app
        .registrations
        .register(origin, once.as_ref(), registration, registered)
        .await;
    answered(outcome, registered)
}

/// Sign in
#[utoipa::path(post, path = "/api/v1/auth/login", tag = "auth", security(()), request_body = schemas::SignIn, responses(
    (status = 200, description = "Signed in.", body = Session),
    (status = 401, description = "`invalid_credentials`: unknown, inactive, or the password is wrong."),
    (status = 429, description = "`too_many_attempts` at this account, or from this network."),
))]
pub async fn login(
    app: Data<App>,
    _: IdempotencyKey,
    Anybody(origin): Anybody,
    Body(body): Body,
) -> Result<HttpResponse, Problem> {
    let SignIn { login, password } = SignIn::parse(&body).map_err(Error::invalid)?;
    Ok(answer(
        &app.sessions.login(origin, &login, &password).await?,
    ))
}

/// Exchange a refresh token for a new pair
///
/// A token that is used a second time ends its session.
#[utoipa::path(post, path = "/api/v1/auth/refresh", tag = "auth", security(()), request_body = schemas::RefreshToken,
    responses(
    (status = 200, description = "Still signed in.", body = Session),
    (status = 401, description = "`invalid_refresh_token`: sign in again."),
))]
pub async fn refresh(
    app: Data<App>,
    _: IdempotencyKey,
    Anybody(origin): Anybody,
    Body(body): Body,
) -> Result<HttpResponse, Problem> {
    let token = refresh_token(&body)?;
    Ok(answer(&app.sessions.refresh(origin, token).await?))
}

/// End a session
#[utoipa::path(post, path = "/api/v1/auth/logout", tag = "auth", security(()), request_body = schemas::RefreshToken,
    responses((status = 204, description = "It has ended, if there was one.")))]
pub async fn logout(
    app: Data<App>,
    _: IdempotencyKey,
    Anybody(origin): Anybody,
    Body(body): Body,
) -> Result<HttpResponse, Problem> {
    app.sessions.logout(origin, &refresh_token(&body)?).await?;
    Ok(HttpResponse::NoContent().finish())
}

fn refresh_token(body: &serde_json::Value) -> Result<OneTimeToken, Error> {
    let token = parse_refresh_token(body).map_err(Error::invalid)?;
    Ok(OneTimeToken::from(token.expose().to_owned()))
}

fn answer(signed_in: &SignedIn) -> HttpResponse {
    HttpResponse::Ok().json(Session {
        token: &signed_in.access_token,
        refresh_token: signed_in.refresh_token.reveal(),
        user: view(&signed_in.user),
        expires_at: signed_in.expires_at,
    })
}
