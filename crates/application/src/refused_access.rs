//! Recording that somebody who is known was refused. Their own transaction was rolled back, so this is another.

use domain::{
    Acting, Error, SystemPurpose,
    audit_log::Event,
    ports::{SystemStore, Transaction as _},
};
use serde_json::json;

/// Records refusals.
#[derive(Clone, Debug)]
pub struct RefusedAccess<S> {
    store: S,
}

impl<S: SystemStore> RefusedAccess<S> {
    /// In `store`.
    pub fn new(store: S) -> Self {
        Self { store }
    }

    /// Records that `acting` was refused to do something (`method`) to `resource`.
    ///
    /// # Errors
    /// Fails where the store does not answer.
    pub async fn record(
        &self,
        acting: &Acting,
        method: &str,
        resource: String,
    ) -> Result<(), Error> {
        let transaction = self.store.system(SystemPurpose::Refusal, acting).await?;
        let event = Event::new("access.refused", resource, json!({"method": method}));
        transaction.record(event).await
    }
}
