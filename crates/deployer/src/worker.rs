//! The loop around single passes: how often to look for work, how much of it at once, and how to end.

use std::{sync::Arc, time::Duration};

use domain::deployment::{
    WorkerId,
    ports::{DeploymentQueue, Orchestrator},
};
use tokio::{
    sync::Notify,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::pass::Pass;

/// How a worker works.
#[derive(Clone, Copy, Debug)]
pub struct WorkerSettings {
    /// How long a claim holds without being renewed.
    pub lease: Duration,
    /// How often to look for work, and at what is being waited for.
    pub poll_interval: Duration,
    /// How many tasks to work on at once.
    pub concurrency: u32,
}

/// A worker, ready to run.
#[derive(Debug)]
pub struct Worker<Q, O> {
    id: WorkerId,
    queue: Arc<Q>,
    orchestrator: Arc<O>,
    settings: WorkerSettings,
    wake: Arc<Notify>,
}

impl<Q: DeploymentQueue, O: Orchestrator> Worker<Q, O> {
    /// A worker on this queue. Whoever adds a task can notify `wake`, so that it is not only seen at the next look.
    pub fn new(
        queue: Arc<Q>,
        orchestrator: Arc<O>,
        settings: WorkerSettings,
        wake: Arc<Notify>,
    ) -> Self {
        Self {
            id: WorkerId(Uuid::new_v4()),
            queue,
            orchestrator,
            settings,
            wake,
        }
    }

    /// Works until `stop` is cancelled; then ends what is under way and lets go of it, within the length of a lease.
    pub async fn run(self, stop: CancellationToken) {
        let mut passes = JoinSet::new();
        while !stop.is_cancelled() {
            while passes.try_join_next().is_some() {}
            let claimed = self.claim(&mut passes).await;
            if claimed {
                continue;
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.wake.notified() => {}
                () = sleep(self.settings.poll_interval) => {}
            }
        }
        let ended = timeout(self.settings.lease, async {
            while passes.join_next().await.is_some() {}
        });
        if ended.await.is_err() {
            tracing::warn!(
                "deployments were still being worked on; another worker will take them over"
            );
        }
    }

    /// Begins with what is due, and answers whether there was anything.
    async fn claim(&self, passes: &mut JoinSet<()>) -> bool {
        let busy = u32::try_from(passes.len()).unwrap_or(u32::MAX);
        let free = self.settings.concurrency.saturating_sub(busy);
        if free == 0 {
            return false;
        }
        // Taken before the question, so that by our own clock a lease never ends later than by the database's.
        let asked = Instant::now();
        let claims = match self.queue.claim(self.id, self.settings.lease, free).await {
            Ok(claims) => claims,
            Err(error) => {
                tracing::warn!(cause = ?error, "no deployments can be claimed");
                return false;
            }
        };
        let any = !claims.is_empty();
        for claim in claims {
            let pass = Pass::new(
                self.queue.clone(),
                self.orchestrator.clone(),
                self.settings,
                claim,
                asked,
            );
            passes.spawn(pass.run());
        }
        any
    }
}
