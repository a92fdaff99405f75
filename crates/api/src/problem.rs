//! The one place that knows status codes: every error becomes `application/problem+json` (RFC 9457) here.

use std::{error::Error as StdError, fmt};

use actix_web::{
    HttpResponse, ResponseError,
    error::{JsonPayloadError, PathError, QueryPayloadError},
    http::{
        StatusCode,
        header::{CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE},
    },
};
use domain::{Error, ErrorKind};
use serde::Serialize;

/// An error on its way out.
#[derive(Debug)]
pub struct Problem(Error);

/// What a client reads of an error.
#[derive(Serialize)]
struct Body<'error> {
    r#type: String,
    title: &'static str,
    status: u16,
    detail: &'error str,
    code: &'static str,
    /// The detail again, for older clients.
    error: &'error str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Field<'error>>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    limit: Option<Limit>,
}

#[derive(Serialize)]
struct Field<'error> {
    pointer: String,
    detail: &'error str,
    code: &'static str,
}

#[derive(Serialize)]
struct Limit {
    dimension: &'static str,
    limit: u64,
    used: u64,
    requested: u64,
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        match self.0.kind() {
            ErrorKind::Malformed => StatusCode::BAD_REQUEST,
            ErrorKind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
            ErrorKind::Unauthenticated => StatusCode::UNAUTHORIZED,
            ErrorKind::Forbidden => StatusCode::FORBIDDEN,
            ErrorKind::NotFound => StatusCode::NOT_FOUND,
            ErrorKind::Conflict => StatusCode::CONFLICT,
            ErrorKind::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
            ErrorKind::PreconditionRequired => StatusCode::PRECONDITION_REQUIRED,
            ErrorKind::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn error_response(&self) -> HttpResponse {
        let (error, status) = (&self.0, self.status_code());
        if status.is_server_error() {
            tracing::error!(code = error.code(), cause = %causes(error), "a request failed");
        } else {
            tracing::debug!(code = error.code(), cause = %causes(error), "a request was refused");
        }
        let mut response = HttpResponse::build(status);
        response.insert_header((CACHE_CONTROL, "no-store"));
        if status == StatusCode::UNAUTHORIZED {
            response.insert_header((WWW_AUTHENTICATE, "Bearer"));
        }
        if let Some(wait) = error.retry_after() {
            response.insert_header((RETRY_AFTER, wait.as_secs().max(1)));
        }
        response
            .content_type("application/problem+json")
            .body(body(error, status))
    }
}

fn body(error: &Error, status: StatusCode) -> String {
    let body = Body {
        r#type: format!("urn:nomad-services:problem:{}", error.code()),
        title: status.canonical_reason().unwrap_or("Error"),
        status: status.as_u16(),
        detail: error.detail(),
        code: error.code(),
        error: error.detail(),
        errors: error
            .fields()
            .iter()
            .map(|field| Field {
                pointer: format!("#{}", field.pointer),
                detail: &field.detail,
                code: field.code,
            })
            .collect(),
        limit: error.limit().map(|excess| Limit {
            dimension: excess.dimension,
            limit: excess.limit,
            used: excess.used,
            requested: excess.requested,
        }),
    };
    serde_json::to_string(&body).unwrap_or_default()
}

fn causes(error: &Error) -> String {
    let causes = std::iter::successors(StdError::source(error), |cause| (*cause).source());
    causes
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

/// A body that can't be read, or is no JSON.
pub(crate) fn json_error(error: JsonPayloadError) -> Problem {
    let malformed = |code, detail: String| Problem(Error::new(ErrorKind::Malformed, code, detail));
    match error {
        JsonPayloadError::Overflow { limit }
        | JsonPayloadError::OverflowKnownLength { limit, .. } => malformed(
            "body_too_large",
            format!("the body may have at most {limit} bytes"),
        ),
        JsonPayloadError::ContentType => malformed(
            "unsupported_media_type",
            "the body must be application/json".to_owned(),
        ),
        other => malformed(
            "malformed_json",
            format!("the body is not valid JSON: {other}"),
        ),
    }
}

/// A path segment of the wrong form names nothing there is.
pub(crate) fn path_error(_: PathError) -> Problem {
    Problem(Error::not_found("resource"))
}

/// A query of the wrong form.
pub(crate) fn query_error(error: QueryPayloadError) -> Problem {
    Problem(Error::new(
        ErrorKind::Invalid,
        "invalid_query",
        error.to_string(),
    ))
}
