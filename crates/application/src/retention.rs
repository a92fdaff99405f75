//! Removing what has expired, now and then, beside the requests.

use std::time::Duration;

use domain::{
    Acting, Error, SystemPurpose,
    ports::{Retention, SystemStore},
};
use tokio::time::interval;
use tokio_util::sync::CancellationToken;

const PAUSE: Duration = Duration::from_secs(600);

/// Removes expired answers to idempotent requests and forgotten attempts to sign in until `stop` is cancelled.
pub async fn run<S>(store: S, stop: CancellationToken)
where
    S: SystemStore<Transaction: Retention>,
{
    let mut pauses = interval(PAUSE);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = pauses.tick() => {}
        }
        report("answers", remove_answers(&store).await);
        report("attempts", remove_attempts(&store).await);
    }
}

async fn remove_answers<S>(store: &S) -> Result<u64, Error>
where
    S: SystemStore<Transaction: Retention>,
{
    let acting = Acting::product();
    let transaction = store.system(SystemPurpose::Retention, &acting).await?;
    transaction.remove_expired_answers().await
}

async fn remove_attempts<S>(store: &S) -> Result<u64, Error>
where
    S: SystemStore<Transaction: Retention>,
{
    let acting = Acting::product();
    let transaction = store.system(SystemPurpose::Retention, &acting).await?;
    transaction.remove_forgotten_attempts().await
}

fn report(what: &str, removed: Result<u64, Error>) {
    match removed {
        Ok(0) => {}
        Ok(count) => tracing::debug!(count, what, "removed what had expired"),
        Err(error) => tracing::warn!(cause = ?error, what, "what has expired could not be removed"),
    }
}
