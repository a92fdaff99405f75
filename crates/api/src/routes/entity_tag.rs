//! Entity tags: a change says which version it is a change of, and is refused where that is not the current one.

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder,
    http::header::{self, EntityTag},
};
use domain::{Error, ErrorKind};
use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::edge::conditional::Versions;

/// What an answer shows, as JSON.
pub(super) fn shown(view: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(view) {
        Ok(Value::Object(object)) => object,
        // No view of ours is anything but an object.
        _ => Map::new(),
    }
}

/// Changes with every change of what an answer shows.
pub(super) fn etag(view: &impl Serialize) -> String {
    tag(&text(view)).to_string()
}

fn tag(text: &[u8]) -> EntityTag {
    EntityTag::new_strong(hex::encode(&Sha256::digest(text)[..16]))
}

fn text(view: &impl Serialize) -> Vec<u8> {
    // No view of ours has a key that is no text.
    serde_json::to_vec(view).unwrap_or_default()
}

/// A single resource, with its tag.
pub(super) fn tagged(mut response: HttpResponseBuilder, view: &impl Serialize) -> HttpResponse {
    let text = text(view);
    response
        .insert_header((header::ETAG, tag(&text).to_string()))
        .content_type(header::ContentType::json())
        .body(text)
}

/// The versions a change may be a change of.
#[derive(Debug)]
pub(super) struct IfMatch(Option<Versions>);

impl IfMatch {
    /// What the request says, if anything.
    pub(super) fn of(request: &HttpRequest) -> Self {
        Self(Versions::named(request, &header::IF_MATCH))
    }

    /// Refuses a request that does not say it.
    pub(super) fn required(self) -> Result<Self, Error> {
        if self.0.is_some() {
            return Ok(self);
        }
        Err(Error::new(
            ErrorKind::PreconditionRequired,
            "if_match_required",
            "send the ETag of what you read as If-Match",
        ))
    }

    /// Refuses a change of what has changed since the caller read it.
    pub(super) fn check(&self, current: &impl Serialize) -> Result<(), Error> {
        let Some(wanted) = &self.0 else {
            return Ok(());
        };
        if wanted.hold(&tag(&text(current))) {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::PreconditionFailed,
            "stale",
            "it has changed since you read it; read it again",
        ))
    }
}
