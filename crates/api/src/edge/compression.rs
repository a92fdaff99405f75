//! Answers are compressed where the client says that it can read that (`Accept-Encoding`). Not compressed are small ones,
//! streams, and answers that hold a secret: the size of what is compressed tells something of what stands in it to whoever can
//! make the same answer hold text of their own (BREACH).

use actix_http::encoding::Encoder;
use actix_web::{
    HttpMessage,
    body::{BodySize, EitherBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::header::{AcceptEncoding, ContentEncoding, ETAG, Encoding, HeaderValue, VARY},
    middleware::Next,
};

use super::conditional;

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
///
/// # Errors
/// As what comes next.
pub(crate) async fn compress<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<Encoder<B>, B>>, actix_web::Error> {
    let secret = holds_secret(&request);
    let wanted = request
        .get_header::<AcceptEncoding>()
        .and_then(|accepted| accepted.negotiate(OFFERED.iter()));
    let response = next.call(request).await?;
    let size = response.response().body().size();
    if secret || !matches!(size, BodySize::Sized(SMALLEST..)) {
        return Ok(response.map_body(|_, body| EitherBody::right(body)));
    }
    if wanted != Some(Encoding::gzip()) {
        return Ok(response.map_body(|head, body| {
            let varies = HeaderValue::from_static("accept-encoding");
            head.headers_mut().append(VARY, varies);
            EitherBody::right(body)
        }));
    }
    Ok(response.map_body(|head, body| {
        let body = Encoder::response(ContentEncoding::Gzip, head, body);
        let tag = head.headers().get(ETAG).and_then(conditional::compressed);
        if let Some(tag) = tag {
            head.headers_mut().insert(ETAG, tag);
        }
        EitherBody::left(body)
    }))
}

fn holds_secret(request: &ServiceRequest) -> bool {
    let (method, pattern) = (request.method().as_str(), request.match_pattern());
    let mut secret = SECRET_ANSWERS.iter();
    secret.any(|(of, path)| *of == method && Some(*path) == pattern.as_deref())
}
