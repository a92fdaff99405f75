//! Deployments of the caller's tenant: asking for one, and reading how far it has come.

use std::time::Duration;

use domain::{
    Deployment, DeploymentAction, DeploymentId, DeploymentStatus, Error, Service, ServiceConfig,
    ServiceId, ServiceStatus, UserId,
    deployment::{JobPlace, Phase},
    policy::Actor,
    secret::seal,
};
use entity::service_deployment;
use sea_orm::{
    ColumnTrait, DbBackend, EntityTrait, FromQueryResult, QueryFilter, QueryResult, QueryTrait,
    Statement, prelude::Uuid,
};
use serde_json::json;

use crate::{
    TenantRead, TenantTx, audit,
    deployment_queue::REQUEST,
    encryption::{key_statements, task_row},
    idempotency::Answer,
    page::{self, Page, PageRequest},
    rows::{first, missing, read, timestamp},
    services::{OpenService, by_id, locked, one, one_open},
};

/// A deployment to be made.
#[derive(Debug)]
pub struct NewDeployment<'service> {
    /// The service, as it is at this moment.
    pub service: &'service Service,
    /// Its configuration with the secret values, where a job is to be built from it.
    pub config: Option<&'service ServiceConfig>,
    /// What is to be brought about.
    pub action: DeploymentAction,
    /// Where its job is.
    pub place: &'service JobPlace,
    /// Of all that decides what runs.
    pub spec_hash: Option<&'service str>,
    /// How long it may take.
    pub deadline: Duration,
}

/// What a service's deployments say about a new one.
#[derive(Clone, Debug, FromQueryResult)]
pub struct DeploymentStanding {
    /// Whether one is under way.
    pub in_progress: bool,
    /// The hash that the last completed start was made with.
    pub last_hash: Option<String>,
}

const STANDING: &str = "SELECT \
     EXISTS (SELECT FROM deployment_tasks WHERE service_id = $1 AND finished_at IS NULL) AS in_progress, \
     (SELECT task.spec_hash FROM deployment_tasks task \
         JOIN service_deployments deployment ON deployment.id = task.deployment_id \
         WHERE task.service_id = $1 AND task.action = 'start' AND deployment.status = 'completed' \
         ORDER BY task.created_at DESC LIMIT 1) AS last_hash";

const INSERT: &str = "WITH deployment AS ( \
         INSERT INTO service_deployments (service_id, status, nomad_job_id, deployed_by) \
         VALUES ($1, 'pending', $2, $3) RETURNING * \
     ), task AS ( \
         INSERT INTO deployment_tasks (id, tenant_id, service_id, deployment_id, action, nomad_namespace, \
             nomad_job_id, request, spec_hash, phase, deadline_at) \
         SELECT $12, $4, service_id, id, $5, $6, $2, $7, $8, $9, CURRENT_TIMESTAMP + make_interval(secs => $10) \
         FROM deployment \
     ), service AS ( \
         UPDATE services SET status = $11, updated_at = CURRENT_TIMESTAMP WHERE id = $1 \
     ) SELECT * FROM deployment";

const INSERT_COMPLETED: &str = "INSERT INTO service_deployments \
         (service_id, status, nomad_job_id, deployed_by, started_at, completed_at) \
     VALUES ($1, 'completed', $2, $3, CURRENT_TIMESTAMP, CURRENT_TIMESTAMP) RETURNING *";

/// A service that was ever started may have left something in Nomad.
const DELETE_SERVICE: &str = "WITH purge AS ( \
         INSERT INTO deployment_tasks (tenant_id, service_id, action, nomad_namespace, nomad_job_id, phase, deadline_at) \
         SELECT tenant_id, service_id, 'purge', nomad_namespace, nomad_job_id, $2, \
             CURRENT_TIMESTAMP + make_interval(secs => $3) \
         FROM deployment_tasks WHERE service_id = $1 ORDER BY created_at DESC LIMIT 1 \
     ) DELETE FROM services WHERE id = $1";

fn deployment(row: &QueryResult) -> Result<Deployment, Error> {
    let row: service_deployment::Model = read(row)?;
    Ok(Deployment {
        id: DeploymentId(row.id),
        service_id: ServiceId(row.service_id),
        status: status(row.status.ok_or_else(|| missing("status"))?),
        nomad_job_id: row.nomad_job_id,
        started_at: row.started_at.map(|time| time.and_utc()),
        completed_at: row.completed_at.map(|time| time.and_utc()),
        error_msg: row.error_msg,
        deployed_by: UserId(row.deployed_by),
        created_at: timestamp(row.created_at)?,
        updated_at: timestamp(row.updated_at)?,
    })
}

fn status(stored: service_deployment::DeploymentStatus) -> DeploymentStatus {
    use service_deployment::DeploymentStatus as Stored;
    match stored {
        Stored::Pending => DeploymentStatus::Pending,
        Stored::Running => DeploymentStatus::Running,
        Stored::Completed => DeploymentStatus::Completed,
        Stored::Failed => DeploymentStatus::Failed,
    }
}

fn only(rows: &[QueryResult], what: &'static str) -> Result<Deployment, Error> {
    deployment(rows.first().ok_or_else(|| Error::not_found(what))?)
}

impl TenantRead<'_> {
    /// A service's deployments, newest first, and the service.
    ///
    /// # Errors
    /// `not_found`, also for another tenant's service.
    pub async fn list_deployments(
        &self,
        id: ServiceId,
        request: PageRequest,
    ) -> Result<(Actor, Service, Page<Deployment>), Error> {
        use service_deployment::Column;
        let select = service_deployment::Entity::find().filter(Column::ServiceId.eq(id.0));
        let [list, count] = page::statements(select, (Column::CreatedAt, Column::Id), request);
        let service = by_id(id).build(DbBackend::Postgres);
        let (actor, [service, list, count]) = self.fetch([service, list, count]).await?;
        let page = Page::read(&list, &count, request, deployment)?;
        Ok((actor, one(&service)?, page))
    }

    /// The deployment with this id.
    ///
    /// # Errors
    /// `not_found`, also for another tenant's.
    pub async fn deployment(&self, id: DeploymentId) -> Result<(Actor, Deployment), Error> {
        let find = service_deployment::Entity::find_by_id(id.0).build(DbBackend::Postgres);
        let (actor, [rows]) = self.fetch([find]).await?;
        Ok((actor, only(&rows, "deployment")?))
    }
}

impl TenantTx {
    /// The service with this id, locked until the transaction ends, and what its deployments say about a new one. The
    /// first call of a transaction.
    ///
    /// # Errors
    /// `not_found`, also for another tenant's.
    pub async fn lock_for_deployment(
        &mut self,
        id: ServiceId,
    ) -> Result<(Actor, OpenService, DeploymentStanding), Error> {
        let [lock, keys] = key_statements(Some(self.tenant()?));
        let standing = Statement::from_sql_and_values(DbBackend::Postgres, STANDING, [id.0.into()]);
        let statements = [lock, keys, locked(id), standing];
        let (actor, [_, keys, service, standing]) = self.enter(statements).await?;
        self.read_keys(&keys).await?;
        let standing = first(&standing)?.ok_or_else(|| missing("standing"))?;
        Ok((actor, one_open(&service, self.keys()?)?, standing))
    }

    /// Makes a deployment for a worker to carry out, and commits; `answer` is what its caller is told.
    ///
    /// # Errors
    /// `deployment_in_progress`.
    pub async fn insert_deployment(
        self,
        actor: &Actor,
        new: NewDeployment<'_>,
        answer: impl FnOnce(&Deployment) -> Answer,
    ) -> Result<Deployment, Error> {
        let (tenant, task) = (new.service.tenant_id, Uuid::new_v4());
        let request = new.config.map(|config| {
            let request = request(&new.service.name, config);
            seal(&request, task_row(tenant, task), REQUEST, self.keys()?)
        });
        let request = request.transpose()?;
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
                json!(Phase::Accepted).into(),
                new.deadline.as_secs_f64().into(),
                ServiceStatus::Pending.as_str().into(),
                task.into(),
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

    /// Writes down that there was nothing to do, and commits; `answer` is what its caller is told.
    ///
    /// # Errors
    /// Fails where the database does not answer.
    pub async fn insert_completed_deployment(
        self,
        actor: &Actor,
        action: DeploymentAction,
        service: ServiceId,
        place: &JobPlace,
        answer: impl FnOnce(&Deployment) -> Answer,
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

    /// Removes a service with its deployments, has a worker purge what it left in Nomad within `deadline`, and commits.
    ///
    /// # Errors
    /// Fails where the database does not answer.
    pub async fn delete_service(self, id: ServiceId, deadline: Duration) -> Result<(), Error> {
        let values = [
            id.0.into(),
            json!(Phase::Accepted).into(),
            deadline.as_secs_f64().into(),
        ];
        let delete = Statement::from_sql_and_values(DbBackend::Postgres, DELETE_SERVICE, values);
        self.finish([delete]).await.map(drop)
    }
}

fn requested(action: DeploymentAction, service: ServiceId) -> Statement {
    audit::event(
        &format!("service.{action}"),
        format!("services/{service}"),
        json!({}),
    )
}

/// What a start keeps of the service, which may change before a worker comes to it.
fn request(service_name: &str, config: &ServiceConfig) -> serde_json::Value {
    json!({"service_name": service_name, "config": config})
}
