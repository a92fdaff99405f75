//! Tenants: one's own, and the platform's list of them.

use domain::{
    Error, TenantId,
    audit_log::Event,
    idempotency::Answer,
    page::{Page, PageRequest},
    policy::Actor,
    tenant::{
        Tenant, TenantChange,
        ports::{TenantAdministration, TenantChanges, TenantReads},
    },
};
use entity::tenant::{ActiveModel, COLUMN, Column, Entity, Model};
use postgres_connection::Row;
use sea_orm::{
    ActiveValue::Set, DbBackend, EntityTrait, QueryFilter, QuerySelect, QueryTrait, Statement,
    sea_query::Expr,
};

use crate::{
    SystemTx, TenantRead, TenantTx, audit,
    page::{self, Estimate},
    rows::{first, missing, read, timestamp},
};

fn of_row(row: Model) -> Result<Tenant, Error> {
    let plan = row.plan.ok_or_else(|| missing("plan"))?;
    Ok(Tenant {
        id: TenantId(row.id),
        name: row.name,
        slug: row.slug,
        description: row.description,
        domain: row.domain,
        is_active: row.is_active.unwrap_or_default(),
        plan: plan.0,
        max_services: row
            .max_services
            .and_then(|count| u32::try_from(count).ok())
            .ok_or_else(|| missing("max_services"))?,
        created_at: timestamp(row.created_at)?,
        updated_at: timestamp(row.updated_at)?,
    })
}

fn by_id(id: TenantId) -> Statement {
    Entity::find_by_id(id.0).build(DbBackend::Postgres)
}

fn locked(id: TenantId) -> Statement {
    Entity::find_by_id(id.0)
        .lock_exclusive()
        .build(DbBackend::Postgres)
}

fn updated(id: TenantId, row: ActiveModel) -> Statement {
    let mut update = Entity::update_many()
        .set(row)
        .col_expr(Column::UpdatedAt, Expr::current_timestamp())
        .filter(COLUMN.id.eq(id.0))
        .into_query();
    DbBackend::Postgres.build(update.returning_all())
}

fn one(rows: &[Row]) -> Result<Tenant, Error> {
    let row: Option<Model> = first(rows)?;
    of_row(row.ok_or_else(|| Error::not_found("tenant"))?)
}

impl TenantReads for TenantRead {
    async fn own_tenant(&self) -> Result<(Actor, Tenant), Error> {
        let (actor, [rows]) = self
            .fetch([Entity::find().build(DbBackend::Postgres)])
            .await?;
        Ok((actor, one(&rows)?))
    }
}

impl TenantChanges for TenantTx {
    async fn lock_own_tenant(&mut self) -> Result<(Actor, Tenant), Error> {
        let lock = crate::services::lock_tenant();
        let (actor, [rows]) = self.enter([lock]).await?;
        Ok((actor, one(&rows)?))
    }

    async fn update_tenant(self, id: TenantId, change: TenantChange) -> Result<Tenant, Error> {
        let row = ActiveModel {
            name: change.name.map_or_else(Default::default, Set),
            description: change.description.map_or_else(Default::default, Set),
            domain: change.domain.map_or_else(Default::default, Set),
            ..Default::default()
        };
        let [rows] = self.finish([updated(id, row)]).await?;
        one(&rows)
    }
}

/// How many there were when PostgreSQL looked last.
const TENANTS: Estimate =
    Estimate::Query("SELECT reltuples::bigint FROM pg_class WHERE oid = 'tenants'::regclass");

impl TenantAdministration for SystemTx {
    async fn list_tenants(&self, request: PageRequest) -> Result<Page<Tenant>, Error> {
        let key = (Column::CreatedAt, Column::Id);
        let statements = page::statements(Entity::find(), key, TENANTS, request);
        let [list, count] = self.rows(statements).await?;
        page::read(&list, &count, request, |row| of_row(read(row)?))
    }

    async fn tenant(&self, id: TenantId) -> Result<Tenant, Error> {
        let [rows] = self.rows([by_id(id)]).await?;
        one(&rows)
    }

    async fn lock_tenant(&self, id: TenantId) -> Result<Tenant, Error> {
        let [rows] = self.rows([locked(id)]).await?;
        one(&rows)
    }

    async fn set_tenant_active(
        self,
        id: TenantId,
        is_active: bool,
        action: &str,
        answer: impl FnOnce(&Tenant) -> Answer + Send,
    ) -> Result<Tenant, Error> {
        let row = ActiveModel {
            is_active: Set(Some(is_active)),
            ..Default::default()
        };
        let resource = format!("tenants/{id}");
        let event = audit::event(Event::new(action, resource, serde_json::json!({})));
        let statements = [updated(id, row), event];
        self.finish_answered(statements, |[rows, _]| one(&rows), answer)
            .await
    }
}
