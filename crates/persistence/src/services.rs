//! Services of the caller's tenant. What is read together is read in one round trip.

use std::{sync::LazyLock, time::Duration};

use domain::{
    Error, Service, ServiceId, TenantId, UserId,
    deployment::Phase,
    idempotency::Answer,
    page::{Page, PageRequest},
    policy::Actor,
    secret::ShownConfig,
    service::{
        Admission, NewService, OpenService, ServiceFilter, ServicePatch,
        ports::{ServiceChanges, ServiceReads},
    },
};
use entity::{Stored, service, tenant};
use postgres_connection::Row;
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, Condition, DbBackend, EntityTrait, Insert, QueryFilter, QuerySelect, QueryTrait,
    Statement,
    prelude::Uuid,
    sea_query::{Expr, LockType},
};

use crate::{
    TenantRead, TenantTx,
    admission::{self, admission, may_run},
    encryption::{StoredConfig, TenantKeys, key_statements, service_row},
    page::{self, Estimate, FirstPage},
    rows::{JsonText, column, missing, timestamp},
};

/// A service that was ever started may have left something in Nomad.
const DELETE_SERVICE: &str = concat!(
    "WITH purge AS ( \
         INSERT INTO deployment_tasks (tenant_id, service_id, action, nomad_namespace, nomad_job_id, phase, deadline_at, \
             cpu, memory, disk) \
         SELECT last.tenant_id, last.service_id, 'purge', last.nomad_namespace, last.nomad_job_id, $2, \
             CURRENT_TIMESTAMP + make_interval(secs => $3), run.cpu, run.memory, run.disk \
         FROM services service JOIN deployment_tasks last ON last.service_id = service.id \
             LEFT JOIN LATERAL (",
    may_run!(),
    ") run ON true \
         WHERE service.id = $1 ORDER BY last.created_at DESC LIMIT 1 \
     ) DELETE FROM services WHERE id = $1"
);

/// Nobody who only looks at a service needs its secret values, or the keys to them.
fn service(row: &Row) -> Result<Service, Error> {
    let stored: Option<JsonText<'_>> = column(row, "config")?;
    let JsonText(stored) = stored.ok_or_else(|| missing("config"))?;
    let (of, status): (&str, Option<&str>) = (column(row, "type")?, column(row, "status")?);
    let status = status.ok_or_else(|| missing("status"))?;
    let tenant: Option<Uuid> = column(row, "tenant_id")?;
    Ok(Service {
        id: ServiceId(column(row, "id")?),
        tenant_id: TenantId(tenant.ok_or_else(|| missing("tenant"))?),
        name: column(row, "name")?,
        service_type: of.parse().map_err(|_| unknown("type", of))?,
        status: status.parse().map_err(|_| unknown("status", status))?,
        description: column(row, "description")?,
        config: ShownConfig::of_stored(stored)?,
        created_by: UserId(column(row, "created_by")?),
        created_at: timestamp(column(row, "created_at")?)?,
        updated_at: timestamp(column(row, "updated_at")?)?,
    })
}

fn unknown(what: &str, value: &str) -> Error {
    Error::internal(format!("a service has the {what} {value}"))
}

pub(crate) fn one(rows: &[Row]) -> Result<Service, Error> {
    service(rows.first().ok_or_else(|| Error::not_found("service"))?)
}

pub(crate) fn one_open(
    rows: &[Row],
    keys: &TenantKeys,
) -> Result<OpenService<StoredConfig>, Error> {
    let found = rows.first().ok_or_else(|| Error::not_found("service"))?;
    let service = service(found)?;
    let stored: Option<serde_json::Value> = column(found, "config")?;
    let stored = stored.ok_or_else(|| missing("config"))?;
    let row = service_row(service.tenant_id, service.id);
    Ok(OpenService {
        service,
        config: StoredConfig::new(row, stored, keys.clone()),
    })
}

impl ServiceReads for TenantRead {
    async fn list_services(
        &self,
        filter: &ServiceFilter,
        request: PageRequest,
    ) -> Result<(Actor, Page<Service>), Error> {
        // A tenant has few services: what the first page leaves room after, it has counted.
        let first = FIRST_PAGE.statement(request);
        if let (Some(first), true) = (first, *filter == ServiceFilter::default()) {
            let (actor, [list]) = self.fetch([first]).await?;
            if let Some(page) = page::whole(&list, request, service)? {
                return Ok((actor, page));
            }
        }
        let select = service::Entity::find().filter(condition(filter));
        let statements = page::statements(select, KEY, Estimate::AtLeast, request);
        let (actor, [list, count]) = self.fetch(statements).await?;
        let page = page::read(&list, &count, request, service)?;
        Ok((actor, page))
    }

    async fn service(&self, id: ServiceId) -> Result<(Actor, Service), Error> {
        let (actor, [rows]) = self.fetch([reading(id)]).await?;
        Ok((actor, one(&rows)?))
    }
}

impl ServiceChanges for TenantTx {
    type Config = StoredConfig;

    async fn lock_admission(&mut self) -> Result<(Actor, Admission), Error> {
        let [lock, keys] = key_statements(Some(self.tenant()?));
        let [tenant, services, purging] = admission::statements();
        let statements = [lock, keys, tenant, services, purging];
        let (actor, [_, keys, tenant, services, purging]) = self.enter(statements).await?;
        self.read_keys(&keys).await?;
        Ok((actor, admission(&tenant, &services, &purging)?))
    }

    async fn lock_admission_of(
        &mut self,
        id: ServiceId,
    ) -> Result<(Actor, Admission, OpenService<StoredConfig>), Error> {
        let [lock, keys] = key_statements(Some(self.tenant()?));
        let [tenant, services, purging] = admission::statements();
        let statements = [lock, keys, tenant, services, purging, locked(id)];
        let (actor, [_, keys, tenant, services, purging, rows]) = self.enter(statements).await?;
        self.read_keys(&keys).await?;
        let admission = admission(&tenant, &services, &purging)?;
        Ok((actor, admission, one_open(&rows, self.keys()?)?))
    }

    async fn service_with_secrets(
        &mut self,
        id: ServiceId,
    ) -> Result<(Actor, OpenService<StoredConfig>), Error> {
        let [lock, keys] = key_statements(Some(self.tenant()?));
        let find = by_id(id).build(DbBackend::Postgres);
        let (actor, [_, keys, rows]) = self.enter([lock, keys, find]).await?;
        self.read_keys(&keys).await?;
        Ok((actor, one_open(&rows, self.keys()?)?))
    }

    async fn lock_service(&mut self, id: ServiceId) -> Result<(Actor, Service), Error> {
        let (actor, [rows]) = self.enter([locked(id)]).await?;
        Ok((actor, one(&rows)?))
    }

    async fn insert_service(
        self,
        actor: &Actor,
        new: NewService,
        answer: impl FnOnce(&Service) -> Answer + Send,
    ) -> Result<Service, Error> {
        // Its encrypted values are bound to its id, so the id is known before the row is.
        let (tenant, id) = (self.tenant()?, ServiceId(Uuid::new_v4()));
        let config = self.keys()?.sealed(&new.config, service_row(tenant, id))?;
        let row = service::ActiveModel {
            id: Set(id.0),
            name: Set(new.name),
            r#type: Set(Stored(new.service_type)),
            description: Set(new.description),
            config: Set(Some(config)),
            tenant_id: Set(Some(tenant.0)),
            created_by: Set(actor.user.0),
            ..Default::default()
        };
        let mut insert = Insert::one(row).into_query();
        let insert = DbBackend::Postgres.build(insert.returning_all());
        self.finish_answered([insert], |[rows]| one(&rows), answer)
            .await
    }

    async fn update_service(
        self,
        current: &OpenService<StoredConfig>,
        patch: ServicePatch,
    ) -> Result<Service, Error> {
        let id = current.service.id;
        let mut row = service::ActiveModel::default();
        if let Some(name) = patch.name {
            row.name = Set(name);
        }
        if let Some(description) = patch.description {
            row.description = Set(description);
        }
        let config = match patch.config {
            Some(config) => {
                let place = service_row(current.service.tenant_id, id);
                Some(self.keys()?.sealed(&config, place)?)
            }
            None => current.config.sealed()?,
        };
        if config.is_some() {
            row.config = Set(config);
        }
        let mut update = service::Entity::update_many()
            .set(row)
            .col_expr(service::Column::UpdatedAt, Expr::current_timestamp())
            .filter(service::COLUMN.id.eq(id.0))
            .into_query();
        let [rows] = self
            .finish([DbBackend::Postgres.build(update.returning_all())])
            .await?;
        one(&rows)
    }

    async fn delete_service(self, id: ServiceId, deadline: Duration) -> Result<(), Error> {
        let values = [
            id.0.into(),
            serde_json::json!(Phase::Accepted).into(),
            deadline.as_secs_f64().into(),
        ];
        let delete = Statement::from_sql_and_values(DbBackend::Postgres, DELETE_SERVICE, values);
        self.finish([delete]).await.map(drop)
    }
}

/// What a list of services is ordered by.
const KEY: (service::Column, service::Column) = (service::Column::CreatedAt, service::Column::Id);

static FIRST_PAGE: FirstPage = FirstPage::new(|| {
    let request = PageRequest {
        limit: 0,
        after: None,
        offset: 0,
        counts_all: false,
    };
    let [list, _] = page::statements(service::Entity::find(), KEY, Estimate::AtLeast, request);
    list.sql
});

/// Built once: this is what is read most.
static BY_ID: LazyLock<String> =
    LazyLock::new(|| by_id(ServiceId(Uuid::nil())).build(DbBackend::Postgres).sql);

fn reading(id: ServiceId) -> Statement {
    Statement::from_sql_and_values(DbBackend::Postgres, BY_ID.as_str(), [id.0.into()])
}

pub(crate) fn by_id(id: ServiceId) -> sea_orm::Select<service::Entity> {
    service::Entity::find_by_id(id.0)
}

pub(crate) fn locked(id: ServiceId) -> Statement {
    by_id(id)
        .lock(LockType::NoKeyUpdate)
        .build(DbBackend::Postgres)
}

/// Row-level security leaves the caller's own tenant. Like every lock on a row that others refer to, it lets them: whoever
/// writes a row of the tenant, the audit included, would otherwise wait for this lock while it is waited for.
pub(crate) fn lock_tenant() -> Statement {
    tenant::Entity::find()
        .lock(LockType::NoKeyUpdate)
        .build(DbBackend::Postgres)
}

/// The pattern of every text that contains this one.
pub(crate) fn containing(text: &str) -> String {
    let escaped = text
        .replace('\\', "\\\\")
        .replace('%', "\\%")
        .replace('_', "\\_");
    format!("%{escaped}%")
}

fn condition(filter: &ServiceFilter) -> Condition {
    Condition::all()
        .add_option(
            filter
                .service_type
                .map(|wanted| service::COLUMN.r#type.eq(Stored(wanted))),
        )
        .add_option(
            filter
                .status
                .map(|wanted| service::COLUMN.status.eq(Stored(wanted))),
        )
        .add_option(filter.text.as_deref().map(containing).map(|pattern| {
            Condition::any()
                .add(service::COLUMN.name.ilike(pattern.clone()))
                .add(service::COLUMN.description.ilike(pattern))
        }))
}
