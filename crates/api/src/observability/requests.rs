//! One line of the log and one count of the metrics for each request. Every line logged meanwhile carries the request's id,
//! and the user's and tenant's once they are known; the
//! last line names the client's address. Paths are logged as routes, without their values, and queries not at
//! all: they may hold what nobody should read.

use std::{cell::RefCell, collections::HashMap, net::IpAddr, sync::Arc, time::Instant};

use actix_web::{
    dev::ServiceRequest,
    http::{Method, StatusCode},
};
use domain::{TenantId, UserId};
use metrics::{Counter, Histogram};
use tracing::{Span, field::Empty};

use crate::{
    client_address::client_address,
    operations::{self, Route},
    request_id::RequestId,
};

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

/// A request that is being answered.
pub(crate) struct Observed {
    span: Span,
    started: Instant,
    method: &'static str,
    route: Option<Arc<Route>>,
    client: Option<IpAddr>,
}

impl Observed {
    /// Begins to observe.
    pub(crate) fn begin(request: &ServiceRequest, id: &RequestId) -> Self {
        // At the highest level, so that the lines within carry it whatever the log's level is.
        let span = tracing::error_span!(
            "request",
            request_id = %id,
            user = Empty,
            tenant = Empty,
            api_key = Empty
        );
        Self {
            span,
            started: Instant::now(),
            method: method(request.method()),
            route: operations::route(request.request()),
            client: client_address(request.request()),
        }
    }

    /// What the lines carry that are logged meanwhile.
    pub(crate) fn span(&self) -> &Span {
        &self.span
    }

    /// Logs and counts it.
    pub(crate) fn answered(self, status: StatusCode) {
        let route = self.route.as_ref();
        let route = route.map_or(UNKNOWN_ROUTE, |route| route.pattern.as_str());
        let (method, status, duration) = (self.method, status.as_u16(), self.started.elapsed());
        self.span.in_scope(|| {
            let duration_ms = duration.as_micros() as f64 / 1000.0;
            let client = self.client.map(tracing::field::display);
            tracing::info!(method, route, status, duration_ms, client, "answered");
        });
        let seconds = duration.as_secs_f64();
        COUNTED.with_borrow_mut(|counted| {
            let key = (route.to_owned(), method, status);
            let (requests, durations) = counted.entry(key).or_insert_with_key(counters);
            requests.increment(1);
            durations.record(seconds);
        });
    }
}

thread_local! {
    /// What counts the answers of each kind: as few as there are routes, methods and statuses, and found for every request.
    static COUNTED: RefCell<HashMap<Answers, (Counter, Histogram)>> = RefCell::default();
}

/// A route's pattern, a method and a status.
type Answers = (String, &'static str, u16);

fn counters((route, method, status): &Answers) -> (Counter, Histogram) {
    let labels = [
        ("method", (*method).to_owned()),
        ("route", route.clone()),
        ("status", status.to_string()),
    ];
    (
        metrics::counter!("nomad_services_http_requests_total", &labels),
        metrics::histogram!("nomad_services_http_request_duration_seconds", &labels),
    )
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
