//! What is to happen later: one heap for the whole simulator, so that ten thousand jobs cost ten thousand entries and not
//! as many tasks.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

/// A thing whose time has come. Each names what it is about by id: when that is gone meanwhile, nothing happens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// The scheduler takes up an evaluation.
    Evaluate(Uuid),
    /// The node notices an allocation and starts its tasks.
    Begin(Uuid),
    /// The node notices that an allocation shall stop.
    End(Uuid),
    /// The node notices that it shall watch the health of a running allocation anew.
    Watch(Uuid),
    /// The node tells the server what became of an allocation.
    Publish(Uuid),
    /// The restart delay of a task is over.
    RestartTask { allocation: Uuid, task: String },
    /// An allocation may have been up for long enough; `watch` and `restarts` tell this wait from earlier ones.
    Healthy {
        allocation: Uuid,
        watch: u64,
        restarts: u64,
    },
    /// An allocation had until now to become healthy.
    HealthyDeadline { allocation: Uuid, watch: u64 },
    /// A service check is due.
    Check { allocation: Uuid, check: usize },
    /// The watcher looks at a deployment.
    WatchDeployment(Uuid),
    /// The watcher gives a deployment up if it cannot succeed any more.
    JudgeDeployment(Uuid),
    /// A deployment had until now to make progress.
    ProgressDeadline(Uuid),
}

#[derive(Debug, Default)]
pub struct Timers {
    heap: BinaryHeap<Reverse<(Instant, u64, Timer)>>,
    sequence: u64,
}

impl Timers {
    pub fn after(&mut self, delay: Duration, timer: Timer) {
        self.sequence += 1;
        self.heap
            .push(Reverse((Instant::now() + delay, self.sequence, timer)));
    }

    pub fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((instant, ..))| *instant)
    }

    /// Takes the earliest timer that is due at `now`.
    pub fn due(&mut self, now: Instant) -> Option<Timer> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse((_, _, timer))| timer)
    }

    pub fn clear(&mut self) {
        self.heap.clear();
    }
}
