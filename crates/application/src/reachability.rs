//! Whether what the product depends on answers, looked at in the background: whoever asks is told what was seen last, at
//! once, whatever hangs.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use domain::{Error, ports::Reachable};
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval, timeout},
};
use tokio_util::sync::CancellationToken;

/// From one look to the next.
const PAUSE: Duration = Duration::from_secs(1);

/// How long an answer may take. What was seen last is at most this and a [`PAUSE`] old.
pub const DEADLINE: Duration = Duration::from_secs(2);

/// What a look saw.
#[derive(Clone, Debug)]
pub struct Seen {
    /// When it was over.
    pub at: Instant,
    /// What was wrong, for people; nothing, where there was an answer.
    pub refusal: Option<String>,
}

/// What was seen last of a dependency.
#[derive(Clone, Debug)]
pub struct Reachability(Arc<watch::Sender<Option<Seen>>>);

impl Default for Reachability {
    /// Nothing was seen yet.
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(None)))
    }
}

impl Reachability {
    /// What was seen last, if there was a look already.
    pub fn seen(&self) -> Option<Seen> {
        self.0.borrow().clone()
    }

    /// Looks once, and keeps what it sees.
    pub async fn look(&self, dependency: &impl Reachable) {
        let refusal = match timeout(DEADLINE, dependency.reach()).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.detail().to_owned()),
            Err(_) => Some(format!("no answer within {DEADLINE:?}")),
        };
        let at = Instant::now();
        self.0.send_replace(Some(Seen { at, refusal }));
    }

    /// Refuses at once to ask a dependency that did not answer last.
    ///
    /// # Errors
    /// Unavailable, with `code`.
    pub fn ensure_reachable(&self, code: &'static str) -> Result<(), Error> {
        match self.seen().and_then(|seen| seen.refusal) {
            None => Ok(()),
            Some(refusal) => Err(Error::unavailable(code, refusal, PAUSE + DEADLINE)),
        }
    }

    /// Looks again and again until `stop` is cancelled.
    pub async fn watch(self, dependency: impl Reachable, stop: CancellationToken) {
        let mut pauses = interval(PAUSE);
        pauses.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = pauses.tick() => {}
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.look(&dependency) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Answers once, then hangs.
    struct Freezing(AtomicUsize);

    impl Reachable for Freezing {
        async fn reach(&self) -> Result<(), Error> {
            if self.0.fetch_add(1, Ordering::SeqCst) == 0 {
                return Ok(());
            }
            std::future::pending().await
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_hangs_is_known_not_to_answer_and_nobody_who_asks_waits_for_it() {
        let (reachability, stop) = (Reachability::default(), CancellationToken::new());
        assert!(
            reachability.ensure_reachable("away").is_ok(),
            "nothing is known yet"
        );
        let freezing = Freezing(AtomicUsize::new(0));
        reachability.look(&freezing).await;
        assert!(reachability.ensure_reachable("away").is_ok());
        let mut looks = reachability.0.subscribe();
        let work = tokio::spawn(reachability.clone().watch(freezing, stop.clone()));
        looks.changed().await.unwrap();
        let error = reachability.ensure_reachable("away").unwrap_err();
        assert_eq!(
            (error.code(), error.detail()),
            ("away", "no answer within 2s")
        );
        stop.cancel();
        work.await.unwrap();
    }
}
