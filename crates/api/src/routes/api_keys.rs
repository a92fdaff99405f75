//! `/api-keys`: programmatic access to a tenant. The key itself is told once; an answer that is given again because of its
//! `Idempotency-Key` has all but the key, which is stored nowhere.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header,
    web::{Data, Path, Query},
};
use application::NamedKey;
use chrono::{DateTime, Utc};
use domain::{
    Error,
    api_key::{ApiKey, ApiKeyChange, ApiKeyText, NewApiKey},
    idempotency::Answer,
};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    entity_tag::{IfMatch, etag, shown},
    paging::{self, PageQuery},
};
use crate::{
    extract::{Body, Id, Member},
    idempotency::{IdempotencyKey, answered_for},
    problem::Problem,
    schemas::accounts as schemas,
    server::App,
};

/// An API key.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ApiKey, example = json!({
    "id": "3b241101-e2bb-4255-8caf-4136c566a962", "name": "continuous integration", "public_id": "9f86d081884c7d65",
    "user_id": "7d9f3c0e-5b1a-4c7e-9a55-0d8f6e1b2a34", "scopes": ["deploy"], "allowed_networks": ["192.0.2.0/24"],
    "is_active": true, "expires_at": "2027-11-24T12:00:00Z", "last_used": null, "previous_valid_until": null,
    "created_at": "2026-11-24T20:00:00.123456Z", "updated_at": "2026-11-24T20:00:00.123456Z"
}))]
pub struct ApiKeyView<'key> {
    id: Uuid,
    /// What people call it.
    name: &'key str,
    /// The part of the key after `nsk_`: says which key it is.
    public_id: &'key str,
    /// Whose rights it passes on.
    #[schema(value_type = Uuid)]
    user_id: domain::UserId,
    /// What it may be used for, as far as its owner may at that moment.
    #[schema(schema_with = schemas::scopes)]
    scopes: Vec<&'static str>,
    /// Where it may be used from; anywhere, if there is none.
    allowed_networks: Vec<String>,
    /// Whether it has not been revoked.
    is_active: bool,
    /// When it stops working; null: never.
    #[schema(required = true)]
    expires_at: Option<DateTime<Utc>>,
    /// When it was used last, to within five minutes; no part of its version.
    #[schema(required = true)]
    last_used: Option<DateTime<Utc>>,
    /// Until when the key works that it was before its rotation.
    #[schema(required = true)]
    previous_valid_until: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    /// The key itself, told when it is made and never again: an answer that is repeated for its `Idempotency-Key` lacks it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(
        nullable = false,
        pattern = "^nsk_[0-9a-f]{16}_[A-Za-z0-9_-]{43}_[0-9A-Za-z]{6}$"
    )]
    key: Option<&'key str>,
}

/// A part of the tenant's API keys, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct ApiKeyList<'key> {
    api_keys: Vec<ApiKeyView<'key>>,
    /// How many there are on all pages: exactly, up to 1,000; above that an estimate, at least 1,001.
    total: u64,
    /// Whether `total` is no estimate, as it never is with `total=exact`.
    total_is_exact: bool,
    /// For the next page, if there is one.
    #[schema(required = true)]
    next_cursor: Option<String>,
}

fn view<'key>(key: &'key ApiKey, text: Option<&'key ApiKeyText>) -> ApiKeyView<'key> {
    ApiKeyView {
        id: key.id,
        name: &key.name,
        public_id: &key.public_id,
        user_id: key.owner,
        scopes: key.scopes.iter().map(domain::Scope::as_str).collect(),
        allowed_networks: key
            .allowed_networks
            .iter()
            .map(ToString::to_string)
            .collect(),
        is_active: key.is_active,
        expires_at: key.expires_at,
        last_used: key.last_used,
        previous_valid_until: key.previous_valid_until,
        created_at: key.created_at,
        updated_at: key.updated_at,
        key: text.map(ApiKeyText::expose),
    }
}

/// What a change of the key is a change of: using it makes no other version of it.
fn version(key: &ApiKey) -> Map<String, Value> {
    let mut version = shown(&view(key, None));
    version.remove("last_used");
    version
}

fn tagged(key: &ApiKey) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::ETAG, etag(&version(key))))
        .json(view(key, None))
}

fn answer(status: u16, key: &ApiKey, text: Option<&ApiKeyText>) -> Answer {
    Answer {
        status,
        location: (status == 201).then(|| format!("/api/v1/api-keys/{}", key.id)),
        etag: Some(etag(&version(key))),
        body: shown(&view(key, text)).into(),
    }
}

/// List the tenant's API keys
#[utoipa::path(get, path = "/api/v1/api-keys", tag = "api keys", params(PageQuery), responses(
    (status = 200, description = "A page of them.", body = ApiKeyList),
))]
pub async fn list(
    app: Data<App>,
    Member(scope): Member,
    query: Query<PageQuery>,
) -> Result<HttpResponse, Problem> {
    let page = app.api_keys.list(scope, query.request()?).await?;
    Ok(HttpResponse::Ok().json(ApiKeyList {
        api_keys: page.items.iter().map(|key| view(key, None)).collect(),
        total: page.total,
        total_is_exact: page.total_is_exact,
        next_cursor: page.next.map(paging::cursor),
    }))
}

/// Make an API key of one's own
///
/// Send it as `Authorization: Bearer` or as `X-API-Key`. It never may more than its owner may at that moment.
#[utoipa::path(post, path = "/api/v1/api-keys", tag = "api keys", request_body = schemas::NewApiKey, responses(
    (status = 201, description = "The key, told once.", body = ApiKeyView,
        headers(("Location" = String, description = "Where it is."), ("ETag" = String, description = "Its version."))),
))]
pub async fn create(
    app: Data<App>,
    Member(scope): Member,
    key: IdempotencyKey,
    Body(body): Body,
) -> Result<HttpResponse, Problem> {
    let new = NewApiKey::parse(&body, Utc::now()).map_err(Error::invalid)?;
    let once = key.of_user(&scope, &body)?;
    let stored = |key: &ApiKey| answer(201, key, None);
    let told = |new: &NamedKey| answer(201, &new.key, Some(&new.text));
    let outcome = app
        .api_keys
        .create(scope.clone(), once.as_ref(), new, stored)
        .await;
    answered_for(&app, scope, once, outcome, told).await
}

/// Read an API key
#[utoipa::path(get, path = "/api/v1/api-keys/{id}", tag = "api keys", params(("id" = Uuid, Path)), responses(
    (status = 200, description = "All but the key itself.", body = ApiKeyView,
        headers(("ETag" = String, description = "Its version."))),
))]
pub async fn read(
    app: Data<App>,
    Member(scope): Member,
    Id(id): Id,
) -> Result<HttpResponse, Problem> {
    Ok(tagged(&app.api_keys.read(scope, id).await?))
}

/// Change an API key
#[utoipa::path(patch, path = "/api/v1/api-keys/{id}", tag = "api keys",
    params(("id" = Uuid, Path), ("If-Match" = String, Header, description = "The `ETag` of what was read.")),
    request_body = schemas::ApiKeyChange, responses(
    (status = 200, description = "All but the key itself.", body = ApiKeyView,
        headers(("ETag" = String, description = "Its version."))),
    (status = 409, description = "`api_key_revoked`."),
))]
pub async fn update(
    app: Data<App>,
    Member(scope): Member,
    id: Path<Uuid>,
    request: HttpRequest,
    Body(body): Body,
) -> Result<HttpResponse, Problem> {
    let expected = IfMatch::of(&request).required()?;
    let key = app.api_keys.update(scope, *id, |key| {
        expected.check(&version(key))?;
        ApiKeyChange::parse(&body, &shown(&view(key, None)), Utc::now()).map_err(Error::invalid)
    });
    Ok(tagged(&key.await?))
}

/// Rotate an API key of one's own
///
/// Answers the new key, once. What the key was works for a while longer (`api_keys.rotation_overlap`, 24 h unless the operator
/// says otherwise); revoking ends both.
#[utoipa::path(post, path = "/api/v1/api-keys/{id}/rotate", tag = "api keys", params(("id" = Uuid, Path)), responses(
    (status = 200, description = "The key, told once.", body = ApiKeyView,
        headers(("ETag" = String, description = "Its version."))),
    (status = 409, description = "`api_key_revoked`, or a request with this `Idempotency-Key` is under way."),
))]
pub async fn rotate(
    app: Data<App>,
    Member(scope): Member,
    key: IdempotencyKey,
    id: Path<Uuid>,
) -> Result<HttpResponse, Problem> {
    let once = key.of_user(&scope, &Value::Null)?;
    let stored = |key: &ApiKey| answer(200, key, None);
    let told = |new: &NamedKey| answer(200, &new.key, Some(&new.text));
    let outcome = app
        .api_keys
        .rotate(scope.clone(), once.as_ref(), *id, stored)
        .await;
    answered_for(&app, scope, once, outcome, told).await
}

/// Revoke an API key
///
/// It is refused from the next request on, and can't be brought back; its name stays in the list, and in the audit trail.
#[utoipa::path(delete, path = "/api/v1/api-keys/{id}", tag = "api keys",
    params(("id" = Uuid, Path), ("If-Match" = Option<String>, Header, description = "The `ETag` of what was read.")),
    responses((status = 204, description = "It is revoked.")))]
pub async fn revoke(
    app: Data<App>,
    Member(scope): Member,
    id: Path<Uuid>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let expected = IfMatch::of(&request);
    let check = |key: &ApiKey| expected.check(&version(key));
    app.api_keys.revoke(scope, *id, check).await?;
    Ok(HttpResponse::NoContent().finish())
}
