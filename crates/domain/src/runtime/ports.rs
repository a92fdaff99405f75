//! Where a running service can be looked at.

use std::future::Future;

use super::{LogPiece, LogRequest, Usage};
use crate::{Result, deployment::JobPlace};

/// A log that is being followed.
pub trait LogFollowing: Send {
    /// What comes next. Dropping the future loses nothing.
    fn next(&mut self) -> impl Future<Output = Option<Result<LogPiece>>> + Send;

    /// Whether nothing will come any more.
    fn has_ended(&mut self) -> impl Future<Output = bool> + Send;
}

/// Looks at what runs.
pub trait Runtime: Send + Sync {
    /// A log that is being followed.
    type Following: LogFollowing + 'static;

    /// The last lines of a service, of its running allocation or else of its newest; none before there are any.
    ///
    /// # Errors
    /// Invalid for a task the service does not have, unavailable where the cluster can't be asked.
    fn logs(
        &self,
        place: &JobPlace,
        request: &LogRequest,
    ) -> impl Future<Output = Result<Vec<String>>> + Send;

    /// A service's log with what is still to come: its last lines first, or all after `resume`, the offset of a
    /// [`LogPiece`]. None before there is a log.
    ///
    /// # Errors
    /// As [`logs`](Self::logs).
    fn follow(
        &self,
        place: &JobPlace,
        request: &LogRequest,
        resume: Option<u64>,
    ) -> impl Future<Output = Result<Option<Self::Following>>> + Send;

    /// What a service's running allocation uses; none where nothing runs.
    ///
    /// # Errors
    /// Unavailable where the cluster can't be asked.
    fn usage(&self, place: &JobPlace) -> impl Future<Output = Result<Option<Usage>>> + Send;
}
