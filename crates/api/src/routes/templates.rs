//! `/templates`: what services can be made from.

use actix_web::{
    HttpResponse,
    web::{Data, Query},
};
use chrono::{DateTime, Utc};
use domain::service_template::{ServiceTemplate, TemplateFilter};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{
    entity_tag::tagged,
    paging::{self, PageQuery},
};
use crate::{
    extract::{Id, Member},
    problem::Problem,
    query::parameter,
    schemas,
    server::App,
};

/// Which templates to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// Filed under this.
    #[param(nullable = false)]
    category: Option<String>,
    /// For services of this type.
    #[param(schema_with = schemas::service_type)]
    r#type: Option<String>,
    /// With this tag.
    #[param(nullable = false)]
    tag: Option<String>,
    /// With this text in the name or the description, in any case.
    #[param(nullable = false)]
    q: Option<String>,
}

/// A configuration to make services from.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Template)]
pub struct TemplateView<'template> {
    id: Uuid,
    name: &'template str,
    /// What kind of service it makes.
    #[schema(schema_with = schemas::service_type)]
    r#type: domain::ServiceType,
    /// For people.
    #[schema(required = true)]
    description: Option<&'template str>,
    /// The name of a picture, for people.
    #[schema(required = true)]
    icon: Option<&'template str>,
    /// What it is filed under.
    #[schema(required = true)]
    category: Option<&'template str>,
    /// What else it is found by.
    tags: &'template [String],
    /// A service's configuration, with `{{VARIABLES}}` left to fill.
    #[schema(required = true, value_type = Option<Object>)]
    config: Option<&'template Value>,
    /// Whether every tenant sees it.
    is_public: bool,
    /// The user who made it.
    #[schema(value_type = Uuid)]
    created_by: domain::UserId,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// A part of the templates, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct TemplateList<'template> {
    templates: Vec<TemplateView<'template>>,
    /// How many there are on all pages: exactly, up to 1,000; above that an estimate, at least 1,001.
    total: u64,
    /// Whether `total` is no estimate, as it never is with `total=exact`.
    total_is_exact: bool,
    /// For the next page, if there is one.
    #[schema(required = true)]
    next_cursor: Option<String>,
}

fn view(template: &ServiceTemplate) -> TemplateView<'_> {
    TemplateView {
        id: template.id,
        name: &template.name,
        r#type: template.service_type,
        description: template.description.as_deref(),
        icon: template.icon.as_deref(),
        category: template.category.as_deref(),
        tags: &template.tags,
        config: template.config.as_ref(),
        is_public: template.is_public,
        created_by: template.created_by,
        created_at: template.created_at,
        updated_at: template.updated_at,
    }
}

/// List the templates the tenant may use
#[utoipa::path(get, path = "/api/v1/templates", tag = "templates", params(PageQuery, ListQuery), responses(
    (status = 200, description = "A page of them.", body = TemplateList),
))]
pub async fn list(
    app: Data<App>,
    Member(scope): Member,
    asked: Query<PageQuery>,
    query: Query<ListQuery>,
) -> Result<HttpResponse, Problem> {
    let request = asked.request()?;
    let filter = TemplateFilter {
        category: query.category.clone(),
        service_type: parameter("type", query.r#type.as_deref())?,
        tag: query.tag.clone(),
        text: query.q.clone().filter(|text| !text.is_empty()),
    };
    let page = app.templates.list(scope, &filter, request).await?;
    Ok(HttpResponse::Ok().json(TemplateList {
        templates: page.items.iter().map(view).collect(),
        total: page.total,
        total_is_exact: page.total_is_exact,
        next_cursor: page.next.map(paging::cursor),
    }))
}

/// Read a template
#[utoipa::path(get, path = "/api/v1/templates/{id}", tag = "templates", params(("id" = Uuid, Path)), responses(
    (status = 200, description = "The template.", body = TemplateView,
        headers(("ETag" = String, description = "Its version."))),
))]
pub async fn read(
    app: Data<App>,
    Member(scope): Member,
    Id(id): Id,
) -> Result<HttpResponse, Problem> {
    let template = app.templates.read(scope, id).await?;
    Ok(tagged(HttpResponse::Ok(), &view(&template)))
}
