//! Removing what has expired, now and then, beside the requests.

use std::time::Duration;

use domain::Error;
use persistence::{Acting, Database, SystemPurpose, SystemTx};
use tokio::time::interval;
use tokio_util::sync::CancellationToken;

const PAUSE: Duration = Duration::from_secs(600);

/// Removes expired answers to idempotent requests and forgotten attempts to sign in until `stop` is cancelled.
pub async fn run(database: Database, stop: CancellationToken) {
    let mut pauses = interval(PAUSE);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = pauses.tick() => {}
        }
        report(
            "answers",
            remove(&database, SystemTx::remove_expired_answers).await,
        );
        report(
            "attempts",
            remove(&database, SystemTx::remove_forgotten_attempts).await,
        );
    }
}

async fn remove(
    database: &Database,
    removal: impl AsyncFnOnce(SystemTx) -> Result<u64, Error>,
) -> Result<u64, Error> {
    let acting = Acting::product();
    removal(database.system(SystemPurpose::Retention, &acting).await?).await
}

fn report(what: &str, removed: Result<u64, Error>) {
    match removed {
        Ok(0) => {}
        Ok(count) => tracing::debug!(count, what, "removed what had expired"),
        Err(error) => tracing::warn!(cause = ?error, what, "what has expired could not be removed"),
    }
}
