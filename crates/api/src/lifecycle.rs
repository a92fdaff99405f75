//! From starting through serving to draining, and the work that goes on beside the requests: the one place that knows what
//! has to end before the process does.

use std::{future::Future, time::Duration};

use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// What a server is doing as a whole.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Phase {
    /// It waits for what it depends on.
    Starting,
    /// It answers.
    Serving,
    /// It still answers, and asks for no more.
    Draining,
}

/// The phase of a server, and its background work.
#[derive(Debug)]
pub struct Lifecycle {
    phase: watch::Sender<Phase>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Default for Lifecycle {
    fn default() -> Self {
        Self {
            phase: watch::Sender::new(Phase::Starting),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        }
    }
}

impl Lifecycle {
    /// What the server is doing now.
    pub fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// Whether it asks for no more.
    pub fn drains(&self) -> bool {
        self.phase() == Phase::Draining
    }

    /// Goes on to `phase`; there is no way back.
    pub(crate) fn enter(&self, phase: Phase) {
        self.phase.send_if_modified(|current| {
            let forward = phase > *current;
            *current = phase.max(*current);
            forward
        });
    }

    /// Waits until the server is in `phase` or beyond.
    pub async fn reached(&self, phase: Phase) {
        // The sender lives as long as `self`, so there is always an answer.
        let _ = self
            .phase
            .subscribe()
            .wait_for(|current| *current >= phase)
            .await;
    }

    /// Runs `work` beside the requests. It ends soon after the token it is given is cancelled, which happens once the last
    /// request is answered.
    pub fn spawn<F>(&self, work: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.tasks.spawn(work(self.stop.child_token()));
    }

    /// Tells the background work to end, and waits for it until `deadline` has passed.
    pub(crate) async fn stop(&self, deadline: Duration) {
        self.stop.cancel();
        self.tasks.close();
        if tokio::time::timeout(deadline, self.tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!(
                tasks = self.tasks.len(),
                "background work did not end in time and is cut"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    };

    use super::*;

    #[tokio::test]
    async fn background_work_is_told_to_end_and_waited_for() {
        let lifecycle = Lifecycle::default();
        let finished = Arc::new(AtomicBool::new(false));
        let seen = finished.clone();
        lifecycle.spawn(|stop| async move {
            stop.cancelled().await;
            tokio::task::yield_now().await;
            seen.store(true, Ordering::SeqCst);
        });
        lifecycle.stop(Duration::from_secs(30)).await;
        assert!(finished.load(Ordering::SeqCst));
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_does_not_end_is_not_waited_for_longer_than_the_deadline() {
        let lifecycle = Lifecycle::default();
        lifecycle.spawn(|_| std::future::pending());
        lifecycle.stop(Duration::from_secs(30)).await;
    }

    #[tokio::test]
    async fn a_phase_is_never_left_backwards() {
        let lifecycle = Lifecycle::default();
        lifecycle.enter(Phase::Draining);
        lifecycle.enter(Phase::Serving);
        assert_eq!(lifecycle.phase(), Phase::Draining);
        lifecycle.reached(Phase::Serving).await;
    }
}
