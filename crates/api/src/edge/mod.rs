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
    HttpMessage,
    body::{EitherBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{StatusCode, header},
    middleware::{Condition, Next},
    web::Data,
};
use domain::{Acting, Error};

use crate::{
    lifecycle::{Lifecycle, Phase},
    problem::Problem,
    request_id::X_REQUEST_ID,
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

/// Records in the audit that somebody who is known was refused. Their own transaction was rolled back, so this is another.
///
/// # Errors
/// As what comes next.
pub(crate) async fn record_refusals<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, actix_web::Error> {
    let answer = next.call(request).await?;
    if answer.status() != StatusCode::FORBIDDEN {
        return Ok(answer);
    }
    let request = answer.request();
    let acting = request.extensions().get::<Acting>().cloned();
    if let (Some(acting), Some(app)) = (acting, request.app_data::<Data<App>>()) {
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
    Ok(answer)
}

/// Answers calls of the API with 503 until the database is ready for them.
///
/// # Errors
/// As what comes next.
pub(crate) async fn wait_for_start<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, actix_web::Error> {
    let lifecycle = request.app_data::<Data<Lifecycle>>();
    let starting = lifecycle.is_some_and(|lifecycle| lifecycle.phase() == Phase::Starting);
    if starting && request.path().starts_with("/api/") {
        let detail = "the server is starting; /readyz says what it waits for";
        let problem = Problem::from(Error::unavailable("starting", detail, RETRY_AFTER));
        return Ok(request.error_response(problem).map_into_right_body());
    }
    Ok(next.call(request).await?.map_into_left_body())
}
