//! Bounds of a request's head. The HTTP library has bounds of its own (96 header fields, 128 KiB) beyond which it answers
//! without a body and closes the connection; these are lower, so that a client which means well is told what is wrong.

use actix_web::{
    body::{EitherBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::StatusCode,
    middleware::Next,
};
use domain::Error;
use uuid::Uuid;

use crate::problem::Problem;

/// The longest path with its query, in bytes.
pub(crate) const MAX_TARGET: usize = 8 * 1024;
/// The most header fields.
pub(crate) const MAX_FIELDS: usize = 64;
/// All header fields together, names and values, in bytes.
pub(crate) const MAX_HEADERS: usize = 32 * 1024;

/// Refuses a head beyond the bounds.
///
/// # Errors
/// As what comes next.
pub(crate) async fn check<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, actix_web::Error> {
    match refusal(&request) {
        Some(problem) => Ok(request.error_response(problem).map_into_right_body()),
        None => Ok(next.call(request).await?.map_into_left_body()),
    }
}

fn refusal(request: &ServiceRequest) -> Option<Problem> {
    let target = request.uri().path_and_query();
    if target.is_some_and(|target| target.as_str().len() > MAX_TARGET) {
        let detail = format!("the path and its query may have at most {MAX_TARGET} bytes");
        let status = StatusCode::URI_TOO_LONG;
        return Some(Problem::of_protocol(status, "uri_too_long", detail));
    }
    let headers = request.headers();
    let size: usize = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    if headers.len() > MAX_FIELDS || size > MAX_HEADERS {
        let detail = format!(
            "there may be at most {MAX_FIELDS} header fields, with {MAX_HEADERS} bytes in all"
        );
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        return Some(Problem::of_protocol(status, "headers_too_large", detail));
    }
    let mut segments = request.path().split('/');
    segments
        .any(is_id_of_another_form)
        .then(|| Error::not_found("resource").into())
}

/// Whether it is a UUID, and not in the one form in which the API writes them. A resource has one path, so that logs, audit
/// and idempotency keys can compare paths.
fn is_id_of_another_form(segment: &str) -> bool {
    const HYPHENATED: usize = 36;
    segment.len() != HYPHENATED && Uuid::try_parse(segment).is_ok()
}
