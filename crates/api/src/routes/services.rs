//! `/services`: what a tenant has defined.

use std::collections::BTreeMap;

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Data, Path, Query},
};
use chrono::{DateTime, Utc};
use domain::{
    Error, Service, ServiceId,
    idempotency::Answer,
    secret::ShownConfig,
    service::{NewService, ServiceFilter, ServicePatch, parse_reveal},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{
    entity_tag::{IfMatch, etag, shown, tagged},
    paging::{self, PageQuery},
};
use crate::{
    extract::{Body, Id, Member},
    idempotency::{IdempotencyKey, answered_for},
    problem::Problem,
    query::parameter,
    schemas,
    server::App,
};

/// Which services to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// Of this type.
    #[param(schema_with = schemas::service_type)]
    r#type: Option<String>,
    /// In this state.
    #[param(schema_with = schemas::service_status)]
    status: Option<String>,
    /// With this text in the name or the description, in any case.
    #[param(nullable = false)]
    q: Option<String>,
}

/// A service a tenant has defined.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Service, example = json!({
    "id": "6e3c9e0e-5f0b-4c5b-9a53-0d5f2a9a4f10", "name": "orders", "type": "database", "status": "stopped",
    "description": "where orders are kept", "config": {
        "image": "postgres:17", "ports": [5432], "environment": {"POSTGRES_PASSWORD": "**********"}
    },
    "tenant_id": "0d0f5a3e-8f57-4e0f-8f0e-0a2b8f5d9c11", "created_by": "3b241101-e2bb-4255-8caf-4136c566a962",
    "created_at": "2026-11-24T20:00:00.123456Z", "updated_at": "2026-11-24T20:00:00.123456Z"
}))]
pub struct ServiceView<'service> {
    #[schema(value_type = Uuid)]
    id: ServiceId,
    /// Unique within the tenant.
    name: &'service str,
    /// One of each within the tenant.
    #[schema(schema_with = schemas::service_type)]
    r#type: domain::ServiceType,
    /// Where it is in its life.
    #[schema(schema_with = schemas::service_status)]
    status: domain::ServiceStatus,
    /// For people.
    #[schema(required = true)]
    description: Option<&'service str>,
    /// What it runs; `**********` stands for each secret value.
    #[schema(value_type = schemas::ServiceConfig)]
    config: &'service ShownConfig,
    #[schema(value_type = Uuid)]
    tenant_id: domain::TenantId,
    /// The user who made it.
    #[schema(value_type = Uuid)]
    created_by: domain::UserId,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// Secret values of a service.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RevealedValues, example = json!({"values": {"/config/environment/POSTGRES_PASSWORD": "correct horse"}}))]
pub struct RevealedView {
    /// By the pointers that were asked for.
    values: BTreeMap<String, String>,
}

/// A part of the tenant's services, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct ServiceList<'service> {
    services: Vec<ServiceView<'service>>,
    /// How many there are on all pages: exactly, up to 1,000; above that an estimate, at least 1,001.
    total: u64,
    /// Whether `total` is no estimate, as it never is with `total=exact`.
    total_is_exact: bool,
    /// For the next page, if there is one.
    #[schema(required = true)]
    next_cursor: Option<String>,
}

fn view(service: &Service) -> ServiceView<'_> {
    ServiceView {
        id: service.id,
        name: &service.name,
        r#type: service.service_type,
        status: service.status,
        description: service.description.as_deref(),
        config: &service.config,
        tenant_id: service.tenant_id,
        created_by: service.created_by,
        created_at: service.created_at,
        updated_at: service.updated_at,
    }
}

/// What a client is told whose service was made.
fn created(service: &Service) -> Answer {
    let view = view(service);
    Answer {
        status: 201,
        location: Some(format!("/api/v1/services/{}", service.id)),
        etag: Some(etag(&view)),
        body: shown(&view).into(),
    }
}

/// List the tenant's services
#[utoipa::path(get, path = "/api/v1/services", tag = "services", params(PageQuery, ListQuery), responses(
    (status = 200, description = "A page of them.", body = ServiceList),
))]
pub async fn list(
    app: Data<App>,
    Member(scope): Member,
    asked: Query<PageQuery>,
    query: Query<ListQuery>,
) -> Result<HttpResponse, Problem> {
    let request = asked.request()?;
    let filter = ServiceFilter {
        service_type: parameter("type", query.r#type.as_deref())?,
        status: parameter("status", query.status.as_deref())?,
        text: query.q.clone().filter(|text| !text.is_empty()),
    };
    let page = app.services.list(scope, &filter, request).await?;
    Ok(HttpResponse::Ok().json(ServiceList {
        services: page.items.iter().map(view).collect(),
        total: page.total,
        total_is_exact: page.total_is_exact,
        next_cursor: page.next.map(paging::cursor),
    }))
}

/// Define a service
///
/// Checked in this order: `type_taken`, `name_taken`, `limit_exceeded`.
#[utoipa::path(post, path = "/api/v1/services", tag = "services", request_body = schemas::NewService, responses(
    (status = 201, description = "The service.", body = ServiceView,
        headers(("Location" = String, description = "Where it is."), ("ETag" = String, description = "Its version."))),
    (status = 409, description = "`type_taken`, `name_taken`, or a request with this `Idempotency-Key` is under way."),
))]
pub async fn create(
    app: Data<App>,
    Member(scope): Member,
    key: IdempotencyKey,
    Body(body): Body,
) -> Result<HttpResponse, Problem> {
    let new = NewService::parse(&body).map_err(Error::invalid)?;
    let once = key.of_user(&scope, &body)?;
    let outcome = app
        .services
        .create(scope.clone(), once.as_ref(), new, created)
        .await;
    answered_for(&app, scope, once, outcome, created).await
}

/// Read a service
#[utoipa::path(get, path = "/api/v1/services/{id}", tag = "services", params(("id" = Uuid, Path)), responses(
    (status = 200, description = "The service.", body = ServiceView,
        headers(("ETag" = String, description = "Its version."))),
))]
pub async fn read(
    app: Data<App>,
    Member(scope): Member,
    Id(id): Id,
) -> Result<HttpResponse, Problem> {
    let service = app.services.read(scope, ServiceId(id)).await?;
    Ok(tagged(HttpResponse::Ok(), &view(&service)))
}

/// Replace a service
///
/// Takes what reading it answered.
#[utoipa::path(put, path = "/api/v1/services/{id}", tag = "services",
    params(("id" = Uuid, Path), ("If-Match" = Option<String>, Header, description = "The `ETag` of what was read.")),
    request_body = schemas::ServiceReplacement, responses(
    (status = 200, description = "The service.", body = ServiceView,
        headers(("ETag" = String, description = "Its version."))),
    (status = 409, description = "`name_taken`."),
))]
pub async fn replace(
    app: Data<App>,
    Member(scope): Member,
    id: Path<Uuid>,
    request: HttpRequest,
    Body(body): Body,
) -> Result<HttpResponse, Problem> {
    let expected = IfMatch::of(&request);
    let service = app
        .services
        .update(scope, ServiceId(*id), |service, values| {
            let current = view(service);
            expected.check(&current)?;
            let current = shown(&current);
            ServicePatch::parse_replacement(&body, &current, values)
        });
    Ok(tagged(HttpResponse::Ok(), &view(&service.await?)))
}

/// Change a service
#[utoipa::path(patch, path = "/api/v1/services/{id}", tag = "services",
    params(("id" = Uuid, Path), ("If-Match" = String, Header, description = "The `ETag` of what was read.")),
    request_body = schemas::ServiceChange, responses(
    (status = 200, description = "The service.", body = ServiceView,
        headers(("ETag" = String, description = "Its version."))),
    (status = 409, description = "`name_taken`."),
))]
pub async fn update(
    app: Data<App>,
    Member(scope): Member,
    id: Path<Uuid>,
    request: HttpRequest,
    Body(body): Body,
) -> Result<HttpResponse, Problem> {
    let expected = IfMatch::of(&request).required()?;
    let service = app
        .services
        .update(scope, ServiceId(*id), |service, values| {
            let current = view(service);
            expected.check(&current)?;
            let current = shown(&current);
            ServicePatch::parse(&body, &current, values)
        });
    Ok(tagged(HttpResponse::Ok(), &view(&service.await?)))
}

/// Remove a service
#[utoipa::path(delete, path = "/api/v1/services/{id}", tag = "services",
    params(("id" = Uuid, Path), ("If-Match" = Option<String>, Header, description = "The `ETag` of what was read.")),
    responses(
    (status = 204, description = "It is gone."),
    (status = 409, description = "`service_running`: stop it first."),
))]
pub async fn delete(
    app: Data<App>,
    Member(scope): Member,
    id: Path<Uuid>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let expected = IfMatch::of(&request);
    let check = |service: &Service| expected.check(&view(service));
    app.services.delete(scope, ServiceId(*id), check).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Reveal secret values
///
/// For those who may see them, and written down in the audit: who asked for which, never what they are. The answer is never
/// kept, so an `Idempotency-Key` changes nothing.
#[utoipa::path(post, path = "/api/v1/services/{id}/reveal", tag = "services", params(("id" = Uuid, Path)),
    request_body = schemas::Reveal, responses(
    (status = 200, description = "The values.", body = RevealedView),
    (status = 500, description = "`decryption_failed`: a value was changed or moved in the database, or its key is gone."),
))]
pub async fn reveal(
    app: Data<App>,
    Member(scope): Member,
    id: Path<Uuid>,
    Body(body): Body,
) -> Result<HttpResponse, Problem> {
    let pointers = parse_reveal(&body).map_err(Error::invalid)?;
    let values = app
        .services
        .reveal(scope, ServiceId(*id), &pointers)
        .await?;
    Ok(HttpResponse::Ok().json(RevealedView { values }))
}
