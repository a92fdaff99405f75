//! Whether the process lives, and whether it can serve.

use std::sync::Arc;

use actix_web::{HttpResponse, web::Data};
use serde::Serialize;
use utoipa::ToSchema;

use crate::state::State;

/// The process lives.
#[derive(Debug, Serialize, ToSchema)]
pub struct Liveness {
    /// `alive`.
    status: &'static str,
}

/// Whether it can serve.
#[derive(Debug, Serialize, ToSchema)]
pub struct Readiness {
    /// `ready`, or `unready` without the database.
    status: &'static str,
    /// What it depends on.
    checks: Checks,
}

/// What serving depends on: `ok`, or what is wrong.
#[derive(Debug, Serialize, ToSchema)]
pub struct Checks {
    database: String,
}

/// What older clients ask for.
#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    /// `healthy`.
    status: &'static str,
    /// The program's version.
    version: &'static str,
}

/// Whether the process lives
///
/// Touches nothing.
#[utoipa::path(get, path = "/livez", tag = "health", security(()), responses(
    (status = 200, description = "It does.", body = Liveness),
))]
pub async fn live() -> HttpResponse {
    HttpResponse::Ok().json(Liveness { status: "alive" })
}

/// Whether it can serve
#[utoipa::path(get, path = "/readyz", tag = "health", security(()), responses(
    (status = 200, description = "It can.", body = Readiness),
    (status = 503, description = "It can't: the database does not answer.", body = Readiness),
))]
pub async fn ready(state: Data<Arc<State>>) -> HttpResponse {
    let (mut response, status, database) = match state.database.ping().await {
        Ok(()) => (HttpResponse::Ok(), "ready", "ok".to_owned()),
        Err(error) => (
            HttpResponse::ServiceUnavailable(),
            "unready",
            error.detail().to_owned(),
        ),
    };
    response.json(Readiness {
        status,
        checks: Checks { database },
    })
}

/// Whether the process lives, for older clients
#[utoipa::path(get, path = "/health", tag = "health", security(()), responses(
    (status = 200, description = "It does.", body = Health),
))]
pub async fn health() -> HttpResponse {
    HttpResponse::Ok().json(Health {
        status: "healthy",
        version: env!("CARGO_PKG_VERSION"),
    })
}
