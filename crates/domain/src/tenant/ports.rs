//! What tenants need from outside.

use std::future::Future;

use super::{Tenant, TenantChange};
use crate::{
    Result, TenantId,
    idempotency::Answer,
    page::{Page, PageRequest},
    policy::Actor,
    ports::SystemTransaction,
};

/// Looks at one's own tenant.
pub trait TenantReads {
    /// The caller's tenant.
    ///
    /// # Errors
    /// `unauthenticated` where the caller is not active any more.
    fn own_tenant(&self) -> impl Future<Output = Result<(Actor, Tenant)>> + Send;
}

/// Changes one's own tenant.
pub trait TenantChanges: Sized {
    /// The caller's tenant, locked until the transaction ends. The first call of a transaction.
    ///
    /// # Errors
    /// `unauthenticated` where the caller is not active any more.
    fn lock_own_tenant(&mut self) -> impl Future<Output = Result<(Actor, Tenant)>> + Send;

    /// Changes the tenant, and commits.
    ///
    /// # Errors
    /// `domain_taken`.
    fn update_tenant(
        self,
        id: TenantId,
        change: TenantChange,
    ) -> impl Future<Output = Result<Tenant>> + Send;
}

/// What platform administrators do with tenants.
pub trait TenantAdministration: SystemTransaction {
    /// Every tenant, newest first.
    ///
    /// # Errors
    /// Fails where the store does not answer.
    fn list_tenants(
        &self,
        request: PageRequest,
    ) -> impl Future<Output = Result<Page<Tenant>>> + Send;

    /// The tenant with this id.
    ///
    /// # Errors
    /// `not_found`.
    fn tenant(&self, id: TenantId) -> impl Future<Output = Result<Tenant>> + Send;

    /// The tenant with this id, locked until the transaction ends.
    ///
    /// # Errors
    /// `not_found`.
    fn lock_tenant(&self, id: TenantId) -> impl Future<Output = Result<Tenant>> + Send;

    /// Lets a tenant's members and keys in or keeps them out, records that as `action`, and commits. `answer` is what the
    /// client is told.
    ///
    /// # Errors
    /// Fails where the store does not answer.
    fn set_tenant_active(
        self,
        id: TenantId,
        is_active: bool,
        action: &str,
        answer: impl FnOnce(&Tenant) -> Answer + Send,
    ) -> impl Future<Output = Result<Tenant>> + Send;
}
