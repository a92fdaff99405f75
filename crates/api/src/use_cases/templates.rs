//! Looking for a template to make a service from.

use domain::{
    Error,
    policy::{Action, Resource, authorise},
    service_template::ServiceTemplate,
};
use persistence::{
    TenantScope,
    page::{Page, PageRequest},
    templates::TemplateFilter,
};
use uuid::Uuid;

use crate::state::State;

/// The templates the caller's tenant may use.
///
/// # Errors
/// `unauthenticated` where the caller is not active any more.
pub async fn list(
    state: &State,
    scope: TenantScope,
    filter: &TemplateFilter,
    request: PageRequest,
) -> Result<Page<ServiceTemplate>, Error> {
    let tenant = scope.tenant;
    let read = state.database.read(scope);
    let (actor, page) = read.list_templates(filter, request).await?;
    authorise(&actor, Action::Read, Resource::Templates(tenant))?;
    Ok(page)
}

/// One template.
///
/// # Errors
/// `not_found`, also for one that another tenant keeps to itself.
pub async fn read(state: &State, scope: TenantScope, id: Uuid) -> Result<ServiceTemplate, Error> {
    let tenant = scope.tenant;
    let (actor, template) = state.database.read(scope).template(id).await?;
    authorise(&actor, Action::Read, Resource::Templates(tenant))?;
    Ok(template)
}
