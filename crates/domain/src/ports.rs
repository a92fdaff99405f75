//! Ways into the store: as a tenant's member, or, loudly, across tenants. What may be asked there stands in the `ports` of each
//! resource: a transaction implements them all, and a use case names in its bounds those that it uses. Whatever is read
//! together is one round trip, and a change carries its checks, the answer that is kept for its key, and its end.

use std::future::Future;

use crate::{
    Acting, Credential, Result, SystemPurpose, TenantScope,
    audit_log::Event,
    idempotency::{Answer, Once},
    policy::Actor,
};

/// Changes that take effect together, or not at all: one that is dropped leaves nothing behind.
pub trait Transaction: Send + Sized {
    /// Makes this the only transaction that answers the request, where it carries a key. Costs a round trip then.
    ///
    /// # Errors
    /// `idempotency_key_in_use` while another answers it, `idempotency_key_reused` for a key of another request, and the
    /// error that [`replayed`](crate::idempotency::replayed) recognises for a request that was answered.
    fn once(&mut self, once: Option<&Once>) -> impl Future<Output = Result<()>> + Send;

    /// Records an event, and makes all that was done last.
    ///
    /// # Errors
    /// Fails where the store can't be asked; whether it took effect is then unknown.
    fn record(self, event: Event) -> impl Future<Output = Result<()>> + Send;

    /// Makes all that was done last.
    ///
    /// # Errors
    /// As [`record`](Self::record).
    fn commit(self) -> impl Future<Output = Result<()>> + Send;
}

/// A transaction of a tenant's member: it sees that tenant alone.
pub trait TenantTransaction: Transaction {
    /// Who calls, as they stand at this moment.
    ///
    /// # Errors
    /// `unauthenticated` where the caller, its session or key, or the tenant is not active any more; `network_not_allowed`.
    fn caller(&mut self) -> impl Future<Output = Result<Actor>> + Send;

    /// As [`once`](Transaction::once), in the round trip of what is asked next: that reads and locks what the change is decided by,
    /// and answers with the errors of both.
    fn begin_once(&mut self, once: Option<&Once>);

    /// Keeps the answer to a request that changed nothing, and commits.
    ///
    /// # Errors
    /// As [`once`](Transaction::once).
    fn keep_refusal(self, once: &Once, answer: &Answer) -> impl Future<Output = Result<()>> + Send;
}

/// A transaction across tenants.
pub trait SystemTransaction: Transaction {
    /// Somebody who is known, as they stand at this moment.
    ///
    /// # Errors
    /// As [`TenantTransaction::caller`].
    fn caller(
        &self,
        acting: &Acting,
        credential: &Credential,
    ) -> impl Future<Output = Result<Actor>> + Send;
}

/// Opens what a tenant's members do.
pub trait TenantStore: Clone + Send + Sync + 'static {
    /// Reads, each with the caller's standing in one round trip.
    type Read: Send + Sync;
    /// Changes.
    type Transaction: TenantTransaction;

    /// For reads that change nothing. Nothing is sent yet.
    fn read(&self, scope: TenantScope) -> Self::Read;

    /// For changes. Nothing is sent before the first of them.
    ///
    /// # Errors
    /// Unavailable where the store has no room in time.
    fn tenant(&self, scope: TenantScope) -> impl Future<Output = Result<Self::Transaction>> + Send;
}

/// Opens what is done across tenants.
pub trait SystemStore: Clone + Send + Sync + 'static {
    /// Reads and changes.
    type Transaction: SystemTransaction;

    /// For one of a few named purposes, on behalf of `acting`.
    ///
    /// # Errors
    /// Unavailable where the store has no room in time.
    fn system(
        &self,
        purpose: SystemPurpose,
        acting: &Acting,
    ) -> impl Future<Output = Result<Self::Transaction>> + Send;
}

/// Something the product depends on, which may be away.
pub trait Reachable: Send + Sync {
    /// Whether it answers.
    ///
    /// # Errors
    /// Says, for people, what is wrong with it.
    fn reach(&self) -> impl Future<Output = Result<()>> + Send;
}

/// Removes what has expired, across tenants.
pub trait Retention: SystemTransaction {
    /// Removes the answers that are too old to be given again, and commits; how many there were.
    ///
    /// # Errors
    /// Fails where the store does not answer.
    fn remove_expired_answers(self) -> impl Future<Output = Result<u64>> + Send;

    /// Removes the attempts to sign in that are forgotten, and commits; for how many accounts and networks there were any.
    ///
    /// # Errors
    /// Fails where the store does not answer.
    fn remove_forgotten_attempts(self) -> impl Future<Output = Result<u64>> + Send;
}
