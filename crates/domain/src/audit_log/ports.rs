//! What the audit trail needs from outside.

use std::{
    fmt::Debug,
    future::Future,
    ops::{Bound, Range},
    time::Duration,
};

use uuid::Uuid;

use super::{AuditLog, AuditLogFilter, AuditLogPlace, Log, Sealed};
use crate::{
    Result, TenantId,
    page::{Page, PageRequest},
    policy::Actor,
};

/// Looks at a tenant's trail, and proves that it is whole. Every call but the proofs says who asks.
pub trait AuditLogReads {
    /// A row in its place in the log, as it was sealed.
    type Leaf: Send;
    /// A node of the log's tree.
    type Hash: Send;

    /// The rows of the trail, newest first, and how many there are.
    ///
    /// # Errors
    /// `unauthenticated` where the caller is not active any more.
    fn list_audit_logs(
        &self,
        filter: &AuditLogFilter,
        request: PageRequest,
    ) -> impl Future<Output = Result<(Actor, Page<AuditLog>)>> + Send;

    /// The row with this id.
    ///
    /// # Errors
    /// `unauthenticated` where the caller is not active any more.
    fn audit_log(&self, id: Uuid)
    -> impl Future<Output = Result<(Actor, Option<AuditLog>)>> + Send;

    /// How many rows are sealed under the newest checkpoint; none where there is no checkpoint yet.
    ///
    /// # Errors
    /// `unauthenticated` where the caller is not active any more.
    fn audit_log_size(&self) -> impl Future<Output = Result<(Actor, u64)>> + Send;

    /// Up to `limit` sealed rows in the order of the log, those with a place in `places`.
    ///
    /// # Errors
    /// `unauthenticated` where the caller is not active any more.
    fn sealed_audit_logs(
        &self,
        filter: &AuditLogFilter,
        places: Range<u64>,
        limit: u64,
    ) -> impl Future<Output = Result<(Actor, Vec<Self::Leaf>)>> + Send;

    /// The place of a row in the log. One that was archived keeps its place.
    ///
    /// # Errors
    /// `unauthenticated` where the caller is not active any more.
    fn audit_log_place(
        &self,
        id: Uuid,
    ) -> impl Future<Output = Result<(Actor, Option<AuditLogPlace>)>> + Send;

    /// That the tree of `tree_size` leaves has a leaf at `leaf_index` (RFC 6962, section 2.1.1), and the leaf's hash.
    ///
    /// # Errors
    /// `unauthenticated` where the caller is not active any more.
    fn audit_inclusion(
        &self,
        leaf_index: u64,
        tree_size: u64,
    ) -> impl Future<Output = Result<(Self::Hash, Vec<Self::Hash>)>> + Send;

    /// That the tree of `to` leaves begins with all of the tree of `from` leaves (RFC 6962, section 2.1.2).
    ///
    /// # Errors
    /// `unauthenticated` where the caller is not active any more.
    fn audit_consistency(
        &self,
        from: u64,
        to: u64,
    ) -> impl Future<Output = Result<Vec<Self::Hash>>> + Send;

    /// The signed head of the log: the newest, or the one of this size.
    ///
    /// # Errors
    /// `unauthenticated` where the caller is not active any more.
    fn audit_checkpoint(
        &self,
        size: Option<u64>,
    ) -> impl Future<Output = Result<(Actor, Option<String>)>> + Send;
}

/// Adds rows of the trail to the logs of their tenants, across tenants.
pub trait AuditSealing: Clone + Send + Sync + 'static {
    /// What a log is sealed with.
    type Seal: Debug + Eq + Send + Sync + 'static;

    /// The keys to check a tenant's checkpoints with, the newest first.
    fn verifier_keys(seal: &Self::Seal, tenant: TenantId) -> Vec<String>;

    /// Some of the logs that rows wait for, from `from` on in the order of their ids; none where there are no more.
    ///
    /// # Errors
    /// Fails where the store does not answer.
    fn waiting_to_be_sealed(
        &self,
        from: Bound<Log>,
    ) -> impl Future<Output = Result<Vec<Log>>> + Send;

    /// Some of the logs whose newest head another key has signed, from `from` on in the order of their ids; none where
    /// there are no more.
    ///
    /// # Errors
    /// Fails where the store does not answer.
    fn sealed_with_another_key(
        &self,
        seal: &Self::Seal,
        from: Bound<Log>,
    ) -> impl Future<Output = Result<Vec<Log>>> + Send;

    /// How long the oldest row has waited that is in no log yet.
    ///
    /// # Errors
    /// Fails where the store does not answer.
    fn unsealed_age(&self) -> impl Future<Output = Result<Duration>> + Send;

    /// Seals rows that wait in these logs, those of each in the order in which they were queued, and signs anew what another
    /// key has signed last. A log that is being sealed already is passed over. One that is not what its head says is
    /// refused, and the others are sealed all the same.
    ///
    /// # Errors
    /// Fails where the store does not answer.
    fn seal(&self, logs: &[Log], seal: &Self::Seal) -> impl Future<Output = Result<Sealed>> + Send;
}
