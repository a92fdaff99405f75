//! What happens at the edge before any route: which web pages may call, what a request's head may hold, what every answer
//! tells browsers, how it is sent, and whether the server can answer yet.

pub(crate) mod compression;
pub(crate) mod conditional;
pub(crate) mod head;
pub(crate) mod headers;
pub(crate) mod trailing_slash;

use std::time::Duration;

use actix_cors::Cors;
use actix_web::{
    HttpMessage, HttpRequest,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{StatusCode, header},
    middleware::{Condition, Next},
    web::Data,
};
use domain::{Acting, Error};
use tracing::Instrument;

use crate::{
    connection::{AnswerBody, Answering},
    extract::body,
    lifecycle::{Lifecycle, Phase},
    observability::requests::Observed,
    operations::{self, Operations},
    problem::{self, Problem},
    query,
    request_id::{self, X_REQUEST_ID},
    server::App,
    settings::CorsSettings,
};

/// How long a browser may remember what it was allowed, in seconds.
const MAX_AGE: usize = 3600;
/// The longest path that is kept, in characters: what its column holds.
const RESOURCE: usize = 255;
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// Lets web pages of the origins in `settings` call the API and read what its answers' headers say. They send an access
/// token and never cookies, so credentials are not allowed. Where no origin is set, no answer has a header about it.
pub(crate) fn cors(settings: &CorsSettings) -> Condition<Cors> {
    let cors = Cors::default()
        .allow_any_method()
        .allow_any_header()
        .expose_headers([
            header::ETAG,
            header::LOCATION,
            header::RETRY_AFTER,
            X_REQUEST_ID,
        ])
        .max_age(MAX_AGE);
    if settings.allows_any() {
        return Condition::new(true, cors.send_wildcard().allow_any_origin());
    }
    let origins = settings.origins.iter();
    let cors = origins.fold(cors, |cors, origin| cors.allowed_origin(origin.as_str()));
    Condition::new(!settings.origins.is_empty(), cors)
}

/// Makes a preflight of a web page that may not call an OPTIONS like any other: its answer allows nothing, and no error of
/// another form than ours is needed to say so.
pub(crate) fn ignore_preflight_of_others(settings: &CorsSettings, request: &mut ServiceRequest) {
    let origin = request.headers().get(header::ORIGIN);
    let known = origin.is_some_and(|origin| {
        let mut origins = settings.origins.iter();
        origins.any(|known| origin == known.as_str())
    });
    if !known && !settings.allows_any() {
        let asked = header::ACCESS_CONTROL_REQUEST_METHOD;
        request.headers_mut().remove(asked);
    }
}

/// The first that sees a request, and the last that sees its answer.
///
/// # Errors
/// As what comes next.
pub(crate) async fn pass<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<AnswerBody>, actix_web::Error> {
    trailing_slash::drop(&mut request);
    let turn = Answering::begin(&request);
    let id = request_id::identify(&request);
    Operations::find(&request);
    let observed = Observed::begin(&request, &id);
    let answer = next.call(request).instrument(observed.span().clone()).await;
    let response = match answer {
        Ok(response) => response.map_into_boxed_body(),
        Err(error) => {
            observed.answered(error.as_response_error().status_code());
            return Err(error);
        }
    };
    let response = problem::complete(response);
    let response = compression::compress(response);
    let mut response = conditional::spare_what_is_known(response);
    headers::protect(&mut response);
    observed.answered(response.status());
    request_id::repeat(&id, &mut response);
    Ok(Answering::last(turn, response))
}

/// Admits a request to the API proper: the server has started, and the description knows the query and the body. That somebody
/// who is known was refused is recorded.
///
/// # Errors
/// As what comes next.
pub(crate) async fn admit<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let answer = match refusal(&mut request).await {
        Some(problem) => request.error_response(problem),
        None => next.call(request).await?.map_into_boxed_body(),
    };
    if answer.status() == StatusCode::FORBIDDEN {
        record_refusal(answer.request()).await;
    }
    Ok(answer)
}

async fn refusal(request: &mut ServiceRequest) -> Option<Problem> {
    let lifecycle = request.app_data::<Data<Lifecycle>>();
    let starting = lifecycle.is_some_and(|lifecycle| lifecycle.phase() == Phase::Starting);
    if starting && request.path().starts_with("/api/") {
        let detail = "the server is starting; /readyz says what it waits for";
        return Some(Error::unavailable("starting", detail, RETRY_AFTER).into());
    }
    let route = operations::route(request.request())?;
    let bounds = route.bounds(request.method())?;
    if let Err(refused) = query::check(request.request(), bounds) {
        return Some(refused.into());
    }
    body::refuse_unexpected(request, bounds).await.err()
}

/// Records in the audit that somebody who is known was refused. Their own transaction was rolled back, so this is another.
async fn record_refusal(request: &HttpRequest) {
    let acting = request.extensions().get::<Acting>().cloned();
    let (Some(acting), Some(app)) = (acting, request.app_data::<Data<App>>()) else {
        return;
    };
    let path = request.path();
    let resource: String = path
        .strip_prefix("/api/v1/")
        .unwrap_or(path)
        .chars()
        .take(RESOURCE)
        .collect();
    let method = request.method().as_str();
    let recorded = app.refused_access.record(&acting, method, resource).await;
    if let Err(error) = recorded {
        tracing::error!(cause = ?error, "a refusal could not be recorded");
    }
}
