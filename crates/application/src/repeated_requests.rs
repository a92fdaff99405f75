//! Requests that are sent again: what they were refused with is kept for them, too.

use domain::{
    Error, TenantScope,
    idempotency::{Answer, Once},
    ports::{TenantStore, TenantTransaction as _},
};

/// Keeps refusals.
#[derive(Clone, Debug)]
pub struct RepeatedRequests<S> {
    store: S,
}

impl<S: TenantStore> RepeatedRequests<S> {
    /// In `store`.
    pub fn new(store: S) -> Self {
        Self { store }
    }

    /// Keeps the answer to a request of a tenant's member that changed nothing, so that it is answered alike when it is sent
    /// again.
    ///
    /// # Errors
    /// Fails where the store does not answer; the request can as well be decided again.
    pub async fn keep_refusal(
        &self,
        scope: TenantScope,
        once: &Once,
        refusal: &Answer,
    ) -> Result<(), Error> {
        let transaction = self.store.tenant(scope).await?;
        transaction.keep_refusal(once, refusal).await
    }
}
