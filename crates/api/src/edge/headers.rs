//! What every answer tells browsers: to guess no type, to run nothing that is not meant to run, to keep no copy, and to come
//! back by HTTPS.

use actix_web::{
    dev::ServiceResponse,
    http::header::{
        CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY,
        STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
    },
};

use crate::client_address::came_by_https;

/// An answer of the API is data: nothing in it runs, loads or is framed.
const NOTHING: &str = "default-src 'none'; frame-ancestors 'none'";

/// The page that shows the description loads what is compiled in beside it, and calls this API. Its style sheet holds
/// pictures as `data:`; nothing of it stands inline or is made from text at run time.
const PAGE: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Adds them.
pub(super) fn protect<B>(response: &mut ServiceResponse<B>) {
    let https = came_by_https(response.request());
    let page = response.request().path().starts_with("/docs/");
    let headers = response.headers_mut();
    let mut add = |name: HeaderName, value| headers.insert(name, HeaderValue::from_static(value));
    add(X_CONTENT_TYPE_OPTIONS, "nosniff");
    add(REFERRER_POLICY, "no-referrer");
    add(X_FRAME_OPTIONS, "DENY");
    add(CONTENT_SECURITY_POLICY, if page { PAGE } else { NOTHING });
    add(CACHE_CONTROL, if page { "no-cache" } else { "no-store" });
    if https {
        add(STRICT_TRANSPORT_SECURITY, "max-age=31536000");
    }
}
