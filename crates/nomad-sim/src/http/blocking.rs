//! Blocking queries: a read that names an index waits until what it reads has a later one.

use std::time::Duration;

use serde::Serialize;
use tokio::time::{Instant, timeout_at};

use super::answer::{Answer, ApiError};
use super::call::Call;
use crate::state::Cluster;

/// What a read saw: the index it holds for, and the body or the text of its 404.
pub type Seen<T> = (u64, Result<T, String>);

/// Reads, waiting if the call asks for it.
pub async fn read<T: Serialize>(
    call: &Call,
    look: impl Fn(&Cluster) -> Seen<T>,
) -> Result<Answer, ApiError> {
    let (index, seen) = wait_for(call, look).await?;
    match seen {
        Ok(body) => Ok(Answer::read(index, &body)),
        Err(text) => Err(ApiError::Absent { text, index }),
    }
}

pub async fn wait_for<T>(
    call: &Call,
    look: impl Fn(&Cluster) -> Seen<T>,
) -> Result<Seen<T>, ApiError> {
    let (after, wait) = call.wait()?;
    let mut changes = call.agent.changes();
    // The agent spreads the ends of waits by up to a sixteenth.
    let deadline = Instant::now()
        + wait
        + wait
            .mul_f64(rand::random_range(0.0..1.0 / 16.0))
            .min(Duration::from_secs(20));
    loop {
        changes.mark_unchanged();
        let seen = call.agent.read(&look);
        if after == 0 || seen.0 > after {
            return Ok(seen);
        }
        if !matches!(timeout_at(deadline, changes.changed()).await, Ok(Ok(()))) {
            return Ok(call.agent.read(&look));
        }
    }
}
