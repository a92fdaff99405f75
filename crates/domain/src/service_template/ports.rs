//! What templates need from outside.

use std::future::Future;

use uuid::Uuid;

use super::{ServiceTemplate, TemplateFilter};
use crate::{
    Result,
    page::{Page, PageRequest},
    policy::Actor,
};

/// Looks at the templates a tenant may use.
pub trait TemplateReads {
    /// The templates, newest first, and how many there are.
    ///
    /// # Errors
    /// `unauthenticated` where the caller is not active any more.
    fn list_templates(
        &self,
        filter: &TemplateFilter,
        request: PageRequest,
    ) -> impl Future<Output = Result<(Actor, Page<ServiceTemplate>)>> + Send;

    /// The template with this id.
    ///
    /// # Errors
    /// `not_found`, also for one that another tenant keeps to itself.
    fn template(&self, id: Uuid) -> impl Future<Output = Result<(Actor, ServiceTemplate)>> + Send;
}
