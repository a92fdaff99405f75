//! Whether the process lives, and whether it can serve.

use std::sync::Arc;

use actix_web::{HttpResponse, web::Data};
use serde_json::json;

use crate::state::State;

/// Touches nothing.
pub async fn live() -> HttpResponse {
    HttpResponse::Ok().json(json!({"status": "alive"}))
}

/// No database, not ready.
pub async fn ready(state: Data<Arc<State>>) -> HttpResponse {
    match state.database.ping().await {
        Ok(()) => HttpResponse::Ok().json(json!({"status": "ready", "checks": {"database": "ok"}})),
        Err(error) => HttpResponse::ServiceUnavailable()
            .json(json!({"status": "unready", "checks": {"database": error.detail()}})),
    }
}

/// What older clients ask.
pub async fn health() -> HttpResponse {
    HttpResponse::Ok().json(json!({"status": "healthy", "version": env!("CARGO_PKG_VERSION")}))
}
