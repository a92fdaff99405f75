//! Looking for a template to make a service from.

use domain::{
    Error, TenantScope,
    page::{Page, PageRequest},
    policy::{Action, Resource, authorise},
    ports::TenantStore,
    service_template::{ServiceTemplate, TemplateFilter, ports::TemplateReads},
};
use uuid::Uuid;

/// What is done with templates.
#[derive(Clone, Debug)]
pub struct Templates<S> {
    store: S,
}

impl<S> Templates<S> {
    /// Those in `store`.
    pub fn new(store: S) -> Self {
        Self { store }
    }
}

impl<S: TenantStore<Read: TemplateReads>> Templates<S> {
    /// The templates the caller's tenant may use.
    ///
    /// # Errors
    /// `unauthenticated` where the caller is not active any more.
    pub async fn list(
        &self,
        scope: TenantScope,
        filter: &TemplateFilter,
        request: PageRequest,
    ) -> Result<Page<ServiceTemplate>, Error> {
        let tenant = scope.tenant;
        let read = self.store.read(scope);
        let (actor, page) = read.list_templates(filter, request).await?;
        authorise(&actor, Action::Read, Resource::Templates(tenant))?;
        Ok(page)
    }

    /// One template.
    ///
    /// # Errors
    /// `not_found`, also for one that another tenant keeps to itself.
    pub async fn read(&self, scope: TenantScope, id: Uuid) -> Result<ServiceTemplate, Error> {
        let tenant = scope.tenant;
        let (actor, template) = self.store.read(scope).template(id).await?;
        authorise(&actor, Action::Read, Resource::Templates(tenant))?;
        Ok(template)
    }
}
