//! What goes back: bodies, the headers that tell the index, and errors as bare text.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{LOCATION, TryIntoHeaderValue};
use serde::Serialize;
use serde_json::Value;

use crate::faults::Fault;

/// An answer that worked.
#[derive(Debug)]
pub struct Answer(HttpResponse);

impl Answer {
    /// JSON without headers of its own.
    pub fn json(body: &impl Serialize) -> Self {
        match serde_json::to_string(body) {
            Ok(body) => Self(
                HttpResponse::Ok()
                    .content_type("application/json")
                    .body(body),
            ),
            Err(error) => Self(
                HttpResponse::InternalServerError()
                    .content_type("text/plain; charset=utf-8")
                    .body(error.to_string()),
            ),
        }
    }

    /// An answer to a read of state.
    pub fn read(index: u64, body: &impl Serialize) -> Self {
        Self::json(body)
            .at(index)
            .header("X-Nomad-KnownLeader", "true")
            .header("X-Nomad-LastContact", 0)
    }

    /// An answer to a write.
    pub fn written(index: u64, body: &impl Serialize) -> Self {
        Self::json(body).at(index)
    }

    /// An answer to a write that says nothing more.
    pub fn empty(index: u64) -> Self {
        Self(HttpResponse::Ok().finish()).at(index)
    }

    pub fn no_content(index: u64) -> Self {
        Self(HttpResponse::NoContent().finish()).at(index)
    }

    pub fn redirect(path: &str, query: &str) -> Self {
        let target = if query.is_empty() {
            path.to_owned()
        } else {
            format!("{path}?{query}")
        };
        Self(
            HttpResponse::TemporaryRedirect()
                .insert_header((LOCATION, target))
                .finish(),
        )
    }

    fn at(self, index: u64) -> Self {
        self.header("X-Nomad-Index", index)
    }

    pub fn header(mut self, name: &'static str, value: impl TryIntoHeaderValue) -> Self {
        if let (Ok(name), Ok(value)) = (name.parse(), value.try_into_value()) {
            self.0.headers_mut().insert(name, value);
        }
        self
    }
}

impl From<HttpResponse> for Answer {
    fn from(response: HttpResponse) -> Self {
        Self(response)
    }
}

/// An answer that did not work, with the agent's status and text.
#[derive(Debug)]
pub enum ApiError {
    UnknownPath,
    InvalidMethod,
    /// 400.
    Bad(String),
    /// 404, as state: with the index at which it was not there.
    Absent {
        text: String,
        index: u64,
    },
    /// 404 without an index.
    NotFound(String),
    /// 500: most mistakes of a caller, too.
    Failed(String),
    /// 409 with the variable that stands in the way.
    Conflict(Value),
    /// 501.
    Enterprise,
}

fn text(status: StatusCode, text: impl Into<String>) -> HttpResponse {
    HttpResponse::build(status)
        .content_type("text/plain; charset=utf-8")
        .body(text.into())
}

impl From<ApiError> for HttpResponse {
    fn from(error: ApiError) -> Self {
        match error {
            ApiError::UnknownPath => Self::NotFound().finish(),
            ApiError::InvalidMethod => text(StatusCode::METHOD_NOT_ALLOWED, "Invalid method"),
            ApiError::Bad(message) => text(StatusCode::BAD_REQUEST, message),
            ApiError::NotFound(message) => text(StatusCode::NOT_FOUND, message),
            ApiError::Failed(message) => text(StatusCode::INTERNAL_SERVER_ERROR, message),
            ApiError::Enterprise => text(
                StatusCode::NOT_IMPLEMENTED,
                "Nomad Enterprise only endpoint",
            ),
            ApiError::Absent {
                text: message,
                index,
            } => {
                Answer(text(StatusCode::NOT_FOUND, message))
                    .at(index)
                    .header("X-Nomad-KnownLeader", "true")
                    .header("X-Nomad-LastContact", 0)
                    .0
            }
            ApiError::Conflict(variable) => Self::Conflict()
                .content_type("text/plain")
                .body(variable.to_string()),
        }
    }
}

pub fn finish(result: Result<Answer, ApiError>) -> HttpResponse {
    match result {
        Ok(Answer(response)) => response,
        Err(error) => error.into(),
    }
}

/// The error that a fault asks for.
pub fn fault(fault: Option<&Fault>) -> HttpResponse {
    let status = fault
        .and_then(|fault| fault.status)
        .and_then(|status| StatusCode::from_u16(status).ok());
    let message = fault
        .and_then(|fault| fault.text.clone())
        .unwrap_or_else(|| "No cluster leader".to_owned());
    text(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), message)
}
