//! What the audit trail needs from outside.

use std::{fmt::Debug, future::Future, ops::Range};

use uuid::Uuid;

use super::{AuditLog, AuditLogFilter, AuditLogPlace, Log, Waiting};
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

    /// What has still to be sealed.
    ///
    /// # Errors
    /// Fails where the store does not answer.
    fn waiting_to_be_sealed(&self) -> impl Future<Output = Result<Waiting>> + Send;

    /// The logs whose newest head another key has signed.
    ///
    /// # Errors
    /// Fails where the store does not answer.
    fn sealed_with_another_key(
        &self,
        seal: &Self::Seal,
    ) -> impl Future<Output = Result<Vec<Log>>> + Send;

    /// Seals rows that wait in one log; how many, and whether more wait.
    ///
    /// # Errors
    /// Fails where the store does not answer, or where a log is not what its head says.
    fn seal(&self, log: Log, seal: &Self::Seal)
    -> impl Future<Output = Result<(u64, bool)>> + Send;
}
