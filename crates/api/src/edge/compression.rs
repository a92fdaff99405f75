//! Answers are compressed where the client says that it can read that (`Accept-Encoding`). Not compressed are small ones,
//! streams, and answers that hold a secret: the size of what is compressed tells something of what stands in it to whoever can
//! make the same answer hold text of their own (BREACH).

use actix_http::encoding::Encoder;
use actix_web::{
    HttpRequest,
    body::{BodySize, BoxBody, MessageBody},
    dev::ServiceResponse,
    http::header::{
        AcceptEncoding, ContentEncoding, ETAG, Encoding, Header as _, HeaderValue, VARY,
    },
};

use super::conditional;
use crate::operations;

/// In bytes; below it, compressing saves no packet.
const SMALLEST: u64 = 1024;

/// What is offered: none at all, and the one that every client knows.
const OFFERED: [Encoding; 2] = [
    Encoding::Known(ContentEncoding::Identity),
    Encoding::Known(ContentEncoding::Gzip),
];

/// The operations whose answers hold a secret.
pub(crate) const SECRET_ANSWERS: [(&str, &str); 6] = [
    ("POST", "/api/v1/auth/login"),
    ("POST", "/api/v1/auth/refresh"),
    ("POST", "/api/v1/api-keys"),
    ("POST", "/api/v1/api-keys/{id}/rotate"),
    ("POST", "/api/v1/invitations"),
    ("POST", "/api/v1/services/{id}/reveal"),
];

/// Compresses an answer where that is wanted, possible and safe.
pub(super) fn compress(response: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
    let size = response.response().body().size();
    if !matches!(size, BodySize::Sized(SMALLEST..)) || holds_secret(response.request()) {
        return response;
    }
    let accepted = AcceptEncoding::parse(response.request()).ok();
    let wanted = accepted.and_then(|accepted| accepted.negotiate(OFFERED.iter()));
    response.map_body(|head, body| {
        if wanted != Some(Encoding::gzip()) {
            let varies = HeaderValue::from_static("accept-encoding");
            head.headers_mut().append(VARY, varies);
            return body;
        }
        let body = Encoder::response(ContentEncoding::Gzip, head, body);
        let tag = head.headers().get(ETAG).and_then(conditional::compressed);
        if let Some(tag) = tag {
            head.headers_mut().insert(ETAG, tag);
        }
        BoxBody::new(body)
    })
}

fn holds_secret(request: &HttpRequest) -> bool {
    let route = operations::route(request);
    let mut secret = SECRET_ANSWERS.iter();
    route.is_some_and(|route| {
        secret.any(|(method, path)| request.method() == *method && route.pattern == *path)
    })
}
