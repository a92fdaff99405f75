//! The tasks of the deployment worker: claimed with a lease and a fencing token that every later write proves.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use domain::{
    Acting, DeploymentId, DeploymentStatus, Error, ErrorKind, Result, ServiceConfig, ServiceId,
    SystemPurpose, TenantId,
    deployment::{
        Cause, Claim, JobDocument, JobPlace, JobRequest, WorkerId,
        ports::{DeploymentQueue, Ending, Progress},
    },
    secret::{open, seal},
};
use entity::deployment_task;
use sea_orm::{DbBackend, FromQueryResult, Statement, Value};
use serde::Deserialize;
use serde_json::json;

use crate::{
    Database, SystemTx,
    encryption::{TenantKeys, key_statements, keys_of_tenants, task_row},
    rows::{missing, read},
};

/// `SKIP LOCKED`: a task that another worker is taking at this moment is not worth waiting for.
const CLAIM: &str = "WITH due AS ( \
         SELECT id FROM deployment_tasks \
         WHERE finished_at IS NULL AND run_at <= CURRENT_TIMESTAMP \
             AND (lease_until IS NULL OR lease_until <= CURRENT_TIMESTAMP) \
         ORDER BY run_at LIMIT $1 FOR UPDATE SKIP LOCKED \
     ), claimed AS ( \
         UPDATE deployment_tasks task SET lease_owner = $2, fence = fence + 1, \
             lease_until = CURRENT_TIMESTAMP + make_interval(secs => $3) \
         FROM due WHERE task.id = due.id \
         RETURNING task.*, task.deadline_at <= CURRENT_TIMESTAMP AS overdue \
     ), begun AS ( \
         UPDATE service_deployments deployment SET status = 'running', started_at = CURRENT_TIMESTAMP, \
             updated_at = CURRENT_TIMESTAMP \
         FROM claimed WHERE deployment.id = claimed.deployment_id AND deployment.status = 'pending' \
     ) SELECT * FROM claimed";

/// Where what is encrypted stands: the columns, as pointers.
pub(crate) const REQUEST: &str = "/request";
const JOB: &str = "/job";

const HELD: &str = "id = $1 AND lease_owner = $2 AND fence = $3 AND finished_at IS NULL";

#[derive(FromQueryResult)]
struct Overdue {
    overdue: bool,
}

/// As a start has stored it.
#[derive(Deserialize)]
struct StoredRequest {
    service_name: String,
    config: ServiceConfig,
}

/// A claim, without what the keys of its tenant are needed for.
fn claim(worker: WorkerId, row: &deployment_task::Model, overdue: bool) -> Result<Claim> {
    let row = row.clone();
    let place = JobPlace {
        namespace: row.nomad_namespace,
        job_id: row.nomad_job_id,
    };
    let (tenant_id, service_id) = (TenantId(row.tenant_id), ServiceId(row.service_id));
    let deployment_id = row.deployment_id.map(DeploymentId);
    Ok(Claim {
        task: row.id,
        fence: row.fence,
        worker,
        tenant_id,
        service_id,
        deployment_id,
        action: row.action.0,
        place,
        request: None,
        job: None,
        phase: serde_json::from_value(row.phase).map_err(Error::internal)?,
        reason: row.reason,
        overdue,
        attempts: u32::try_from(row.attempts).map_err(Error::internal)?,
    })
}

/// Adds to a claim what is encrypted.
fn fill(claim: &mut Claim, row: &deployment_task::Model, keys: &TenantKeys) -> Result<()> {
    let place = task_row(claim.tenant_id, claim.task);
    if let Some(request) = &row.request {
        let stored = open(request, place, REQUEST, keys)?;
        let stored: StoredRequest = serde_json::from_value(stored).map_err(Error::internal)?;
        claim.request = Some(JobRequest {
            tenant_id: claim.tenant_id,
            service_id: claim.service_id,
            service_name: stored.service_name,
            deployment_id: claim.deployment_id.ok_or_else(|| missing("deployment"))?,
            place: claim.place.clone(),
            config: stored.config,
        });
    }
    if let Some(job) = &row.job {
        claim.job = Some(JobDocument(open(job, place, JOB, keys)?));
    }
    Ok(())
}

/// A statement that only the holder of `claim` can carry out, beginning with the parameters of [`HELD`].
fn held<const N: usize>(claim: &Claim, sql: &str, values: [Value; N]) -> Statement {
    let holder = [claim.task.into(), claim.worker.0.into(), claim.fence.into()];
    Statement::from_sql_and_values(
        DbBackend::Postgres,
        sql.replace("{HELD}", HELD),
        holder.into_iter().chain(values),
    )
}

/// A deployment under way decides for itself.
const NOTHING_RUNS: &str = "UPDATE services SET status = 'stopped', updated_at = CURRENT_TIMESTAMP \
     WHERE status = 'running' RETURNING id";

impl Database {
    /// Says of every running service that it is stopped, and how many there were: the orchestrator has forgotten all.
    ///
    /// # Errors
    /// Fails where the database does not answer.
    pub async fn record_that_nothing_runs(&self) -> Result<usize> {
        let statement = Statement::from_string(DbBackend::Postgres, NOTHING_RUNS);
        let [rows] = self.deployment().await?.finish([statement]).await?;
        Ok(rows.len())
    }

    async fn deployment(&self) -> Result<SystemTx> {
        let acting = Acting::product();
        self.system(SystemPurpose::Deployment, &acting).await
    }

    async fn write(&self, statement: Statement) -> Result<()> {
        write(self.deployment().await?, statement).await
    }

    /// Ends a task of which nothing can be read any more; one whose key this server lacks is left to another until its
    /// deadline.
    async fn unreadable(&self, claim: &Claim, error: &Error) {
        let task = claim.task;
        tracing::error!(%task, cause = ?error, "what a deployment is to be made from can't be read");
        if error.kind() == ErrorKind::Unavailable && !claim.overdue {
            return;
        }
        let ending = Ending {
            outcome: Err(Cause::Refused),
            reason: Some(format!("the job can't be built: {error}")),
        };
        if let Err(error) = self.finish(claim, &ending).await {
            tracing::warn!(%task, cause = ?error, "a lease is left to end by itself");
        }
    }
}

async fn write(transaction: SystemTx, statement: Statement) -> Result<()> {
    let [rows] = transaction.finish([statement]).await?;
    if rows.is_empty() {
        return Err(Error::conflict(
            "lease_lost",
            "another worker has taken this deployment over",
        ));
    }
    Ok(())
}

impl DeploymentQueue for Database {
    async fn claim(&self, worker: WorkerId, lease: Duration, most: u32) -> Result<Vec<Claim>> {
        let values = [
            i64::from(most).into(),
            worker.0.into(),
            lease.as_secs_f64().into(),
        ];
        let statement = Statement::from_sql_and_values(DbBackend::Postgres, CLAIM, values);
        let [rows] = self.deployment().await?.finish([statement]).await?;
        let mut tasks = Vec::new();
        for row in &rows {
            let Overdue { overdue } = read(row)?;
            let row: deployment_task::Model = read(row)?;
            tasks.push((claim(worker, &row, overdue)?, row));
        }
        let encrypted = |row: &deployment_task::Model| row.request.is_some() || row.job.is_some();
        let tenants = tasks.iter().filter(|(_, row)| encrypted(row));
        let tenants: BTreeSet<_> = tenants.map(|(_, row)| row.tenant_id).collect();
        let mut keys = BTreeMap::new();
        if !tenants.is_empty() {
            keys.extend(keys_of_tenants(self, tenants.into_iter().collect()).await?);
        }
        let mut claims = Vec::new();
        for (mut claim, row) in tasks {
            let filled = match keys.get(&row.tenant_id).filter(|_| encrypted(&row)) {
                Some(keys) => fill(&mut claim, &row, keys),
                None => Ok(()),
            };
            match filled {
                Ok(()) => claims.push(claim),
                Err(error) => self.unreadable(&claim, &error).await,
            }
        }
        Ok(claims)
    }

    async fn record(&self, claim: &Claim, progress: &Progress, lease: Duration) -> Result<()> {
        let sql = "UPDATE deployment_tasks SET phase = $4, job = COALESCE($5, job), \
             reason = COALESCE($6, reason), attempts = 0, \
             lease_until = CURRENT_TIMESTAMP + make_interval(secs => $7) \
             WHERE {HELD} RETURNING id";
        let transaction = self.deployment().await?;
        let mut sealed = None;
        if let Some(job) = &progress.job {
            let [_, rows] = transaction
                .rows(key_statements(Some(claim.tenant_id)))
                .await?;
            let keys = TenantKeys::read(self.keyring(), &rows)?;
            let place = task_row(claim.tenant_id, claim.task);
            sealed = Some(seal(&job.0, place, JOB, &keys)?);
        }
        let values = [
            json!(progress.phase).into(),
            sealed.into(),
            progress.reason.clone().into(),
            lease.as_secs_f64().into(),
        ];
        write(transaction, held(claim, sql, values)).await
    }

    async fn release(&self, claim: &Claim, after: Duration, attempts: u32) -> Result<()> {
        let sql = "UPDATE deployment_tasks SET lease_owner = NULL, lease_until = NULL, attempts = $4, \
             run_at = CURRENT_TIMESTAMP + make_interval(secs => $5) WHERE {HELD} RETURNING id";
        let attempts = i32::try_from(attempts).unwrap_or(i32::MAX);
        let values = [attempts.into(), after.as_secs_f64().into()];
        self.write(held(claim, sql, values)).await
    }

    async fn finish(&self, claim: &Claim, ending: &Ending) -> Result<()> {
        let sql = "WITH task AS ( \
                 UPDATE deployment_tasks SET finished_at = CURRENT_TIMESTAMP, lease_owner = NULL, \
                     lease_until = NULL, request = NULL, job = NULL \
                 WHERE {HELD} RETURNING id, deployment_id, service_id \
             ), deployment AS ( \
                 UPDATE service_deployments SET status = $4, error_msg = $5, completed_at = CURRENT_TIMESTAMP, \
                     updated_at = CURRENT_TIMESTAMP \
                 FROM task WHERE service_deployments.id = task.deployment_id \
             ), service AS ( \
                 UPDATE services SET status = $6, updated_at = CURRENT_TIMESTAMP \
                 FROM task WHERE services.id = task.service_id \
             ) SELECT id FROM task";
        let status = match ending.outcome {
            Ok(()) => DeploymentStatus::Completed,
            Err(_) => DeploymentStatus::Failed,
        };
        let service = claim.action.service_status(ending.outcome);
        let values = [
            status.as_str().into(),
            ending.reason.clone().into(),
            service.as_str().into(),
        ];
        self.write(held(claim, sql, values)).await
    }
}
