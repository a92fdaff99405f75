//! Requests that take effect once: the answer to one stands beside what it changed, so that the same request sent again is
//! answered alike and changes nothing.

use std::fmt;

use serde_json::Value;
use uuid::Uuid;

use crate::Error;

/// A request that is to take effect once.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Once {
    /// The namespace of the key: the user who sent it.
    pub owner: Uuid,
    /// What the client calls the request.
    pub key: String,
    /// The same for the same request alone.
    pub fingerprint: Vec<u8>,
}

/// What a request was answered with.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Value,
    /// The header `Location`.
    pub location: Option<String>,
    /// The header `ETag`.
    pub etag: Option<String>,
}

/// Travels as the source of an error: nothing is left to be done, this answer was given before.
#[derive(Debug)]
struct Replay(Answer);

impl fmt::Display for Replay {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("this request was answered before")
    }
}

impl std::error::Error for Replay {}

/// Says that this request was answered before, and with what.
pub fn replay(answer: Answer) -> Error {
    Error::conflict("replayed", "answered before").with_source(Replay(answer))
}

/// The answer that was given before, where that is what `error` says.
pub fn replayed(error: &Error) -> Option<&Answer> {
    let replay = std::error::Error::source(error)?.downcast_ref::<Replay>()?;
    Some(&replay.0)
}
