//! Whether secret values can be encrypted yet, which a server waits for and its readiness shows.

use std::sync::{Mutex, PoisonError};

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
