//! Sealing the audit trail beside the requests: every few seconds, on every server; of several, one at a time works on a
//! tenant's log.

use std::{sync::Arc, time::Duration};

use domain::{
    Error,
    audit_log::{Log, ports::AuditSealing},
};
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
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = pauses.tick() => {}
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = sealer.pass() => {}
        }
    }
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
    async fn pass(&mut self) {
        let Some(seal) = self.seal() else { return };
        if !self.resigned {
            self.resigned = self.sign_anew(&seal).await;
        }
        match self.store.waiting_to_be_sealed().await {
            Ok(waiting) => {
                self.looked = Instant::now();
                self.age = waiting.age;
                for log in waiting.logs {
                    self.seal_all(log, &seal).await;
                }
            }
            Err(error) => failed(&error, "what waits to be sealed can't be looked up"),
        }
        self.show_age().await;
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

    /// Signs again what another key has signed last, so that it need not be kept. Whether all of it was.
    async fn sign_anew(&self, seal: &S::Seal) -> bool {
        let logs = match self.store.sealed_with_another_key(seal).await {
            Ok(logs) => logs,
            Err(error) => {
                failed(&error, "the heads of the audit logs can't be looked up");
                return false;
            }
        };
        let mut all = true;
        for log in logs {
            all &= self.seal_all(log, seal).await;
        }
        all
    }

    /// Seals all that waits in one log, batch after batch. Whether that went well.
    async fn seal_all(&self, log: Log, seal: &S::Seal) -> bool {
        loop {
            match self.store.seal(log, seal).await {
                Ok((rows, more)) => {
                    metrics::counter!(ROWS).increment(rows);
                    if !more {
                        return true;
                    }
                }
                Err(error) => {
                    failed(&error, "an audit log can't be sealed");
                    return false;
                }
            }
        }
    }

    /// What is left after a pass, or at most what could be where nobody can tell.
    async fn show_age(&mut self) {
        let age = match self.store.waiting_to_be_sealed().await {
            Ok(waiting) => waiting.age,
            Err(_) => self.age + self.looked.elapsed(),
        };
        metrics::gauge!(AGE).set(age.as_secs_f64());
    }
}

fn failed(error: &Error, what: &'static str) {
    metrics::counter!(FAILURES).increment(1);
    tracing::error!(cause = ?error, "{what}");
}
