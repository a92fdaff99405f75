//! `/tenant`: the caller's own; `/admin/tenants`: every one.

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Data, Path, Query},
};
use chrono::{DateTime, Utc};
use domain::{
    Caller, Error, TenantId,
    idempotency::Answer,
    policy::Action,
    tenant::{Tenant, TenantChange},
};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    entity_tag::{IfMatch, etag, shown, tagged},
    paging::{self, PageQuery},
};
use crate::{
    extract::{Authenticated, Body, Member},
    idempotency::{IdempotencyKey, answered},
    problem::Problem,
    schemas::accounts as schemas,
    server::App,
};

/// A tenant.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Tenant, example = json!({
    "id": "0d0f5a3e-8f57-4e0f-8f0e-0a2b8f5d9c11", "name": "Analytical Engines", "slug": "analytical-engines",
    "description": null, "domain": "engines.example.com", "is_active": true, "plan": "free", "max_services": 5,
    "created_at": "2026-11-24T20:00:00.123456Z", "updated_at": "2026-11-24T20:00:00.123456Z"
}))]
pub struct TenantView<'tenant> {
    #[schema(value_type = Uuid)]
    id: TenantId,
    /// What people call it.
    name: &'tenant str,
    /// Stands for it in addresses.
    slug: &'tenant str,
    /// For people.
    #[schema(required = true)]
    description: Option<&'tenant str>,
    /// A host name that is its own.
    #[schema(required = true)]
    domain: Option<&'tenant str>,
    /// Whether it is not suspended.
    is_active: bool,
    /// What it pays for.
    #[schema(value_type = String)]
    plan: domain::Plan,
    /// How many services it may have.
    max_services: u32,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// A part of the tenants, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct TenantList<'tenant> {
    tenants: Vec<TenantView<'tenant>>,
    /// How many there are on all pages: exactly, up to 1,000; above that an estimate, at least 1,001.
    total: u64,
    /// Whether `total` is no estimate, as it never is with `total=exact`.
    total_is_exact: bool,
    /// For the next page, if there is one.
    #[schema(required = true)]
    next_cursor: Option<String>,
}

fn view(tenant: &Tenant) -> TenantView<'_> {
    TenantView {
        id: tenant.id,
        name: &tenant.name,
        slug: &tenant.slug,
        description: tenant.description.as_deref(),
        domain: tenant.domain.as_deref(),
        is_active: tenant.is_active,
        plan: tenant.plan,
        max_services: tenant.max_services,
        created_at: tenant.created_at,
        updated_at: tenant.updated_at,
    }
}

fn changed(tenant: &Tenant) -> Answer {
    let view = view(tenant);
    Answer {
        status: 200,
        location: None,
        etag: Some(etag(&view)),
        body: shown(&view).into(),
    }
}

/// Read one's own tenant
#[utoipa::path(get, path = "/api/v1/tenant", tag = "tenant", responses(
    (status = 200, description = "The tenant.", body = TenantView,
        headers(("ETag" = String, description = "Its version."))),
))]
pub async fn read_own(app: Data<App>, Member(scope): Member) -> Result<HttpResponse, Problem> {
    let tenant = app.tenants.read_own(scope).await?;
    Ok(tagged(HttpResponse::Ok(), &view(&tenant)))
}

/// Change one's own tenant
#[utoipa::path(patch, path = "/api/v1/tenant", tag = "tenant",
    params(("If-Match" = String, Header, description = "The `ETag` of what was read.")),
    request_body = schemas::TenantChange, responses(
    (status = 200, description = "The tenant.", body = TenantView,
        headers(("ETag" = String, description = "Its version."))),
    (status = 409, description = "`domain_taken`."),
))]
pub async fn update_own(
    app: Data<App>,
    Member(scope): Member,
    request: HttpRequest,
    Body(body): Body,
) -> Result<HttpResponse, Problem> {
    let expected = IfMatch::of(&request).required()?;
    let tenant = app.tenants.update_own(scope, |tenant| {
        let current = view(tenant);
        expected.check(&current)?;
        let current = shown(&current);
        TenantChange::parse(&body, &current).map_err(Error::invalid)
    });
    Ok(tagged(HttpResponse::Ok(), &view(&tenant.await?)))
}

/// List the tenants
#[utoipa::path(get, path = "/api/v1/admin/tenants", tag = "admin", params(PageQuery), responses(
    (status = 200, description = "A page of them.", body = TenantList),
))]
pub async fn list(
    app: Data<App>,
    Authenticated(caller): Authenticated,
    query: Query<PageQuery>,
) -> Result<HttpResponse, Problem> {
    let page = app.tenants.list(&caller, query.request()?).await?;
    Ok(HttpResponse::Ok().json(TenantList {
        tenants: page.items.iter().map(view).collect(),
        total: page.total,
        total_is_exact: page.total_is_exact,
        next_cursor: page.next.map(paging::cursor),
    }))
}

/// Read a tenant
#[utoipa::path(get, path = "/api/v1/admin/tenants/{id}", tag = "admin", params(("id" = Uuid, Path)), responses(
    (status = 200, description = "The tenant.", body = TenantView,
        headers(("ETag" = String, description = "Its version."))),
))]
pub async fn read(
    app: Data<App>,
    Authenticated(caller): Authenticated,
    id: Path<Uuid>,
) -> Result<HttpResponse, Problem> {
    let tenant = app.tenants.read(&caller, TenantId(*id)).await?;
    Ok(tagged(HttpResponse::Ok(), &view(&tenant)))
}

/// Suspend a tenant
///
/// Its members and API keys are refused from the next request on, everywhere. What runs goes on running.
#[utoipa::path(post, path = "/api/v1/admin/tenants/{id}/suspend", tag = "admin",
    params(("id" = Uuid, Path), ("If-Match" = Option<String>, Header, description = "The `ETag` of what was read.")),
    responses(
    (status = 200, description = "The tenant.", body = TenantView,
        headers(("ETag" = String, description = "Its version."))),
))]
pub async fn suspend(
    app: Data<App>,
    Authenticated(caller): Authenticated,
    key: IdempotencyKey,
    id: Path<Uuid>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    set_active(&app, &caller, &key, (*id, Action::Suspend), &request).await
}

/// Resume a tenant
#[utoipa::path(post, path = "/api/v1/admin/tenants/{id}/resume", tag = "admin",
    params(("id" = Uuid, Path), ("If-Match" = Option<String>, Header, description = "The `ETag` of what was read.")),
    responses(
    (status = 200, description = "The tenant.", body = TenantView,
        headers(("ETag" = String, description = "Its version."))),
))]
pub async fn resume(
    app: Data<App>,
    Authenticated(caller): Authenticated,
    key: IdempotencyKey,
    id: Path<Uuid>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    set_active(&app, &caller, &key, (*id, Action::Resume), &request).await
}

async fn set_active(
    app: &App,
    caller: &Caller,
    key: &IdempotencyKey,
    (id, action): (Uuid, Action),
    request: &HttpRequest,
) -> Result<HttpResponse, Problem> {
    let once = key.of(caller.user, &Value::Null)?;
    let expected = IfMatch::of(request);
    let check = |tenant: &Tenant| expected.check(&view(tenant));
    let change = (TenantId(id), action);
    let outcome = app
        .tenants
        .set_active(caller, once.as_ref(), change, check, changed)
        .await;
    answered(outcome, changed)
}
