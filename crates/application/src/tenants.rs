//! One's own tenant, and what platform administrators do with all of them.

use domain::{
    Acting, Caller, Error, TenantId, TenantScope,
    idempotency::{Answer, Once},
    page::{Page, PageRequest},
    policy::{Action, Resource, authorise},
    ports::{SystemStore, TenantStore, Transaction as _},
    tenant::{
        Tenant, TenantChange,
        ports::{TenantAdministration, TenantChanges, TenantReads},
    },
};

use crate::administration;

/// What is done with tenants.
#[derive(Clone, Debug)]
pub struct Tenants<S> {
    store: S,
}

impl<S> Tenants<S> {
    /// Those in `store`.
    pub fn new(store: S) -> Self {
        Self { store }
    }
}

impl<S: TenantStore<Read: TenantReads, Transaction: TenantChanges>> Tenants<S> {
    /// The caller's tenant.
    ///
    /// # Errors
    /// `forbidden` for anybody but the tenant's administrators.
    pub async fn read_own(&self, scope: TenantScope) -> Result<Tenant, Error> {
        let (actor, tenant) = self.store.read(scope).own_tenant().await?;
        authorise(&actor, Action::Read, Resource::Tenant(tenant.id))?;
        Ok(tenant)
    }

    /// Changes the caller's tenant; `change` reads the change against the tenant as it is, and refuses a stale one.
    ///
    /// # Errors
    /// `forbidden`, `domain_taken`, and whatever `change` answers.
    pub async fn update_own(
        &self,
        scope: TenantScope,
        change: impl FnOnce(&Tenant) -> Result<TenantChange, Error>,
    ) -> Result<Tenant, Error> {
        let mut transaction = self.store.tenant(scope).await?;
        let (actor, tenant) = transaction.lock_own_tenant().await?;
        authorise(&actor, Action::Update, Resource::Tenant(tenant.id))?;
        let change = change(&tenant)?;
        transaction.update_tenant(tenant.id, change).await
    }
}

impl<S: SystemStore<Transaction: TenantAdministration>> Tenants<S> {
    /// Every tenant.
    ///
    /// # Errors
    /// `forbidden` for anybody but a platform administrator.
    pub async fn list(&self, caller: &Caller, request: PageRequest) -> Result<Page<Tenant>, Error> {
        let resource = Resource::PlatformTenants;
        let transaction =
            administration::enter(&self.store, caller, Action::Read, resource).await?;
        let page = transaction.list_tenants(request).await?;
        transaction.commit().await?;
        Ok(page)
    }

    /// One tenant.
    ///
    /// # Errors
    /// `forbidden` for anybody but a platform administrator, `not_found`.
    pub async fn read(&self, caller: &Caller, id: TenantId) -> Result<Tenant, Error> {
        let resource = Resource::PlatformTenants;
        let transaction =
            administration::enter(&self.store, caller, Action::Read, resource).await?;
        let tenant = transaction.tenant(id).await?;
        transaction.commit().await?;
        Ok(tenant)
    }

    /// Keeps everybody out of a tenant from the next request on, members and keys, or lets them in again: `action` says which.
    /// What runs goes on running.
    ///
    /// # Errors
    /// `forbidden` for anybody but a platform administrator, `not_found`, those of
    /// [`Transaction::once`](domain::ports::Transaction::once)(persistence::SystemTx::once), and whatever `check` answers.
    pub async fn set_active(
        &self,
        caller: &Caller,
        once: Option<&Once>,
        (id, action): (TenantId, Action),
        check: impl FnOnce(&Tenant) -> Result<(), Error>,
        answer: impl FnOnce(&Tenant) -> Answer + Send,
    ) -> Result<Tenant, Error> {
        // The tenant's own audit trail shows it.
        let acting = Acting {
            tenant: Some(id),
            ..caller.acting()
        };
        let resource = Resource::PlatformTenants;
        let mut transaction =
            administration::enter_as(&self.store, caller, &acting, action, resource).await?;
        transaction.once(once).await?;
        let tenant = transaction.lock_tenant(id).await?;
        check(&tenant)?;
        let is_active = action == Action::Resume;
        let event = if is_active {
            "tenant.resume"
        } else {
            "tenant.suspend"
        };
        transaction
            .set_tenant_active(id, is_active, event, answer)
            .await
    }
}
