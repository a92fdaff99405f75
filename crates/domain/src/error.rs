//! The one error type that reaches the edge. A kind says what went wrong in terms of the product, a stable code lets a
//! client act on it, the detail may be shown to anyone who may see the answer; the source is for the log alone.

use std::{error::Error as StdError, fmt, time::Duration};

/// The result of anything that can fail with an [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, independent of the protocol that reports it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The request can't be read at all.
    Malformed,
    /// The request can be read, but what it asks for is not allowed; see [`Error::fields`].
    Invalid,
    /// Nobody is signed in, or not any more.
    Unauthenticated,
    /// The caller is known and may not do this.
    Forbidden,
    /// It does not exist, or belongs to somebody else.
    NotFound,
    /// It clashes with what is there.
    Conflict,
    /// The caller's copy is stale.
    PreconditionFailed,
    /// The caller must say which version it means.
    PreconditionRequired,
    /// Too many requests.
    RateLimited,
    /// Something the product depends on does not answer in time.
    Unavailable,
    /// A defect of the product.
    Internal,
}

/// One bad field of a request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FieldError {
    /// JSON pointer (RFC 6901) into the request body, without the leading `#`: `/config/ports/1`.
    pub pointer: String,
    /// Stable, for programs: `out_of_range`.
    pub code: &'static str,
    /// For people: names the limit and the values allowed.
    pub detail: String,
}

/// Which limit a request would exceed, and by how much.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LimitExcess {
    /// `services`, `cpu`, `memory` or `disk`.
    pub dimension: &'static str,
    /// What the plan allows, in the dimension's unit (a count, MHz, MB).
    pub limit: u64,
    /// What is in use without this request.
    pub used: u64,
    /// What the request asks for in addition.
    pub requested: u64,
    /// What is configured of all that; none for `services`.
    pub configured: Option<u64>,
    /// What may run of all that at this moment; none for `services`.
    pub running: Option<u64>,
}

/// An error with a stable code and a detail that may be shown.
///
/// ```
/// use nomad_services_domain::{Error, ErrorKind};
///
/// let error = Error::conflict("name_taken", "a service named \"db\" exists already");
/// assert_eq!(error.kind(), ErrorKind::Conflict);
/// assert_eq!(error.code(), "name_taken");
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    code: &'static str,
    detail: String,
    fields: Vec<FieldError>,
    limit: Option<LimitExcess>,
    retry_after: Option<Duration>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of `kind` with a stable `code` and a `detail` for people.
    pub fn new(kind: ErrorKind, code: &'static str, detail: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            code,
            detail: detail.into(),
            fields: Vec::new(),
            limit: None,
            retry_after: None,
            source: None,
        }))
    }

    /// Every bad field of a request at once.
    pub fn invalid(fields: Vec<FieldError>) -> Self {
        let detail = match fields.as_slice() {
            [only] => format!("{}: {}", only.pointer, only.detail),
            several => format!("{} fields are not valid", several.len()),
        };
        let mut error = Self::new(ErrorKind::Invalid, "validation_failed", detail);
        error.0.fields = fields;
        error
    }

    /// One of the product's limits would be exceeded.
    pub fn limit_exceeded(excess: LimitExcess) -> Self {
        let LimitExcess {
            dimension,
            limit,
            used,
            requested,
            configured,
            running,
        } = &excess;
        let parts = match (configured, running) {
            (Some(configured), Some(running)) => {
                format!(" ({configured} configured, {running} may still run)")
            }
            _ => String::new(),
        };
        let detail = format!(
            "the limit of {limit} for {dimension} would be exceeded: {used} in use{parts}, {requested} more requested"
        );
        let mut error = Self::new(ErrorKind::Invalid, "limit_exceeded", detail);
        error.0.limit = Some(excess);
        error
    }

    /// What `what` names does not exist, or belongs to somebody else: the answer is the same.
    pub fn not_found(what: &'static str) -> Self {
        Self::new(ErrorKind::NotFound, "not_found", format!("no such {what}"))
    }

    /// It clashes with what is there.
    pub fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(ErrorKind::Conflict, code, detail)
    }

    /// The caller is known and may not do this.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(ErrorKind::Forbidden, "forbidden", detail)
    }

    /// Nobody is signed in, or not any more.
    pub fn unauthenticated() -> Self {
        Self::new(
            ErrorKind::Unauthenticated,
            "unauthenticated",
            "sign in and send the access token",
        )
    }

    /// Something the product depends on does not answer; worth trying again after `retry_after`.
    pub fn unavailable(
        code: &'static str,
        detail: impl Into<String>,
        retry_after: Duration,
    ) -> Self {
        let mut error = Self::new(ErrorKind::Unavailable, code, detail);
        error.0.retry_after = Some(retry_after);
        error
    }

    /// A defect of the product: the source is logged, never shown.
    pub fn internal(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(
            ErrorKind::Internal,
            "internal",
            "something went wrong on our side",
        )
        .with_source(source)
    }

    /// An encrypted value can't be decrypted: it was changed, moved, or its key is gone. The source is logged, never shown.
    pub fn decryption_failed(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(
            ErrorKind::Internal,
            "decryption_failed",
            "a stored value can't be decrypted",
        )
        .with_source(source)
    }

    /// Adds what caused it, for the log.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Adds when a repetition is worth it.
    #[must_use]
    pub fn with_retry_after(mut self, retry_after: Duration) -> Self {
        self.0.retry_after = Some(retry_after);
        self
    }

    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The stable code, for programs.
    pub fn code(&self) -> &'static str {
        self.0.code
    }

    /// The explanation, for people.
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// The bad fields, where the request had any.
    pub fn fields(&self) -> &[FieldError] {
        &self.0.fields
    }

    /// The limit that would be exceeded.
    pub fn limit(&self) -> Option<&LimitExcess> {
        self.0.limit.as_ref()
    }

    /// When a repetition is worth it.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &self.0;
        let mut debug = formatter.debug_struct("Error");
        debug
            .field("kind", &inner.kind)
            .field("code", &inner.code)
            .field("detail", &inner.detail);
        if !inner.fields.is_empty() {
            debug.field("fields", &inner.fields);
        }
        if let Some(source) = &inner.source {
            debug.field("source", source);
        }
        debug.finish_non_exhaustive()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.detail())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0
            .source
            .as_deref()
            .map(|source| source as &(dyn StdError + 'static))
    }
}
