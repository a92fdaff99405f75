//! One line of the log and one count of the metrics for each request. Every line logged meanwhile carries the request's id,
//! and the user's and tenant's once they are known; the
//! last line names the client's address. Paths are logged as routes, without their values, and queries not at
//! all: they may hold what nobody should read.

use std::time::Instant;

use actix_web::{
    HttpMessage,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::Method,
    middleware::Next,
};
use domain::{TenantId, UserId};
use tracing::{Instrument, Span, field::Empty};

use crate::{client_address::client_address, request_id::RequestId};

/// Stands for a path that is none of ours.
const UNKNOWN_ROUTE: &str = "none";

/// Says in the log on whose behalf the current request acts.
pub(crate) fn identify(user: UserId, tenant: Option<TenantId>) {
    Span::current().record("user", user.to_string());
    if let Some(tenant) = tenant {
        identify_tenant(tenant);
    }
}

/// Says in the log in which tenant the current request acts.
pub(crate) fn identify_tenant(tenant: TenantId) {
    Span::current().record("tenant", tenant.to_string());
}

/// Says in the log which API key is used.
pub(crate) fn identify_key(public_id: &str) {
    Span::current().record("api_key", public_id);
}

/// Logs and counts a request.
///
/// # Errors
/// As what comes next.
pub(crate) async fn observe<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, actix_web::Error> {
    let started = Instant::now();
    let id = request
        .extensions()
        .get::<RequestId>()
        .map(ToString::to_string);
    // At the highest level, so that the lines within carry it whatever the log's level is.
    let span = tracing::error_span!(
        "request",
        request_id = id,
        user = Empty,
        tenant = Empty,
        api_key = Empty
    );
    let method = method(request.method());
    let client = client_address(request.request()).map(|address| address.to_string());
    let result = next.call(request).instrument(span.clone()).await;
    let (route, status) = match &result {
        Ok(response) => (response.request().match_pattern(), response.status()),
        Err(error) => (None, error.as_response_error().status_code()),
    };
    let route = route.unwrap_or_else(|| UNKNOWN_ROUTE.to_owned());
    let (status, duration) = (status.as_u16(), started.elapsed());
    span.in_scope(|| {
        let duration_ms = duration.as_micros() as f64 / 1000.0;
        tracing::info!(method, route, status, duration_ms, client, "answered");
    });
    let labels = [
        ("method", method.to_owned()),
        ("route", route),
        ("status", status.to_string()),
    ];
    metrics::counter!("nomad_services_http_requests_total", &labels).increment(1);
    metrics::histogram!("nomad_services_http_request_duration_seconds", &labels)
        .record(duration.as_secs_f64());
    result
}

/// A client may invent methods, and a metric must not grow with what clients invent.
fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
