//! Whether a server can serve: what was seen last of what it depends on.

use std::sync::{Mutex, PoisonError};

use application::Reachability;

/// What serving depends on.
#[derive(Debug, Default)]
pub struct Readiness {
    /// Holds everything: nothing works without it.
    pub database: Reachability,
    /// Runs the services: without it all else works.
    pub nomad: Reachability,
    /// Whether secret values can be encrypted.
    pub encryption: Encryption,
}

/// Whether secret values can be encrypted, or why not.
#[derive(Debug, Default)]
pub struct Encryption(Mutex<Option<String>>);

impl Encryption {
    /// Why it is not possible now.
    pub fn refusal(&self) -> Option<String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Keeps why it is not possible, and says whether that is news.
    pub(crate) fn refuse(&self, reason: &str) -> bool {
        let mut refusal = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = refusal.replace(reason.to_owned());
        before.as_deref() != Some(reason)
    }

    pub(crate) fn accept(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
