//! What a service writes and uses while it runs.

pub mod ports;

use uuid::Uuid;

use crate::text_enum::text_enum;

text_enum! {
    /// Which output of a task.
    LogSource {
        /// Standard output.
        Stdout => "stdout",
        /// Standard error.
        Stderr => "stderr",
    }
}

/// Which lines of a service's log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LogRequest {
    /// The task; none where the service has only one, or for the first by name.
    pub task: Option<String>,
    /// Standard output or standard error.
    pub source: LogSource,
    /// How many of the last lines.
    pub tail: usize,
}

/// A part of a log, as it was written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LogPiece {
    /// The bytes.
    pub data: Vec<u8>,
    /// Where they end in the log, from its beginning; not known where the log was cut meanwhile.
    pub offset: Option<u64>,
}

/// What a running service uses.
#[derive(Clone, Debug, PartialEq)]
pub struct Usage {
    /// Percent of one core.
    pub cpu_usage: f64,
    /// Bytes.
    pub memory_usage: u64,
    /// The allocation.
    pub allocation_id: Uuid,
    /// The node it is on.
    pub node_id: String,
}
