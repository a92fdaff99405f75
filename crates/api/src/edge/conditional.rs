//! Entity tags as HTTP compares them (RFC 9110, sections 8.8.3 and 13.1): which versions a request names, whether one of
//! them is the version there is, and the answer to a client that has that version already.

use actix_web::{
    HttpRequest,
    body::BoxBody,
    dev::ServiceResponse,
    http::{
        Method, StatusCode,
        header::{
            CONTENT_ENCODING, CONTENT_TYPE, ETAG, EntityTag, HeaderName, HeaderValue, IF_NONE_MATCH,
        },
    },
};

/// Ends the tag of what is sent compressed: those are other bytes, and a strong tag stands for bytes.
const COMPRESSED: &str = "-gzip";

/// The versions that a request names.
#[derive(Debug)]
pub(crate) enum Versions {
    /// Whichever there is.
    Any,
    /// These.
    These(Vec<EntityTag>),
}

impl Versions {
    /// What the header `name` says, if it is there.
    pub(crate) fn named(request: &HttpRequest, name: &HeaderName) -> Option<Self> {
        let mut values = request.headers().get_all(name).peekable();
        values.peek()?;
        let texts: Vec<_> = values
            .map(|value| String::from_utf8_lossy(value.as_bytes()))
            .collect();
        // A tag of ours holds no comma, so that what another tag is split into is never one of ours.
        let mut tags = texts.iter().flat_map(|text| text.split(',')).map(str::trim);
        if tags.clone().any(|tag| tag == "*") {
            return Some(Self::Any);
        }
        Some(Self::These(
            tags.by_ref().filter_map(|tag| tag.parse().ok()).collect(),
        ))
    }

    /// Whether `current` is one of them, compared as for a change: a weak tag is never the same.
    pub(crate) fn hold(&self, current: &EntityTag) -> bool {
        self.hold_by(current, EntityTag::strong_eq)
    }

    /// Whether `current` is one of them, compared as for reading.
    fn hold_weakly(&self, current: &EntityTag) -> bool {
        self.hold_by(current, EntityTag::weak_eq)
    }

    fn hold_by(&self, current: &EntityTag, equal: fn(&EntityTag, &EntityTag) -> bool) -> bool {
        let current = of_resource(current);
        match self {
            Self::Any => true,
            Self::These(tags) => tags.iter().any(|tag| equal(&of_resource(tag), &current)),
        }
    }
}

/// The tag of a resource, however it is sent.
fn of_resource(tag: &EntityTag) -> EntityTag {
    let text = tag.tag();
    let text = text.strip_suffix(COMPRESSED).unwrap_or(text);
    EntityTag::new(tag.weak, text.to_owned())
}

/// The tag of the same, sent compressed.
pub(super) fn compressed(tag: &HeaderValue) -> Option<HeaderValue> {
    let tag: EntityTag = tag.to_str().ok()?.parse().ok()?;
    let tag = EntityTag::new(tag.weak, format!("{}{COMPRESSED}", tag.tag()));
    HeaderValue::from_str(&tag.to_string()).ok()
}

/// Answers 304, without a body, where the client names the version that it would be sent.
pub(super) fn spare_what_is_known(response: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
    let request = response.request();
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if !reads || response.status() != StatusCode::OK {
        return response;
    }
    let Some(tag) = response.headers().get(ETAG) else {
        return response;
    };
    let Some(known) = Versions::named(request, &IF_NONE_MATCH) else {
        return response;
    };
    let tag = tag.to_str().ok().and_then(|tag| tag.parse().ok());
    if !tag.is_some_and(|tag| known.hold_weakly(&tag)) {
        return response;
    }
    let mut response = response.map_body(|_, _| BoxBody::new(()));
    *response.response_mut().status_mut() = StatusCode::NOT_MODIFIED;
    for name in [CONTENT_TYPE, CONTENT_ENCODING] {
        response.headers_mut().remove(name);
    }
    response
}
