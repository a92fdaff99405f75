//! Removing what has expired, now and then, beside the requests.

use std::time::Duration;

use persistence::{Acting, Database, SystemPurpose};
use tokio::time::interval;
use tokio_util::sync::CancellationToken;

const PAUSE: Duration = Duration::from_secs(600);

/// Removes expired answers to idempotent requests until `stop` is cancelled.
pub async fn run(database: Database, stop: CancellationToken) {
    let mut pauses = interval(PAUSE);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = pauses.tick() => {}
        }
        let removed = match database
            .system(SystemPurpose::Retention, &Acting::product())
            .await
        {
            Ok(transaction) => transaction.remove_expired_answers().await,
            Err(error) => Err(error),
        };
        match removed {
            Ok(0) => {}
            Ok(count) => tracing::debug!(count, "removed expired answers"),
            Err(error) => tracing::warn!(cause = ?error, "expired answers could not be removed"),
        }
    }
}
