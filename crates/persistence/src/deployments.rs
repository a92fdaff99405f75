//! Deployments of the caller's tenant: asking for one, and reading how far it has come.

use domain::{
    Deployment, DeploymentAction, DeploymentId, Error, Service, ServiceConfig, ServiceId,
    ServiceStatus, UserId,
    audit_log::Event,
    deployment::{
        JobPlace,
        ports::{DeploymentChanges, DeploymentReads, DeploymentStanding, LastStart, NewDeployment},
    },
    idempotency::Answer,
    page::{Page, PageRequest},
    policy::Actor,
    secret::seal,
    service::OpenService,
    service_config::Reservation,
};
use entity::service_deployment;
use postgres_connection::Row;
use sea_orm::{
    DbBackend, EntityTrait, FromQueryResult, QueryFilter, QueryTrait, Statement, prelude::Uuid,
};
use serde_json::json;

use crate::{
    TenantRead, TenantTx, audit,
    deployment_queue::REQUEST,
    encryption::{StoredConfig, key_statements, task_row},
    page::{self, Estimate},
    rows::{first, missing, read, timestamp},
    services::{by_id, locked, one, one_open},
};

#[derive(FromQueryResult)]
struct Standing {
    in_progress: bool,
    deployment_id: Option<Uuid>,
    spec_hash: Option<String>,
}

/// A start that found nothing to do has sent nothing.
const STANDING: &str = "SELECT \
     EXISTS (SELECT FROM deployment_tasks WHERE service_id = $1 AND finished_at IS NULL) AS in_progress, \
     last.deployment_id, last.spec_hash \
     FROM (SELECT) one LEFT JOIN ( \
         SELECT task.deployment_id, task.spec_hash FROM deployment_tasks task \
             JOIN service_deployments deployment ON deployment.id = task.deployment_id \
         WHERE task.service_id = $1 AND task.action = 'start' AND task.phase ? 'submitting' \
             AND deployment.status = 'completed' \
         ORDER BY task.created_at DESC LIMIT 1 \
     ) last ON true";

const INSERT: &str = "WITH deployment AS ( \
         INSERT INTO service_deployments (service_id, status, nomad_job_id, deployed_by) \
         VALUES ($1, 'pending', $2, $3) RETURNING * \
     ), task AS ( \
         INSERT INTO deployment_tasks (id, tenant_id, service_id, deployment_id, action, nomad_namespace, \
             nomad_job_id, request, spec_hash, phase, deadline_at, cpu, memory, disk) \
         SELECT $12, $4, service_id, id, $5, $6, $2, $7, $8, $9, CURRENT_TIMESTAMP + make_interval(secs => $10), \
             $13, $14, $15 \
         FROM deployment \
     ), service AS ( \
         UPDATE services SET status = $11, updated_at = CURRENT_TIMESTAMP WHERE id = $1 \
     ) SELECT * FROM deployment";

const INSERT_COMPLETED: &str = "INSERT INTO service_deployments \
         (service_id, status, nomad_job_id, deployed_by, started_at, completed_at) \
     VALUES ($1, 'completed', $2, $3, CURRENT_TIMESTAMP, CURRENT_TIMESTAMP) RETURNING *";

fn deployment(row: &Row) -> Result<Deployment, Error> {
    let row: service_deployment::Model = read(row)?;
    Ok(Deployment {
        id: DeploymentId(row.id),
        service_id: ServiceId(row.service_id),
        status: row.status.ok_or_else(|| missing("status"))?.0,
        nomad_job_id: row.nomad_job_id,
        started_at: row.started_at.map(|time| time.and_utc()),
        completed_at: row.completed_at.map(|time| time.and_utc()),
        error_msg: row.error_msg,
        deployed_by: UserId(row.deployed_by),
        created_at: timestamp(row.created_at)?,
        updated_at: timestamp(row.updated_at)?,
    })
}

fn standing(id: ServiceId) -> Statement {
    Statement::from_sql_and_values(DbBackend::Postgres, STANDING, [id.0.into()])
}

fn standing_of(rows: &[Row]) -> Result<DeploymentStanding, Error> {
    let row: Standing = first(rows)?.ok_or_else(|| missing("standing"))?;
    let last = row.deployment_id.zip(row.spec_hash);
    Ok(DeploymentStanding {
        in_progress: row.in_progress,
        last_start: last.map(|(deployment, spec_hash)| LastStart {
            deployment: DeploymentId(deployment),
            spec_hash,
        }),
    })
}

fn only(rows: &[Row], what: &'static str) -> Result<Deployment, Error> {
    deployment(rows.first().ok_or_else(|| Error::not_found(what))?)
}

impl DeploymentReads for TenantRead {
    async fn list_deployments(
        &self,
        id: ServiceId,
        request: PageRequest,
    ) -> Result<(Actor, Service, Page<Deployment>), Error> {
        use service_deployment::{COLUMN, Column};
        let select = service_deployment::Entity::find().filter(COLUMN.service_id.eq(id.0));
        let key = (Column::CreatedAt, Column::Id);
        let [list, count] = page::statements(select, key, Estimate::AtLeast, request);
        let service = by_id(id).build(DbBackend::Postgres);
        let (actor, [service, list, count]) = self.fetch([service, list, count]).await?;
        let page = page::read(&list, &count, request, deployment)?;
        Ok((actor, one(&service)?, page))
    }

    async fn deployment_standing(
        &self,
        id: ServiceId,
    ) -> Result<(Actor, Service, DeploymentStanding), Error> {
        let service = by_id(id).build(DbBackend::Postgres);
        let (actor, [service, standing]) = self.fetch([service, standing(id)]).await?;
        Ok((actor, one(&service)?, standing_of(&standing)?))
    }

    async fn deployment(&self, id: DeploymentId) -> Result<(Actor, Deployment), Error> {
        let find = service_deployment::Entity::find_by_id(id.0).build(DbBackend::Postgres);
        let (actor, [rows]) = self.fetch([find]).await?;
        Ok((actor, only(&rows, "deployment")?))
    }
}

impl DeploymentChanges for TenantTx {
    async fn lock_for_deployment(
        &mut self,
        id: ServiceId,
    ) -> Result<(Actor, OpenService<StoredConfig>, DeploymentStanding), Error> {
        let [lock, keys] = key_statements(Some(self.tenant()?));
        let statements = [lock, keys, locked(id), standing(id)];
        let (actor, [_, keys, service, standing]) = self.enter(statements).await?;
        self.read_keys(&keys).await?;
        let standing = standing_of(&standing)?;
        Ok((actor, one_open(&service, self.keys()?)?, standing))
    }

    async fn insert_deployment(
        self,
        actor: &Actor,
        new: NewDeployment<'_>,
        answer: impl FnOnce(&Deployment) -> Answer + Send,
    ) -> Result<Deployment, Error> {
        let (tenant, task) = (new.service.tenant_id, Uuid::new_v4());
        let request = new.config.map(|config| {
            let request = request(&new.service.name, config);
            seal(&request, task_row(tenant, task), REQUEST, self.keys()?)
        });
        let request = request.transpose()?;
        let reservation = new.config.map(ServiceConfig::reservation);
        let part = |part: fn(Reservation) -> u32| {
            let part = reservation.map(|reservation| i32::try_from(part(reservation)));
            part.transpose().map_err(Error::internal)
        };
        let statement = Statement::from_sql_and_values(
            DbBackend::Postgres,
            INSERT,
            [
                new.service.id.0.into(),
                new.place.job_id.as_str().into(),
                actor.user.0.into(),
                tenant.0.into(),
                new.action.as_str().into(),
                new.place.namespace.as_str().into(),
                request.into(),
                new.spec_hash.map(str::to_owned).into(),
                json!(new.phase).into(),
                new.deadline.as_secs_f64().into(),
                ServiceStatus::Pending.as_str().into(),
                task.into(),
                part(|reservation| reservation.cpu)?.into(),
                part(|reservation| reservation.memory)?.into(),
                part(|reservation| reservation.disk)?.into(),
            ],
        );
        let event = requested(new.action, new.service.id);
        self.finish_answered(
            [statement, event],
            |[rows, _]| only(&rows, "service"),
            answer,
        )
        .await
    }

    async fn insert_completed_deployment(
        self,
        actor: &Actor,
        action: DeploymentAction,
        service: ServiceId,
        place: &JobPlace,
        answer: impl FnOnce(&Deployment) -> Answer + Send,
    ) -> Result<Deployment, Error> {
        let values = [
            service.0.into(),
            place.job_id.as_str().into(),
            actor.user.0.into(),
        ];
        let statement =
            Statement::from_sql_and_values(DbBackend::Postgres, INSERT_COMPLETED, values);
        let event = requested(action, service);
        self.finish_answered(
            [statement, event],
            |[rows, _]| only(&rows, "service"),
            answer,
        )
        .await
    }
}

fn requested(action: DeploymentAction, service: ServiceId) -> Statement {
    let (action, resource) = (format!("service.{action}"), format!("services/{service}"));
    audit::event(Event::new(action, resource, json!({})))
}

/// What a start keeps of the service, which may change before a worker comes to it.
fn request(service_name: &str, config: &ServiceConfig) -> serde_json::Value {
    json!({"service_name": service_name, "config": config})
}
