//! `/auth`: registering, signing in and out.

use std::sync::Arc;

use actix_web::{
    HttpResponse,
    http::header::CACHE_CONTROL,
    web::{Data, Json},
};
use domain::{Error, user::Registration};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};

use super::users::view;
use crate::{
    problem::Problem,
    sign_in::RefreshToken,
    state::State,
    use_cases::sessions::{self, SignedIn},
};

/// Who signs in, by username or email address.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Login {
    username: Option<String>,
    email: Option<String>,
    password: SecretString,
}

/// A session to keep or to end.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refresh {
    refresh_token: String,
}

pub async fn register(state: Data<Arc<State>>, body: Json<Value>) -> Result<HttpResponse, Problem> {
    let registration = Registration::parse(&body).map_err(Error::invalid)?;
    let user = sessions::register(&state, registration).await?;
    Ok(HttpResponse::Created()
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(json!({"message": "registered", "user": view(&user)})))
}

pub async fn login(state: Data<Arc<State>>, body: Json<Login>) -> Result<HttpResponse, Problem> {
    let Login {
        username,
        email,
        password,
    } = body.into_inner();
    let login = username.or(email).unwrap_or_default();
    Ok(answer(&sessions::login(&state, &login, password).await?))
}

pub async fn refresh(
    state: Data<Arc<State>>,
    body: Json<Refresh>,
) -> Result<HttpResponse, Problem> {
    let token = RefreshToken::from(body.into_inner().refresh_token);
    Ok(answer(&sessions::refresh(&state, token).await?))
}

pub async fn logout(state: Data<Arc<State>>, body: Json<Refresh>) -> Result<HttpResponse, Problem> {
    sessions::logout(&state, &body.into_inner().refresh_token.into()).await?;
    Ok(HttpResponse::NoContent().finish())
}

fn answer(signed_in: &SignedIn) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(json!({
            "token": signed_in.access_token,
            "refresh_token": signed_in.refresh_token.reveal(),
            "user": view(&signed_in.user),
            "expires_at": signed_in.expires_at,
        }))
}
