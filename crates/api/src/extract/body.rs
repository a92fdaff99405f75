//! The body of a request: JSON, of a bounded size, arriving in a bounded time.

use std::{future::Future, pin::Pin, time::Duration};

use actix_web::{
    FromRequest, HttpMessage, HttpRequest,
    dev::{Payload, ServiceRequest},
    http::{
        StatusCode,
        header::{CONTENT_ENCODING, CONTENT_LENGTH, TRANSFER_ENCODING},
    },
    web::BytesMut,
};
use domain::{Error, Violation, pointer::child};
use futures::StreamExt;
use serde_json::Value;

use crate::{
    json::{self, JsonLimits, Refused},
    operations::Bounds,
    problem::Problem,
};

const JSON: &str = "application/json";

/// How large a body may be, and how long it may take to arrive.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BodyLimits {
    /// In bytes.
    pub size: usize,
    /// From the end of the headers to the end of the body.
    pub time: Duration,
    /// Of the document.
    pub json: JsonLimits,
}

/// A JSON document.
#[derive(Debug)]
pub(crate) struct Body(pub Value);

impl FromRequest for Body {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            if request.content_type() != JSON {
                return Err(unsupported(format!("the body must be {JSON}")));
            }
            let body = received(&request, payload).await?;
            let json = limits(&request)?.json;
            json::read(&body, json).map(Self).map_err(refused)
        })
    }
}

/// Refuses a body where the operation has none, so that nobody believes that it has an effect. An empty one, or an object
/// without fields, as some clients always send it, is none.
///
/// # Errors
/// Every field of it.
pub(crate) async fn refuse_unexpected(
    request: &mut ServiceRequest,
    bounds: &Bounds,
) -> Result<(), Problem> {
    if bounds.takes_body || !announces_body(request) {
        return Ok(());
    }
    let payload = request.take_payload();
    ensure_nothing(request.request(), payload).await
}

fn announces_body(request: &ServiceRequest) -> bool {
    let headers = request.headers();
    headers.contains_key(TRANSFER_ENCODING)
        || headers
            .get(CONTENT_LENGTH)
            .is_some_and(|length| length != "0")
}

async fn ensure_nothing(request: &HttpRequest, payload: Payload) -> Result<(), Problem> {
    let body = received(request, payload).await?;
    if body.is_empty() {
        return Ok(());
    }
    let refuse = |name: &str| {
        Violation::new("unknown_field", "is not a field; there are none here").at(name)
    };
    let document = json::read(&body, limits(request)?.json).map_err(refused)?;
    let refused: Vec<_> = match document {
        Value::Object(fields) => fields.keys().map(|name| refuse(&child("", name))).collect(),
        // How some clients write that there is nothing.
        Value::Null => Vec::new(),
        _ => vec![Violation::new("wrong_type", "must be absent, null or an object").at("")],
    };
    if refused.is_empty() {
        return Ok(());
    }
    Err(Error::invalid(refused).into())
}

fn limits(request: &HttpRequest) -> Result<BodyLimits, Error> {
    let limits = request.app_data::<BodyLimits>().copied();
    limits.ok_or_else(|| Error::internal("no limits for bodies are set"))
}

/// The body's bytes, if they are few enough and come in time.
async fn received(request: &HttpRequest, payload: Payload) -> Result<BytesMut, Problem> {
    let limits = limits(request)?;
    let mut encodings = request.headers().get_all(CONTENT_ENCODING);
    if encodings.any(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(unsupported("the body must not be compressed".to_owned()));
    }
    let body = tokio::time::timeout(limits.time, collected(request, payload, limits.size));
    body.await.map_err(|_| late(limits.time))?
}

async fn collected(
    request: &HttpRequest,
    mut payload: Payload,
    limit: usize,
) -> Result<BytesMut, Problem> {
    let announced = request.headers().get(CONTENT_LENGTH);
    let announced = announced
        .and_then(|length| length.to_str().ok())
        .and_then(|length| length.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(too_large(limit));
    }
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| malformed("it ended before its end".to_owned()))?;
        if body.len() + chunk.len() > limit {
            return Err(too_large(limit));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn refused(refused: Refused) -> Problem {
    match refused {
        Refused::Malformed(detail) => malformed(detail),
        Refused::Invalid(field) => Error::invalid(vec![field]).into(),
    }
}

fn malformed(detail: String) -> Problem {
    let detail = format!("the body is not valid JSON: {detail}");
    Problem::of_protocol(StatusCode::BAD_REQUEST, "malformed_json", detail)
}

fn too_large(limit: usize) -> Problem {
    let detail = format!("the body may have at most {limit} bytes");
    Problem::of_protocol(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail)
}

fn unsupported(detail: String) -> Problem {
    Problem::of_protocol(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported_media_type",
        detail,
    )
}

fn late(limit: Duration) -> Problem {
    let detail = format!("the body did not arrive within {limit:?}");
    Problem::of_protocol(StatusCode::REQUEST_TIMEOUT, "request_timeout", detail)
}
