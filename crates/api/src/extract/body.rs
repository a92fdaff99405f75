//! The body of a request: JSON, of a bounded size, arriving in a bounded time.

use std::{future::Future, pin::Pin, time::Duration};

use actix_web::{
    FromRequest, HttpMessage, HttpRequest,
    dev::Payload,
    http::{StatusCode, header::CONTENT_LENGTH},
    web::BytesMut,
};
use domain::Error;
use futures::StreamExt;
use serde_json::Value;

use crate::{
    json::{self, JsonLimits, Refused},
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
            let limits = request
                .app_data::<BodyLimits>()
                .copied()
                .ok_or_else(|| Error::internal("no limits for bodies are set"))?;
            if request.content_type() != JSON {
                return Err(unsupported());
            }
            let body = tokio::time::timeout(limits.time, received(&request, payload, limits.size));
            let body = body.await.map_err(|_| late(limits.time))??;
            json::read(&body, limits.json).map(Self).map_err(refused)
        })
    }
}

async fn received(
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
        let chunk = chunk.map_err(|error| malformed(error.to_string()))?;
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

fn unsupported() -> Problem {
    let detail = format!("the body must be {JSON}");
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
