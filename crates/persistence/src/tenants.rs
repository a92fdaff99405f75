//! Tenants: one's own, and the platform's list of them.

use chrono::{DateTime, Utc};
use domain::{Error, Plan, TenantId, policy::Actor, tenant::TenantChange};
use entity::tenant::{ActiveModel, Column, Entity, Model};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, DbBackend, EntityTrait, QueryFilter, QueryResult, QuerySelect,
    QueryTrait, Statement, sea_query::Expr,
};

use crate::{
    SystemTx, TenantRead, TenantTx, audit,
    idempotency::Answer,
    page::{self, Page, PageRequest},
    rows::{first, missing, read, timestamp},
};

/// A tenant.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Tenant {
    /// Its identifier.
    pub id: TenantId,
    /// What people call it.
    pub name: String,
    /// Stands for it in addresses.
    pub slug: String,
    /// For people.
    pub description: Option<String>,
    /// A host name that is its own.
    pub domain: Option<String>,
    /// Whether it is not suspended.
    pub is_active: bool,
    /// What it pays for.
    pub plan: Plan,
    /// How many services it may have.
    pub max_services: u32,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

impl TryFrom<Model> for Tenant {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self, Error> {
        let plan = row.plan.ok_or_else(|| missing("plan"))?;
        Ok(Self {
            id: TenantId(row.id),
            name: row.name,
            slug: row.slug,
            description: row.description,
            domain: row.domain,
            is_active: row.is_active.unwrap_or_default(),
            plan: crate::services::plan_of(plan),
            max_services: row
                .max_services
                .and_then(|count| u32::try_from(count).ok())
                .ok_or_else(|| missing("max_services"))?,
            created_at: timestamp(row.created_at)?,
            updated_at: timestamp(row.updated_at)?,
        })
    }
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
        .filter(Column::Id.eq(id.0))
        .into_query();
    DbBackend::Postgres.build(update.returning_all())
}

fn one(rows: &[QueryResult]) -> Result<Tenant, Error> {
    let row: Option<Model> = first(rows)?;
    row.ok_or_else(|| Error::not_found("tenant"))?.try_into()
}

impl TenantRead<'_> {
    /// The caller's tenant.
    ///
    /// # Errors
    /// `unauthenticated` where the caller is not active any more.
    pub async fn own_tenant(&self) -> Result<(Actor, Tenant), Error> {
        let (actor, [rows]) = self
            .fetch([Entity::find().build(DbBackend::Postgres)])
            .await?;
        Ok((actor, one(&rows)?))
    }
}

impl TenantTx {
    /// The caller's tenant, locked until the transaction ends. The first call of a transaction.
    ///
    /// # Errors
    /// `unauthenticated` where the caller is not active any more.
    pub async fn lock_own_tenant(&mut self) -> Result<(Actor, Tenant), Error> {
        let lock = crate::services::lock_tenant();
        let (actor, [rows]) = self.enter([lock]).await?;
        Ok((actor, one(&rows)?))
    }

    /// Changes the tenant, and commits.
    ///
    /// # Errors
    /// `domain_taken`.
    pub async fn update_tenant(self, id: TenantId, change: TenantChange) -> Result<Tenant, Error> {
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

impl SystemTx {
    /// Every tenant, newest first.
    ///
    /// # Errors
    /// Fails where the database does not answer.
    pub async fn list_tenants(&self, request: PageRequest) -> Result<Page<Tenant>, Error> {
        let statements = page::statements(Entity::find(), (Column::CreatedAt, Column::Id), request);
        let [list, count] = self.rows(statements).await?;
        Page::read(&list, &count, request, |row| read::<Model>(row)?.try_into())
    }

    /// The tenant with this id.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn tenant(&self, id: TenantId) -> Result<Tenant, Error> {
        let [rows] = self.rows([by_id(id)]).await?;
        one(&rows)
    }

    /// The tenant with this id, locked until the transaction ends.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn lock_tenant(&self, id: TenantId) -> Result<Tenant, Error> {
        let [rows] = self.rows([locked(id)]).await?;
        one(&rows)
    }

    /// Lets a tenant's members and keys in or keeps them out, records that as `action`, and commits. `answer` is what the
    /// client is told.
    ///
    /// # Errors
    /// Fails where the database does not answer.
    pub async fn set_tenant_active(
        self,
        id: TenantId,
        is_active: bool,
        action: &str,
        answer: impl FnOnce(&Tenant) -> Answer,
    ) -> Result<Tenant, Error> {
        let row = ActiveModel {
            is_active: Set(Some(is_active)),
            ..Default::default()
        };
        let event = audit::event(action, format!("tenants/{id}"), serde_json::json!({}));
        let statements = [updated(id, row), event];
        self.finish_answered(statements, |[rows, _]| one(&rows), answer)
            .await
    }
}
