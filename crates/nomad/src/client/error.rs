//! What can go wrong in a call. Nomad answers many mistakes of the caller with 500, so the kind is decided from the
//! status *and* the text; the text is kept.

use std::{error::Error as StdError, fmt};

/// What went wrong, in terms a caller can act on.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum ErrorKind {
    /// The object does not exist.
    NotFound,
    /// The token is missing, unknown, expired, or lacks the right.
    PermissionDenied,
    /// The job's modify index is not the one the caller enforced: somebody else changed it.
    IndexConflict,
    /// The variable's modify index is not the one the caller enforced.
    VariableConflict,
    /// Nomad, or this client before any call, refuses what was sent.
    Invalid,
    /// The job names a namespace that does not exist.
    NamespaceMissing,
    /// The namespace still holds jobs, allocations, volumes or variables.
    NamespaceInUse,
    /// The cluster knows no such region.
    RegionMissing,
    /// The cluster has no leader at the moment.
    NoLeader,
    /// The agent refuses further connections from this address.
    TooManyConnections,
    /// No full answer within the deadline. The request may have been carried out.
    Timeout,
    /// No connection could be made, so the request was not sent.
    Unreachable,
    /// The connection ended before the full answer came. The request may have been carried out. An agent at its limit
    /// of connections can look like this too.
    Interrupted,
    /// The node that holds the allocation can't be reached by the servers.
    NodeUnreachable,
    /// The task has not started yet, so there are no logs.
    NotStarted,
    /// An active deployment is in the way.
    DeploymentActive,
    /// The deployment has already ended, or the allocation no longer runs.
    AlreadyEnded,
    /// The cluster's operator has switched job registration off.
    RegistrationDisabled,
    /// The endpoint exists in Nomad Enterprise only.
    EnterpriseOnly,
    /// The answer is larger, or nested more deeply, than the client reads.
    TooLarge,
    /// The answer is not what this client expects of Nomad.
    Malformed,
    /// Anything else; the text says more.
    Unexpected,
}

/// A failed call.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    status: Option<u16>,
    text: String,
    call: Option<String>,
    index: Option<u64>,
    source: Option<reqwest::Error>,
}

impl Error {
    pub(super) fn new(kind: ErrorKind, text: impl Into<String>) -> Self {
        Self {
            kind,
            status: None,
            text: text.into(),
            call: None,
            index: None,
            source: None,
        }
    }

    pub(super) fn refused(text: String) -> Self {
        Self::new(ErrorKind::Invalid, text)
    }

    pub(super) fn answered(status: u16, text: &str, index: Option<u64>) -> Self {
        let text = text.trim();
        Self {
            status: Some(status),
            index,
            ..Self::new(classify(status, text), text)
        }
    }

    pub(super) fn transport(error: reqwest::Error) -> Self {
        let kind = if error.is_connect() {
            ErrorKind::Unreachable
        } else if error.is_timeout() {
            ErrorKind::Timeout
        } else if error.is_builder() {
            ErrorKind::Invalid
        } else {
            ErrorKind::Interrupted
        };
        // Without its URL, because `call` has the path already and the address may be nobody's business.
        let error = error.without_url();
        Self {
            source: Some(error),
            ..Self::new(kind, "no answer from Nomad")
        }
    }

    pub(super) fn during(mut self, call: impl FnOnce() -> String) -> Self {
        self.call.get_or_insert_with(call);
        self
    }

    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The status code Nomad answered with; none if there was no answer.
    pub fn status(&self) -> Option<u16> {
        self.status
    }

    /// Nomad's own words, or this client's where there was no answer.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The index of the answer: a blocking query on an absent job answers "not found" with one.
    pub fn index(&self) -> Option<u64> {
        self.index
    }

    /// Whether the same call may succeed a little later without anything being changed. Safe to act on for reads; for
    /// writes see [`Error::outcome_is_unknown`].
    pub fn is_transient(&self) -> bool {
        matches!(
            self.kind,
            ErrorKind::NoLeader
                | ErrorKind::TooManyConnections
                | ErrorKind::Timeout
                | ErrorKind::Unreachable
                | ErrorKind::Interrupted
                | ErrorKind::NodeUnreachable
        )
    }

    /// Whether a write may have been carried out all the same: the caller must look before it tries again.
    pub fn outcome_is_unknown(&self) -> bool {
        match self.kind {
            ErrorKind::Timeout
            | ErrorKind::Interrupted
            | ErrorKind::NoLeader
            | ErrorKind::TooLarge
            | ErrorKind::Malformed => true,
            ErrorKind::Unexpected => self.status.is_none_or(|status| status >= 500),
            _ => false,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(call) = &self.call {
            write!(formatter, "{call}: ")?;
        }
        if let Some(status) = self.status {
            write!(formatter, "{status} ")?;
        }
        formatter.write_str(if self.text.is_empty() {
            "no text"
        } else {
            &self.text
        })
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_ref().map(|error| error as _)
    }
}

/// The kind of an answer that is no success, from its status and its (trimmed) text.
pub fn classify(status: u16, text: &str) -> ErrorKind {
    match status {
        401 => ErrorKind::PermissionDenied,
        403 if text.contains("disabled") => ErrorKind::RegistrationDisabled,
        403 => ErrorKind::PermissionDenied,
        404 => classify_not_found(text),
        409 => ErrorKind::VariableConflict,
        429 => ErrorKind::TooManyConnections,
        501 => ErrorKind::EnterpriseOnly,
        502..=504 => ErrorKind::Unreachable,
        400 if text.contains("active deployment") => ErrorKind::DeploymentActive,
        400 | 413 | 422 if text != "Invalid method" => ErrorKind::Invalid,
        500 => classify_server_error(text),
        _ => ErrorKind::Unexpected,
    }
}

/// A 404 is believed only in Nomad's words: one from a proxy, or for an unknown path, must not read as "the job is gone".
fn classify_not_found(text: &str) -> ErrorKind {
    const OBJECTS: [&str; 9] = [
        "alloc not found",
        "allocation not found",
        "deployment not found",
        "eval not found",
        "job not found",
        "job versions not found",
        "Namespace not found",
        "namespace not found",
        "variable not found",
    ];
    if OBJECTS.contains(&text)
        || names_an_absent_job(text)
        || text.starts_with("Unknown allocation")
    {
        ErrorKind::NotFound
    } else if text.starts_with("No path to node") {
        ErrorKind::NodeUnreachable
    } else if text.contains("not started yet") {
        ErrorKind::NotStarted
    } else {
        ErrorKind::Unexpected
    }
}

fn names_an_absent_job(text: &str) -> bool {
    text.starts_with("job \"") && text.ends_with(" not found")
}

fn classify_server_error(text: &str) -> ErrorKind {
    const DENIED: [&str; 4] = [
        "ACL token expired",
        "ACL token not found",
        // An allocation that exists reads like this when the token lacks the right; an absent one answers 404.
        "Unknown allocation",
        "failed to parse signed token",
    ];
    const ENDED: [&str; 3] = [
        "Task not running",
        "restart of an alloc that should not run",
        "terminal deployment",
    ];
    const INVALID: [&str; 8] = [
        "Could not find task runner for task",
        "Current job has version",
        "Invalid namespace",
        "Task not found",
        "can not delete default namespace",
        "can't revert to current version",
        "cannot update job from type",
        "task name cannot be set when restarting all tasks",
    ];
    let begins = |starts: &[&str]| starts.iter().any(|start| text.starts_with(start));
    if begins(&["Enforcing job modify index"]) {
        ErrorKind::IndexConflict
    } else if begins(&INVALID) || text.contains("UUID must be 36 characters") {
        ErrorKind::Invalid
    } else if let Some((_, first)) = text.split_once(" occurred:\n\t* ") {
        classify_validation(first)
    } else if begins(&DENIED) || text.ends_with("Permission denied") {
        ErrorKind::PermissionDenied
    } else if text.ends_with("No cluster leader") {
        ErrorKind::NoLeader
    } else if text == "No path to region" {
        ErrorKind::RegionMissing
    } else if begins(&["deployment not found", "namespace not found"]) || names_an_absent_job(text)
    {
        ErrorKind::NotFound
    } else if ENDED.iter().any(|end| text.ends_with(end)) {
        ErrorKind::AlreadyEnded
    } else {
        ErrorKind::Unexpected
    }
}

/// The first of the errors in a list of them. It can quote a tenant's text, so only its beginning decides.
fn classify_validation(first: &str) -> ErrorKind {
    if first.starts_with("job \"") && first.contains("\" is in nonexistent namespace \"") {
        ErrorKind::NamespaceMissing
    } else if first.starts_with("namespace \"") && first.contains(" in regions: [") {
        ErrorKind::NamespaceInUse
    } else {
        ErrorKind::Invalid
    }
}
