//! `/services`: what a tenant has defined.

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{ETAG, IF_MATCH, LOCATION},
    web::{Data, Json, Path, Query},
};
use domain::{
    Error, ErrorKind, FieldError, Service, ServiceId, Violation,
    service::{NewService, ServicePatch},
};
use persistence::services::ServiceFilter;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::paging;
use crate::{extract::Member, problem::Problem, state::State, use_cases::services};

/// Which services to list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    limit: Option<u64>,
    cursor: Option<String>,
    r#type: Option<String>,
    status: Option<String>,
    q: Option<String>,
}

fn view(service: &Service) -> Map<String, Value> {
    let view = json!({
        "id": service.id,
        "name": service.name,
        "type": service.service_type,
        "status": service.status,
        "description": service.description,
        "config": service.config,
        "tenant_id": service.tenant_id,
        "created_by": service.created_by,
        "created_at": service.created_at,
        "updated_at": service.updated_at,
    });
    view.as_object().cloned().unwrap_or_default()
}

/// Changes with every change of what an answer shows.
fn etag(view: &Map<String, Value>) -> String {
    let digest = Sha256::digest(Value::from(view.clone()).to_string());
    let text: String = digest[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("\"{text}\"")
}

fn answer(mut response: actix_web::HttpResponseBuilder, service: &Service) -> HttpResponse {
    let view = view(service);
    response.insert_header((ETAG, etag(&view))).json(view)
}

/// Refuses a change of what has changed since the caller read it.
fn check_etag(if_match: Option<&str>, current: &Map<String, Value>) -> Result<(), Error> {
    let Some(wanted) = if_match else {
        return Ok(());
    };
    let current = etag(current);
    if wanted
        .split(',')
        .map(str::trim)
        .any(|tag| tag == "*" || tag == current)
    {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::PreconditionFailed,
        "stale",
        "it has changed since you read it; read it again",
    ))
}

fn if_match(request: &HttpRequest) -> Option<String> {
    request
        .headers()
        .get(IF_MATCH)?
        .to_str()
        .ok()
        .map(str::to_owned)
}

pub async fn list(
    state: Data<Arc<State>>,
    Member(scope): Member,
    query: Query<ListQuery>,
) -> Result<HttpResponse, Problem> {
    let request = paging::request(query.limit, query.cursor.as_deref())?;
    let filter = ServiceFilter {
        service_type: parameter("type", query.r#type.as_deref())?,
        status: parameter("status", query.status.as_deref())?,
        text: query.q.clone().filter(|text| !text.is_empty()),
    };
    let page = services::list(&state, scope, &filter, request).await?;
    Ok(HttpResponse::Ok().json(json!({
        "services": page.items.iter().map(view).collect::<Vec<_>>(),
        "total": page.total,
        "next_cursor": page.next.map(paging::cursor),
    })))
}

pub async fn create(
    state: Data<Arc<State>>,
    Member(scope): Member,
    body: Json<Value>,
) -> Result<HttpResponse, Problem> {
    let new = NewService::parse(&body).map_err(Error::invalid)?;
    let service = services::create(&state, scope, new).await?;
    let mut response = HttpResponse::Created();
    response.insert_header((LOCATION, format!("/api/v1/services/{}", service.id)));
    Ok(answer(response, &service))
}

pub async fn read(
    state: Data<Arc<State>>,
    Member(scope): Member,
    id: Path<Uuid>,
) -> Result<HttpResponse, Problem> {
    let service = services::read(&state, scope, ServiceId(*id)).await?;
    Ok(answer(HttpResponse::Ok(), &service))
}

pub async fn replace(
    state: Data<Arc<State>>,
    Member(scope): Member,
    id: Path<Uuid>,
    request: HttpRequest,
    body: Json<Value>,
) -> Result<HttpResponse, Problem> {
    let expected = if_match(&request);
    let service = services::update(&state, scope, ServiceId(*id), |service| {
        let current = view(service);
        check_etag(expected.as_deref(), &current)?;
        ServicePatch::parse_replacement(&body, &current).map_err(Error::invalid)
    });
    Ok(answer(HttpResponse::Ok(), &service.await?))
}

pub async fn update(
    state: Data<Arc<State>>,
    Member(scope): Member,
    id: Path<Uuid>,
    request: HttpRequest,
    body: Json<Value>,
) -> Result<HttpResponse, Problem> {
    let expected = if_match(&request).ok_or_else(|| {
        Error::new(
            ErrorKind::PreconditionRequired,
            "if_match_required",
            "send the ETag of what you read as If-Match",
        )
    })?;
    let service = services::update(&state, scope, ServiceId(*id), |service| {
        let current = view(service);
        check_etag(Some(&expected), &current)?;
        ServicePatch::parse(&body, &current).map_err(Error::invalid)
    });
    Ok(answer(HttpResponse::Ok(), &service.await?))
}

pub async fn delete(
    state: Data<Arc<State>>,
    Member(scope): Member,
    id: Path<Uuid>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let expected = if_match(&request);
    let check = |service: &Service| check_etag(expected.as_deref(), &view(service));
    services::delete(&state, scope, ServiceId(*id), check).await?;
    Ok(HttpResponse::NoContent().finish())
}

fn parameter<T: std::str::FromStr<Err = Violation>>(
    name: &str,
    value: Option<&str>,
) -> Result<Option<T>, Error> {
    let parsed = value.map(str::parse::<T>).transpose();
    parsed.map_err(|refused: Violation| {
        let field: FieldError = refused.at(format!("/{name}"));
        Error::invalid(vec![field])
    })
}
