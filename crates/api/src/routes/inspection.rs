//! `/services/{id}/logs` and `/services/{id}/metrics`: what a service writes and uses while it runs.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{CONTENT_TYPE, HeaderName},
    web::{Data, Query},
};
use domain::{
    Error, ServiceId, Violation,
    runtime::{LogRequest, LogSource},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::log_events;
use crate::{
    extract::{Id, Member},
    lifecycle::Lifecycle,
    problem::Problem,
    schemas,
    server::App,
};

const DEFAULT_TAIL: usize = 100;
const MAX_TAIL: usize = 10_000;
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Which lines.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LogQuery {
    /// The task, where the service has several.
    #[param(nullable = false)]
    task: Option<String>,
    /// Which output; `stdout` unless said otherwise.
    #[param(schema_with = schemas::log_type)]
    r#type: Option<String>,
    /// How many of the last lines; 100 unless said otherwise.
    #[param(value_type = Option<u64>, minimum = 1, maximum = 10_000, nullable = false)]
    tail: Option<String>,
    /// `true`: as server-sent events, a line each, and those to come.
    #[param(value_type = Option<bool>, nullable = false)]
    follow: Option<String>,
}

/// What a service wrote last.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"logs": ["listening on port 8000"]}))]
pub struct Logs {
    /// Lines, oldest first; none before there are any.
    logs: Vec<String>,
}

/// What a service uses.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"metrics": {
    "cpu_usage": 1.5, "memory_usage": 19333120, "allocation_id": "4f3a2b10-9c8d-4e7f-a6b5-c4d3e2f1a0b9",
    "allocation_status": "running", "node_id": "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d"
}}))]
pub struct Metrics {
    metrics: Usage,
}

/// What the running allocation uses.
#[derive(Debug, Serialize, ToSchema)]
pub struct Usage {
    /// In percent of one core.
    cpu_usage: f64,
    /// In bytes.
    memory_usage: u64,
    allocation_id: Uuid,
    /// As Nomad says it.
    allocation_status: &'static str,
    node_id: String,
}

/// Read a service's logs
#[utoipa::path(get, path = "/api/v1/services/{id}/logs", tag = "services",
    params(("id" = Uuid, Path), LogQuery,
        ("Last-Event-ID" = Option<String>, Header, description = "With `follow`: the id of the last event that arrived.")),
    responses(
    (status = 200, description = "The last lines; with `follow`, server-sent events, each as described.",
        content((Logs = "application/json"), (schemas::LogEvent = "text/event-stream"))),
))]
pub async fn logs(
    app: Data<App>,
    Member(scope): Member,
    Id(id): Id,
    query: Query<LogQuery>,
    lifecycle: Data<Lifecycle>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let (wanted, follow) = wanted(&query)?;
    let id = ServiceId(id);
    if follow {
        let last = request.headers().get(LAST_EVENT_ID);
        let last = last.and_then(|value| value.to_str().ok());
        let resume = log_events::position(last)?;
        let log = app.running_services.follow(scope, id, &wanted, resume);
        let events = log_events::stream(log.await?, lifecycle.into_inner());
        return Ok(HttpResponse::Ok()
            .insert_header((CONTENT_TYPE, "text/event-stream"))
            .streaming(events));
    }
    let logs = app.running_services.logs(scope, id, &wanted).await?;
    Ok(HttpResponse::Ok().json(Logs { logs }))
}

/// Read what a running service uses
#[utoipa::path(get, path = "/api/v1/services/{id}/metrics", tag = "services", params(("id" = Uuid, Path)), responses(
    (status = 200, description = "What it uses.", body = Metrics),
    (status = 409, description = "`not_running`."),
))]
pub async fn metrics(
    app: Data<App>,
    Member(scope): Member,
    Id(id): Id,
) -> Result<HttpResponse, Problem> {
    let usage = app.running_services.usage(scope, ServiceId(id)).await?;
    Ok(HttpResponse::Ok().json(Metrics {
        metrics: Usage {
            cpu_usage: usage.cpu_usage,
            memory_usage: usage.memory_usage,
            allocation_id: usage.allocation_id,
            allocation_status: "running",
            node_id: usage.node_id,
        },
    }))
}

fn wanted(query: &LogQuery) -> Result<(LogRequest, bool), Error> {
    let mut refused = Vec::new();
    let mut refuse = |name: &str, allowed: String| {
        refused.push(Violation::new("not_allowed", allowed).at(format!("/{name}")));
    };
    let source = match query.r#type.as_deref() {
        None | Some("stdout") => LogSource::Stdout,
        Some("stderr") => LogSource::Stderr,
        Some(_) => {
            refuse("type", "must be one of stdout, stderr".to_owned());
            LogSource::Stdout
        }
    };
    let tail = match query.tail.as_deref().map(str::parse) {
        None => DEFAULT_TAIL,
        Some(Ok(tail @ 1..=MAX_TAIL)) => tail,
        Some(_) => {
            refuse(
                "tail",
                format!("must be a whole number from 1 to {MAX_TAIL}"),
            );
            DEFAULT_TAIL
        }
    };
    let follow = match query.follow.as_deref() {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => {
            refuse("follow", "must be true or false".to_owned());
            false
        }
    };
    if !refused.is_empty() {
        return Err(Error::invalid(refused));
    }
    let task = query.task.clone();
    Ok((LogRequest { task, source, tail }, follow))
}
