//! Whether the process lives, and whether it can serve.

use std::{sync::Arc, time::Duration};

use actix_web::{HttpResponse, web::Data};
use serde_json::json;

use crate::{lifecycle::Phase, state::State};

/// How long what the product depends on may take to answer.
const DEADLINE: Duration = Duration::from_secs(5);

/// Touches nothing.
pub async fn live() -> HttpResponse {
    HttpResponse::Ok().json(json!({"status": "alive"}))
}

/// No database, not ready; nor before the start has ended, nor once the server drains.
pub async fn ready(state: Data<Arc<State>>) -> HttpResponse {
    let database = tokio::time::timeout(DEADLINE, state.database.ping()).await;
    let database = match database {
        Ok(Ok(())) => "ok".to_owned(),
        Ok(Err(error)) => error.detail().to_owned(),
        Err(_) => "the database does not answer".to_owned(),
    };
    let serving = state.lifecycle.phase() == Phase::Serving;
    let checks = json!({"database": database});
    if serving && database == "ok" {
        HttpResponse::Ok().json(json!({"status": "ready", "checks": checks}))
    } else {
        HttpResponse::ServiceUnavailable().json(json!({"status": "unready", "checks": checks}))
    }
}

/// What older clients ask.
pub async fn health() -> HttpResponse {
    HttpResponse::Ok().json(json!({"status": "healthy", "version": env!("CARGO_PKG_VERSION")}))
}
