//! The id that joins a request's answer, its problem, its log lines and its audit rows.

use std::{fmt, rc::Rc};

use actix_web::{
    HttpMessage, HttpRequest,
    dev::{ServiceRequest, ServiceResponse},
    http::header::{HeaderName, HeaderValue},
};
use uuid::Uuid;

/// Where a client may say it, and where the answer does.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const MAX_LENGTH: usize = 128;

/// Stands in the request's extensions.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RequestId(Rc<str>);

impl RequestId {
    /// The id of this request.
    pub fn of(request: &HttpRequest) -> Self {
        let known = request.extensions().get::<Self>().cloned();
        known.unwrap_or_else(Self::generate)
    }

    /// One that nobody has.
    pub(crate) fn generate() -> Self {
        Self(Uuid::now_v7().to_string().into())
    }

    /// What the client sent, if it is fit for a log line.
    fn accepted(value: &HeaderValue) -> Option<Self> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let text = value.to_str().ok()?;
        let good = (1..=MAX_LENGTH).contains(&text.len()) && text.bytes().all(allowed);
        good.then(|| Self(text.into()))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Gives the request its id.
pub(crate) fn identify(request: &ServiceRequest) -> RequestId {
    let sent = request.headers().get(X_REQUEST_ID);
    let id = sent
        .and_then(RequestId::accepted)
        .unwrap_or_else(RequestId::generate);
    request.extensions_mut().insert(id.clone());
    id
}

/// Gives an answer the id of its request.
pub(crate) fn repeat<B>(id: &RequestId, response: &mut ServiceResponse<B>) {
    if let Ok(header) = HeaderValue::from_str(&id.0) {
        response.headers_mut().insert(X_REQUEST_ID, header);
    }
}
