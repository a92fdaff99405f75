//! Whether the process lives, and whether it can serve.

use actix_web::{HttpResponse, web::Data};
use application::{Reachability, Seen};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    lifecycle::{Lifecycle, Phase},
    readiness,
};

const OK: &str = "ok";

/// The process lives.
#[derive(Debug, Serialize, ToSchema)]
pub struct Liveness {
    /// `alive`.
    status: &'static str,
}

/// Whether it can serve.
#[derive(Debug, Serialize, ToSchema)]
pub struct Readiness {
    /// `ready`; `degraded` without Nomad; `unready` without the database or the encryption key, while it starts, and while it
    /// drains.
    status: &'static str,
    /// What it depends on, as it was seen last: a probe waits for nothing.
    checks: Checks,
    /// How many seconds ago that was.
    seconds_ago: Ages,
}

/// How many seconds ago each was seen last; null before it was looked at.
#[derive(Debug, Serialize, ToSchema)]
pub struct Ages {
    #[schema(required = true)]
    database: Option<f64>,
    #[schema(required = true)]
    nomad: Option<f64>,
}

/// What serving depends on: `ok`, or what is wrong.
#[derive(Debug, Serialize, ToSchema)]
pub struct Checks {
    /// The database holds everything: nothing works without it.
    database: String,
    /// Without Nomad all works except what runs there.
    nomad: String,
    /// Why secret values can't be encrypted: the key is missing, or is not the one they were encrypted with.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    encryption: Option<String>,
}

/// What older clients ask for.
#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    /// `healthy`; `starting` until everything else is answered, too.
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
    (status = 200, description = "It can: `ready`, or `degraded` where Nomad does not answer.", body = Readiness),
    (status = 503, description = "It can't: the database does not answer, the encryption key is missing or wrong, or it starts or drains.", body = Readiness),
))]
pub async fn ready(
    readiness: Data<readiness::Readiness>,
    lifecycle: Data<Lifecycle>,
) -> HttpResponse {
    let (database, database_age) = shown(&readiness.database);
    let (nomad, nomad_age) = shown(&readiness.nomad);
    let serves = lifecycle.phase() == Phase::Serving && database == OK;
    let (mut response, status) = match (serves, nomad == OK) {
        (false, _) => (HttpResponse::ServiceUnavailable(), "unready"),
        (true, false) => (HttpResponse::Ok(), "degraded"),
        (true, true) => (HttpResponse::Ok(), "ready"),
    };
    response.json(Readiness {
        status,
        checks: Checks {
            database,
            nomad,
            encryption: readiness.encryption.refusal(),
        },
        seconds_ago: Ages {
            database: database_age,
            nomad: nomad_age,
        },
    })
}

/// What was seen last of a dependency, and how many seconds ago.
fn shown(reachability: &Reachability) -> (String, Option<f64>) {
    match reachability.seen() {
        None => ("it was not asked yet".to_owned(), None),
        Some(Seen { at, refusal }) => {
            let milliseconds = at.elapsed().as_millis();
            let seconds = f64::from(u32::try_from(milliseconds).unwrap_or(u32::MAX)) / 1000.0;
            (refusal.unwrap_or_else(|| OK.to_owned()), Some(seconds))
        }
    }
}

/// Whether the server serves, for older clients
#[utoipa::path(get, path = "/health", tag = "health", security(()), responses(
    (status = 200, description = "It does.", body = Health),
    (status = 503, description = "It starts.", body = Health),
))]
pub async fn health(lifecycle: Data<Lifecycle>) -> HttpResponse {
    let (mut response, status) = match lifecycle.phase() {
        Phase::Starting => (HttpResponse::ServiceUnavailable(), "starting"),
        Phase::Serving | Phase::Draining => (HttpResponse::Ok(), "healthy"),
    };
    response.json(Health {
        status,
        version: env!("CARGO_PKG_VERSION"),
    })
}
