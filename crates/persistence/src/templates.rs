//! Templates of services: everybody's public ones, and those of the caller's tenant.

use domain::{
    Error, UserId,
    page::{Page, PageRequest},
    policy::Actor,
    secret::{Holder, mask},
    service_template::{ServiceTemplate, TemplateFilter, ports::TemplateReads},
};
use entity::{
    Stored,
    service_template::{COLUMN, Column, Entity, Model},
};
use postgres_connection::Row;
use sea_orm::{
    ColumnTrait, Condition, DbBackend, EntityTrait, QueryFilter, QueryTrait,
    prelude::Uuid,
    sea_query::{Expr, extension::postgres::PgExpr},
};

use crate::{
    TenantRead,
    page::{self, Estimate},
    rows::{missing, read, timestamp},
    services::containing,
};

fn template(row: &Row) -> Result<ServiceTemplate, Error> {
    let row: Model = read(row)?;
    Ok(ServiceTemplate {
        id: row.id,
        name: row.name,
        service_type: row.r#type.0,
        description: row.description,
        icon: row.icon,
        category: row.category,
        tags: row.tags.unwrap_or_default(),
        config: row.config.map(|mut config| {
            mask(&mut config, Holder::Template);
            config
        }),
        is_public: row.is_public.ok_or_else(|| missing("is_public"))?,
        created_by: UserId(row.created_by),
        created_at: timestamp(row.created_at)?,
        updated_at: timestamp(row.updated_at)?,
    })
}

impl TemplateReads for TenantRead {
    async fn list_templates(
        &self,
        filter: &TemplateFilter,
        request: PageRequest,
    ) -> Result<(Actor, Page<ServiceTemplate>), Error> {
        let select = Entity::find().filter(condition(filter));
        let key = (Column::CreatedAt, Column::Id);
        let statements = page::statements(select, key, Estimate::AtLeast, request);
        let (actor, [list, count]) = self.fetch(statements).await?;
        let page = page::read(&list, &count, request, template)?;
        Ok((actor, page))
    }

    async fn template(&self, id: Uuid) -> Result<(Actor, ServiceTemplate), Error> {
        let find = Entity::find_by_id(id).build(DbBackend::Postgres);
        let (actor, [rows]) = self.fetch([find]).await?;
        let row = rows.first().ok_or_else(|| Error::not_found("template"))?;
        Ok((actor, template(row)?))
    }
}

fn condition(filter: &TemplateFilter) -> Condition {
    Condition::all()
        .add_option(
            filter
                .category
                .as_deref()
                .map(|category| COLUMN.category.eq(category)),
        )
        .add_option(
            filter
                .service_type
                .map(|wanted| COLUMN.r#type.eq(Stored(wanted))),
        )
        .add_option(
            filter
                .tag
                .as_ref()
                .map(|tag| Expr::col(Column::Tags).contains(vec![tag.clone()])),
        )
        .add_option(filter.text.as_deref().map(containing).map(|pattern| {
            Condition::any()
                .add(COLUMN.name.ilike(pattern.clone()))
                .add(COLUMN.description.ilike(pattern))
        }))
}
