//! `/services/{id}/start`, `/stop`, `/restart` and `/deployments`: what a tenant wants to run, and how far that has come.

use std::time::Duration;

use actix_web::{
    HttpResponse,
    web::{Data, Path, Query},
};
use chrono::{DateTime, Utc};
use domain::{
    Deployment, DeploymentAction, DeploymentId, Error, PositiveDuration, ServiceId, TenantScope,
    Violation, idempotency::Answer,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{
    entity_tag::tagged,
    paging::{self, PageQuery},
};
use crate::{
    extract::{Id, Member},
    idempotency::{IdempotencyKey, answered_for},
    lifecycle::Lifecycle,
    problem::Problem,
    query::parameter,
    schemas,
    server::App,
};

const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// One attempt at making a service start, stop or restart.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Deployment, example = json!({
    "id": "9b2f7c1e-0a4d-4a57-8a0e-5d7f3c1b2a90", "service_id": "6e3c9e0e-5f0b-4c5b-9a53-0d5f2a9a4f10",
    "status": "failed", "nomad_job_id": "service-6e3c9e0e-5f0b-4c5b-9a53-0d5f2a9a4f10",
    "started_at": "2026-11-24T20:00:01Z", "completed_at": "2026-11-24T20:00:09Z",
    "error_msg": "it did not become healthy; task app: Exit Code: 1",
    "deployed_by": "3b241101-e2bb-4255-8caf-4136c566a962",
    "created_at": "2026-11-24T20:00:00Z", "updated_at": "2026-11-24T20:00:09Z"
}))]
pub struct DeploymentView<'deployment> {
    #[schema(value_type = Uuid)]
    id: DeploymentId,
    #[schema(value_type = Uuid)]
    service_id: ServiceId,
    /// How far it has come.
    #[schema(schema_with = schemas::deployment_status)]
    status: domain::DeploymentStatus,
    /// The job in Nomad.
    #[schema(required = true)]
    nomad_job_id: Option<&'deployment str>,
    /// When a worker began.
    #[schema(required = true)]
    started_at: Option<DateTime<Utc>>,
    /// When it ended.
    #[schema(required = true)]
    completed_at: Option<DateTime<Utc>>,
    /// Why it failed, for people.
    #[schema(required = true)]
    error_msg: Option<&'deployment str>,
    /// The user who asked for it.
    #[schema(value_type = Uuid)]
    deployed_by: domain::UserId,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// A part of a service's deployments, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeploymentList<'deployment> {
    deployments: Vec<DeploymentView<'deployment>>,
    /// How many there are on all pages: exactly, up to 1,000; above that an estimate, at least 1,001.
    total: u64,
    /// Whether `total` is no estimate, as it never is with `total=exact`.
    total_is_exact: bool,
    /// For the next page, if there is one.
    #[schema(required = true)]
    next_cursor: Option<String>,
}

/// A deployment has been asked for.
#[derive(Debug, Serialize, ToSchema)]
pub struct Accepted<'deployment> {
    /// For people.
    message: &'static str,
    deployment: DeploymentView<'deployment>,
}

/// Whether to wait.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ReadQuery {
    /// Answer only when the deployment's status changes, or after this long: `30s`, at most `60s`.
    #[param(nullable = false, example = "30s")]
    wait: Option<String>,
}

fn view(deployment: &Deployment) -> DeploymentView<'_> {
    DeploymentView {
        id: deployment.id,
        service_id: deployment.service_id,
        status: deployment.status,
        nomad_job_id: deployment.nomad_job_id.as_deref(),
        started_at: deployment.started_at,
        completed_at: deployment.completed_at,
        error_msg: deployment.error_msg.as_deref(),
        deployed_by: deployment.deployed_by,
        created_at: deployment.created_at,
        updated_at: deployment.updated_at,
    }
}

/// List a service's deployments
#[utoipa::path(get, path = "/api/v1/services/{id}/deployments", tag = "deployments",
    params(("id" = Uuid, Path), PageQuery), responses(
    (status = 200, description = "A page of them.", body = DeploymentList),
))]
pub async fn list(
    app: Data<App>,
    Member(scope): Member,
    Id(id): Id,
    asked: Query<PageQuery>,
) -> Result<HttpResponse, Problem> {
    let request = asked.request()?;
    let page = app.deployments.list(scope, ServiceId(id), request).await?;
    Ok(HttpResponse::Ok().json(DeploymentList {
        deployments: page.items.iter().map(view).collect(),
        total: page.total,
        total_is_exact: page.total_is_exact,
        next_cursor: page.next.map(paging::cursor),
    }))
}

/// Read a deployment
#[utoipa::path(get, path = "/api/v1/deployments/{id}", tag = "deployments",
    params(("id" = Uuid, Path), ReadQuery), responses(
    (status = 200, description = "The deployment.", body = DeploymentView,
        headers(("ETag" = String, description = "Its version."))),
))]
pub async fn read(
    app: Data<App>,
    Member(scope): Member,
    Id(id): Id,
    query: Query<ReadQuery>,
    lifecycle: Data<Lifecycle>,
) -> Result<HttpResponse, Problem> {
    let wait: Option<PositiveDuration> = parameter("wait", query.wait.as_deref())?;
    let wait = wait.map(PositiveDuration::get);
    if wait.is_some_and(|wait| wait > LONGEST_WAIT) {
        let refused = Violation::new("out_of_range", "must be at most 60s");
        return Err(Error::invalid(vec![refused.at("/wait")]).into());
    }
    let deployment = app
        .deployments
        .read(scope, DeploymentId(id), wait, || lifecycle.drains())
        .await?;
    Ok(tagged(HttpResponse::Ok(), &view(&deployment)))
}

/// Start a service
///
/// A worker brings it about; what runs unchanged already is completed at once.
#[utoipa::path(post, path = "/api/v1/services/{id}/start", tag = "deployments", params(("id" = Uuid, Path)), responses(
    (status = 202, description = "It has been asked for.", body = Accepted,
        headers(("Location" = String, description = "The deployment."))),
    (status = 409, description = "`deployment_in_progress`, or a request with this `Idempotency-Key` is under way."),
))]
pub async fn start(
    app: Data<App>,
    Member(scope): Member,
    key: IdempotencyKey,
    id: Path<Uuid>,
) -> Result<HttpResponse, Problem> {
    let asked = (DeploymentAction::Start, "the service is being started");
    deploy(&app, scope, key, *id, asked).await
}

/// Stop a service
///
/// A worker brings it about; what is stopped already is completed at once.
#[utoipa::path(post, path = "/api/v1/services/{id}/stop", tag = "deployments", params(("id" = Uuid, Path)), responses(
    (status = 202, description = "It has been asked for.", body = Accepted,
        headers(("Location" = String, description = "The deployment."))),
    (status = 409, description = "`deployment_in_progress`, or a request with this `Idempotency-Key` is under way."),
))]
pub async fn stop(
    app: Data<App>,
    Member(scope): Member,
    key: IdempotencyKey,
    id: Path<Uuid>,
) -> Result<HttpResponse, Problem> {
    let asked = (DeploymentAction::Stop, "the service is being stopped");
    deploy(&app, scope, key, *id, asked).await
}

/// Restart a running service in place
#[utoipa::path(post, path = "/api/v1/services/{id}/restart", tag = "deployments", params(("id" = Uuid, Path)), responses(
    (status = 202, description = "It has been asked for.", body = Accepted,
        headers(("Location" = String, description = "The deployment."))),
    (status = 409, description = "`not_running`, `deployment_in_progress`, or a request with this `Idempotency-Key` is under way."),
))]
pub async fn restart(
    app: Data<App>,
    Member(scope): Member,
    key: IdempotencyKey,
    id: Path<Uuid>,
) -> Result<HttpResponse, Problem> {
    let asked = (DeploymentAction::Restart, "the service is being restarted");
    deploy(&app, scope, key, *id, asked).await
}

async fn deploy(
    app: &App,
    scope: TenantScope,
    key: IdempotencyKey,
    id: Uuid,
    (action, message): (DeploymentAction, &'static str),
) -> Result<HttpResponse, Problem> {
    let accepted = |deployment: &Deployment| Answer {
        status: 202,
        location: Some(format!("/api/v1/deployments/{}", deployment.id)),
        etag: None,
        body: serde_json::to_value(Accepted {
            message,
            deployment: view(deployment),
        })
        .unwrap_or_default(),
    };
    let once = key.of_user(&scope, &Value::Null)?;
    let (scope_again, id) = (scope.clone(), ServiceId(id));
    let outcome = app
        .deployments
        .deploy(scope, once.as_ref(), id, action, accepted)
        .await;
    answered_for(app, scope_again, once, outcome, accepted).await
}
