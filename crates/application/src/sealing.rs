//! Sealing the audit trail beside the requests: every few seconds, on every server, until nothing waits; of several, one at
//! a time works on a tenant's log, and the others go on with the next.

use std::{ops::Bound, sync::Arc, time::Duration};

use domain::{Error, audit_log::ports::AuditSealing};
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

const AGE: &str = "nomad_services_audit_unsealed_age_seconds";
const ROWS: &str = "nomad_services_audit_sealed_rows_total";
const FAILURES: &str = "nomad_services_audit_seal_failures_total";

/// Says what this module counts.
pub fn describe() {
    metrics::describe_gauge!(
        AGE,
        metrics::Unit::Seconds,
        "How long the oldest row of the audit trail that is not sealed has waited."
    );
    metrics::describe_counter!(ROWS, "Rows of the audit trail that this server has sealed.");
    metrics::describe_counter!(
        FAILURES,
        "Logs that could not be sealed: the database did not answer, or a log is not what its head says."
    );
}

/// Seals what waits, every `pause`, until `stop` is cancelled. `read` reads the keys, and reads them again each time: a new
/// one signs from then on, and signs anew what an old one has signed last, so that the old one can go.
pub async fn run<S: AuditSealing>(
    store: S,
    current: watch::Sender<Option<Arc<S::Seal>>>,
    read: impl Fn() -> Result<S::Seal, String>,
    pause: Duration,
    stop: CancellationToken,
) {
    let mut pauses = interval(pause);
    pauses.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut sealer = Sealer {
        store,
        current,
        read,
        resigned: false,
        looked: Instant::now(),
        age: Duration::ZERO,
    };
    let mut more = false;
    loop {
        if !more {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = pauses.tick() => {}
            }
        }
        more = tokio::select! {
            () = stop.cancelled() => return,
            more = sealer.pass() => more,
        };
    }
}

/// Which logs a walk through all of them stops at.
#[derive(Clone, Copy)]
enum Which {
    /// Those that rows wait for.
    Waiting,
    /// Those whose newest head another key has signed.
    SignedWithAnotherKey,
}

/// What came of a walk.
struct Walked {
    /// Nothing was refused, and the store answered.
    well: bool,
    /// Rows wait that were more than could be taken at once.
    more: bool,
}

struct Sealer<S: AuditSealing, Read> {
    store: S,
    current: watch::Sender<Option<Arc<S::Seal>>>,
    read: Read,
    /// Whether every log's head is signed with the key that signs now.
    resigned: bool,
    looked: Instant,
    age: Duration,
}

impl<S: AuditSealing, Read: Fn() -> Result<S::Seal, String>> Sealer<S, Read> {
    /// Whether more waits than was taken.
    async fn pass(&mut self) -> bool {
        let Some(seal) = self.seal() else {
            return false;
        };
        if !self.resigned {
            self.resigned = self.walk(Which::SignedWithAnotherKey, &seal).await.well;
        }
        let walked = self.walk(Which::Waiting, &seal).await;
        self.show_age().await;
        walked.more
    }

    /// What to seal with now. Keys that can't be read any more are those that were read last.
    fn seal(&mut self) -> Option<Arc<S::Seal>> {
        let before = self.current.borrow().clone();
        match (self.read)() {
            Ok(seal) if before.as_deref() == Some(&seal) => before,
            Ok(seal) => {
                self.resigned = false;
                let seal = Arc::new(seal);
                self.current.send_replace(Some(seal.clone()));
                Some(seal)
            }
            Err(reason) => {
                tracing::warn!(reason, "the keys of the audit logs can't be read again");
                before
            }
        }
    }

    /// Seals group after group of logs, each once, so that nobody's rows wait for all of somebody else's.
    async fn walk(&self, which: Which, seal: &S::Seal) -> Walked {
        let mut walked = Walked {
            well: true,
            more: false,
        };
        let mut from = Bound::Unbounded;
        loop {
            let found = match which {
                Which::Waiting => self.store.waiting_to_be_sealed(from).await,
                Which::SignedWithAnotherKey => self.store.sealed_with_another_key(seal, from).await,
            };
            let logs = found.unwrap_or_else(|error| {
                failed(&error, "what is to be sealed can't be looked up");
                walked.well = false;
                Vec::new()
            });
            let Some(last) = logs.last() else {
                return walked;
            };
            from = Bound::Excluded(*last);
            match self.store.seal(&logs, seal).await {
                Ok(sealed) => {
                    metrics::counter!(ROWS).increment(sealed.rows);
                    for error in &sealed.refused {
                        failed(error, "an audit log can't be sealed");
                    }
                    walked.well &= sealed.refused.is_empty();
                    walked.more |= sealed.more;
                }
                Err(error) => {
                    failed(&error, "audit logs can't be sealed");
                    walked.well = false;
                }
            }
        }
    }

    /// How old what is left after a pass is, or at most can be where nobody can tell.
    async fn show_age(&mut self) {
        if let Ok(age) = self.store.unsealed_age().await {
            (self.looked, self.age) = (Instant::now(), age);
        }
        let age = self.age + self.looked.elapsed();
        metrics::gauge!(AGE).set(age.as_secs_f64());
    }
}

fn failed(error: &Error, what: &'static str) {
    metrics::counter!(FAILURES).increment(1);
    tracing::error!(cause = ?error, "{what}");
}
