//! What Nomad shows of a failure, put into words that a person understands.

use std::fmt::Write;

use super::Cause;

const MAX_REASON: usize = 4_000;

/// What Nomad shows of a deployment that does not come up.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Evidence {
    /// Why no node takes it, a sentence each: `1 of 1 nodes lacks the driver docker`.
    pub placement: Vec<String>,
    /// The tasks that died or can't start.
    pub failures: Vec<TaskFailure>,
    /// What Nomad itself says of it.
    pub description: Option<String>,
}

/// A task that died or can't start.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TaskFailure {
    /// The task.
    pub task: String,
    /// What happened last, as Nomad says it: `Exit Code: 1`.
    pub events: Vec<String>,
    /// The last lines it wrote.
    pub log: Vec<String>,
}

/// Why a deployment failed, for people.
///
/// ```
/// use nomad_services_domain::deployment::{Cause, Evidence, TaskFailure, explain};
///
/// let evidence = Evidence {
///     failures: vec![TaskFailure {
///         task: "app".into(),
///         events: vec!["Exit Code: 1".into()],
///         log: vec!["no such file".into()],
///     }],
///     ..Evidence::default()
/// };
/// assert_eq!(
///     explain(Cause::Unhealthy, &evidence),
///     "it did not become healthy; task app: Exit Code: 1; its last lines:\nno such file",
/// );
/// ```
pub fn explain(cause: Cause, evidence: &Evidence) -> String {
    let mut reason = String::from(match cause {
        Cause::Refused => "the job was refused",
        Cause::Unplaceable => "no node has room for it",
        Cause::Unhealthy => "it did not become healthy",
        Cause::DeadlinePassed => "it was not done before its deadline",
        Cause::Unreachable => "Nomad did not answer until its deadline",
        Cause::Interrupted => "the job was stopped or replaced from outside meanwhile",
        Cause::ForeignJob => {
            "a job that this product does not manage stands in its place, and was left alone"
        }
        Cause::NotRunning => "nothing of it runs in Nomad that could be restarted",
    });
    for placement in &evidence.placement {
        reason.push_str("; ");
        reason.push_str(placement);
    }
    let mut log = String::new();
    for failure in &evidence.failures {
        // Writing to a String can't fail.
        let _ = write!(
            reason,
            "; task {}: {}",
            failure.task,
            failure.events.join(", ")
        );
        for line in &failure.log {
            log.push('\n');
            log.push_str(line);
        }
    }
    if let (true, Some(description)) = (evidence.is_bare(), &evidence.description) {
        reason.push_str("; Nomad says: ");
        reason.push_str(description);
    }
    if !log.is_empty() {
        reason.push_str("; its last lines:");
        reason.push_str(&log);
    }
    // PostgreSQL stores no NUL, and a task may write one.
    let reason = reason.replace('\0', "");
    match reason.char_indices().nth(MAX_REASON) {
        Some((end, _)) => format!("{}…", &reason[..end]),
        None => reason,
    }
}

impl Evidence {
    fn is_bare(&self) -> bool {
        self.placement.is_empty() && self.failures.is_empty()
    }
}
