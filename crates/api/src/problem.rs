//! The one place that knows status codes: every error becomes `application/problem+json` (RFC 9457) here.

use std::{error::Error as StdError, fmt};

use actix_cors::CorsError;
use actix_web::{
    HttpResponse, ResponseError,
    body::BoxBody,
    dev::ServiceResponse,
    error::PathError,
    http::{
        StatusCode,
        header::{ALLOW, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE},
    },
};
use domain::{Error, ErrorKind};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::request_id::RequestId;

const CONTENT: HeaderValue = HeaderValue::from_static("application/problem+json");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// In seconds, where nobody knows better.
const LATER: HeaderValue = HeaderValue::from_static("5");

/// An error on its way out.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    // Boxed, so that a `Result` of a problem stays small.
    body: Box<ProblemBody>,
    headers: Vec<(actix_web::http::header::HeaderName, String)>,
}

/// What a client reads of an error (RFC 9457).
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[schema(as = Problem, example = json!({
    "type": "urn:nomad-services:problem:validation_failed", "title": "Unprocessable Entity", "status": 422,
    "detail": "/name: is required", "instance": "/api/v1/services", "code": "validation_failed",
    "request_id": "0193a1f0-7a1c-7000-8000-000000000000", "error": "/name: is required",
    "errors": [{"pointer": "#/name", "detail": "is required", "code": "required"}]
}))]
pub struct ProblemBody {
    /// Names the kind of problem; the code again, as a URI.
    pub r#type: String,
    /// The status in words.
    pub title: String,
    /// The status of the answer.
    #[schema(minimum = 400, maximum = 599)]
    pub status: u16,
    /// What went wrong, for people.
    pub detail: String,
    /// The path that was asked for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schema(required = true)]
    pub instance: String,
    /// Stable, for programs.
    #[schema(pattern = "^[a-z_]+$")]
    pub code: String,
    /// The request's id, as in the header `X-Request-Id` and in the log.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schema(required = true)]
    pub request_id: String,
    /// The detail again, for older clients.
    pub error: String,
    /// Every bad field of the request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<ProblemField>,
    /// The limit that would be exceeded: `services`, `cpu`, `memory` or `disk`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub dimension: Option<String>,
    /// What the tenant may have of it: a count, MHz or MB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub limit: Option<u64>,
    /// What the tenant has of it without this request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub used: Option<u64>,
    /// What the request asks for in addition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub requested: Option<u64>,
    /// What is configured of what the tenant has; not for `services`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub configured: Option<u64>,
    /// What may run of what the tenant has at this moment; not for `services`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub running: Option<u64>,
}

/// One bad field of a request.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct ProblemField {
    /// A JSON pointer into the body; a query parameter or header stands in it by its name.
    #[schema(pattern = "^#")]
    pub pointer: String,
    /// What is wrong and what is allowed, for people.
    pub detail: String,
    /// Stable, for programs.
    #[schema(pattern = "^[a-z_]+$")]
    pub code: String,
}

impl Problem {
    /// What HTTP itself asks for, and the product's rules know nothing of.
    pub(crate) fn of_protocol(status: StatusCode, code: &'static str, detail: String) -> Self {
        let mut problem = Self::from(Error::new(ErrorKind::Malformed, code, detail));
        problem.set_status(status);
        problem
    }

    /// The path exists, and knows these methods alone.
    pub(crate) fn method_not_allowed(allowed: &str) -> Self {
        let detail = format!("this path allows {allowed}");
        let mut problem =
            Self::of_protocol(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail);
        problem.headers.push((ALLOW, allowed.to_owned()));
        problem
    }

    /// A problem that was answered before.
    pub(crate) fn again(status: StatusCode, body: ProblemBody) -> Self {
        Self {
            status,
            body: Box::new(body),
            headers: Vec::new(),
        }
    }

    /// What a client reads, without what belongs to this request alone.
    pub(crate) fn body(&self) -> &ProblemBody {
        &self.body
    }

    /// The body as text, with what belongs to one request.
    pub(crate) fn text(mut self, instance: &str, id: &RequestId) -> String {
        instance.clone_into(&mut self.body.instance);
        self.body.request_id = id.to_string();
        serde_json::to_string(&self.body).unwrap_or_default()
    }

    pub(crate) fn with_header(
        mut self,
        name: actix_web::http::header::HeaderName,
        value: impl Into<String>,
    ) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    fn set_status(&mut self, status: StatusCode) {
        self.status = status;
        self.body.status = status.as_u16();
        status
            .canonical_reason()
            .unwrap_or("Error")
            .clone_into(&mut self.body.title);
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let status = status(error.kind());
        if status.is_server_error() {
            tracing::error!(code = error.code(), cause = %causes(&error), "a request failed");
        } else {
            tracing::debug!(code = error.code(), cause = %causes(&error), "a request was refused");
        }
        let mut headers = Vec::new();
        if status == StatusCode::UNAUTHORIZED {
            headers.push((WWW_AUTHENTICATE, "Bearer".to_owned()));
        }
        if let Some(wait) = error.retry_after() {
            headers.push((RETRY_AFTER, wait.as_secs().max(1).to_string()));
        }
        let mut problem = Self {
            status,
            body: Box::new(body(&error)),
            headers,
        };
        problem.set_status(status);
        problem
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.body.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        for (name, value) in &self.headers {
            response.insert_header((name.clone(), value.as_str()));
        }
        response
            .content_type(CONTENT)
            .body(serde_json::to_string(&self.body).unwrap_or_default())
    }
}

/// Adds to a problem what only its request knows: where it happened, and the request's id. What a library refused by itself
/// becomes a problem too, so that no error is answered in another form or with a text that is not ours.
pub(crate) fn complete(mut response: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
    let status = response.status();
    if matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
    ) && !response.headers().contains_key(RETRY_AFTER)
    {
        response.headers_mut().insert(RETRY_AFTER, LATER);
    }
    let error = response.response().error();
    let ours = error.and_then(|error| error.as_error::<Problem>());
    let cors = error.and_then(|error| error.as_error::<CorsError>());
    let is_json = response.headers().get(CONTENT_TYPE) == Some(&JSON);
    let body = match (ours, cors) {
        (Some(problem), _) => Some(problem.body.clone()),
        (None, Some(refused)) => {
            Some(Problem::of_protocol(status, "cors_refused", refused.to_string()).body)
        }
        (None, None) if is_json || status.as_u16() < 400 => None,
        (None, None) => Some(of_library(status, error).body),
    };
    let Some(mut body) = body else {
        return response;
    };
    let request = response.request();
    request.path().clone_into(&mut body.instance);
    body.request_id = RequestId::of(request).to_string();
    let body = serde_json::to_string(&body).unwrap_or_default();
    response.headers_mut().insert(CONTENT_TYPE, CONTENT);
    response.map_body(|_, _| BoxBody::new(body))
}

/// An error that is none of ours.
fn of_library(status: StatusCode, error: Option<&actix_web::Error>) -> Problem {
    let cause = error.map(ToString::to_string);
    if status.is_server_error() {
        tracing::error!(cause, "a request failed in a library");
        let mut problem = Problem::from(Error::internal("a library failed"));
        problem.set_status(status);
        return problem;
    }
    tracing::debug!(cause, "a request was refused by a library");
    if status == StatusCode::NOT_FOUND {
        return Error::not_found("resource").into();
    }
    let detail = status.canonical_reason().unwrap_or("Error").to_lowercase();
    Problem::of_protocol(status, "refused", detail)
}

fn status(kind: ErrorKind) -> StatusCode {
    match kind {
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
        // A kind without a status of its own is a defect of ours, as `Internal` is.
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn body(error: &Error) -> ProblemBody {
    let limit = error.limit();
    ProblemBody {
        r#type: format!("urn:nomad-services:problem:{}", error.code()),
        title: String::new(),
        status: 0,
        detail: error.detail().to_owned(),
        instance: String::new(),
        code: error.code().to_owned(),
        request_id: String::new(),
        error: error.detail().to_owned(),
        errors: error
            .fields()
            .iter()
            .map(|field| ProblemField {
                pointer: format!("#{}", field.pointer),
                detail: field.detail.clone(),
                code: field.code.to_owned(),
            })
            .collect(),
        dimension: limit.map(|excess| excess.dimension.to_owned()),
        limit: limit.map(|excess| excess.limit),
        used: limit.map(|excess| excess.used),
        requested: limit.map(|excess| excess.requested),
        configured: limit.and_then(|excess| excess.configured),
        running: limit.and_then(|excess| excess.running),
    }
}

fn causes(error: &Error) -> String {
    let causes = std::iter::successors(StdError::source(error), |cause| (*cause).source());
    causes
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

/// A path segment of the wrong form names nothing there is.
pub(crate) fn path_error(_: PathError) -> Problem {
    Problem::from(Error::not_found("resource"))
}
