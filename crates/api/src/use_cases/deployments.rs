//! Starting, stopping and restarting services: a request writes down what is wanted, a worker brings it about.

use std::time::Duration;

use domain::{
    Deployment, DeploymentAction, DeploymentId, Error, ServiceId, ServiceStatus,
    deployment::{JobPlace, ensure_none_in_progress},
    policy::{Action, Resource, authorise},
};
use persistence::{
    TenantScope,
    deployments::NewDeployment,
    idempotency::{Answer, Once},
    page::{Page, PageRequest},
};
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::state::State;

/// How often a deployment that somebody waits for is looked at.
const LOOK: Duration = Duration::from_millis(250);

/// Asks for a deployment.
///
/// # Errors
/// `not_found`, `deployment_in_progress`, `not_running` for a restart, and what is wrong with the configuration.
pub async fn deploy(
    state: &State,
    scope: TenantScope,
    once: Option<&Once>,
    id: ServiceId,
    action: DeploymentAction,
    answer: impl FnOnce(&Deployment) -> Answer,
) -> Result<Deployment, Error> {
    let mut transaction = state.database.tenant(scope).await?;
    transaction.once(once).await?;
    let (actor, current, standing) = transaction.lock_for_deployment(id).await?;
    let service = &current.service;
    authorise(
        &actor,
        Action::Operate,
        Resource::Service(service.tenant_id),
    )?;
    ensure_none_in_progress(standing.in_progress)?;
    let place = state.place_of(id);
    let (mut spec_hash, mut config) = (None, None);
    let nothing_to_do = match action {
        DeploymentAction::Start => {
            let jobs = &state.nomad.jobs;
            let config = config.insert(current.config.open()?);
            jobs.check_config(config).await?;
            config.filled("/config").map_err(Error::invalid)?;
            let source = jobs.source(config).await?;
            let hash = state
                .fingerprints
                .of_spec(&json!([service.name, config, source]))?;
            let unchanged = standing.last_hash.as_ref() == Some(&hash);
            spec_hash = Some(hash);
            unchanged && service.status == ServiceStatus::Running
        }
        DeploymentAction::Stop => service.status == ServiceStatus::Stopped,
        DeploymentAction::Restart => {
            service.ensure_running()?;
            false
        }
        DeploymentAction::Purge => {
            return Err(Error::internal("a purge follows from removing a service"));
        }
    };
    if nothing_to_do {
        return transaction
            .insert_completed_deployment(&actor, action, id, &place, answer)
            .await;
    }
    let new = NewDeployment {
        service,
        config: config.as_ref(),
        action,
        place: &place,
        spec_hash: spec_hash.as_deref(),
        deadline: state.deployment_deadline,
    };
    let deployment = transaction.insert_deployment(&actor, new, answer).await?;
    state.wake_worker.notify_one();
    Ok(deployment)
}

/// A service's deployments, newest first.
///
/// # Errors
/// `not_found`, also for another tenant's service.
pub async fn list(
    state: &State,
    scope: TenantScope,
    id: ServiceId,
    request: PageRequest,
) -> Result<Page<Deployment>, Error> {
    let read = state.database.read(scope);
    let (actor, service, page) = read.list_deployments(id, request).await?;
    authorise(&actor, Action::Read, Resource::Service(service.tenant_id))?;
    Ok(page)
}

/// A deployment; one that has not ended is waited for until it changes, at most for the length of `wait`.
///
/// # Errors
/// `not_found`, also for another tenant's.
pub async fn read(
    state: &State,
    scope: TenantScope,
    id: DeploymentId,
    wait: Option<Duration>,
) -> Result<Deployment, Error> {
    let deadline = wait.map(|wait| Instant::now() + wait);
    let tenant = scope.tenant;
    let mut first = None;
    loop {
        let (actor, deployment) = state.database.read(scope.clone()).deployment(id).await?;
        authorise(&actor, Action::Read, Resource::Service(tenant))?;
        let has_changed = *first.get_or_insert(deployment.status) != deployment.status;
        let goes_on = deadline.is_some_and(|deadline| Instant::now() + LOOK < deadline);
        if deployment.status.has_ended() || has_changed || !goes_on || state.lifecycle.drains() {
            return Ok(deployment);
        }
        sleep(LOOK).await;
    }
}

/// Where the job of one of the caller's services is, and in which state the service is.
///
/// # Errors
/// `not_found`, also for another tenant's.
pub async fn place(
    state: &State,
    scope: TenantScope,
    id: ServiceId,
) -> Result<(JobPlace, ServiceStatus), Error> {
    let (actor, service) = state.database.read(scope).service(id).await?;
    authorise(&actor, Action::Read, Resource::Service(service.tenant_id))?;
    Ok((state.place_of(id), service.status))
}
