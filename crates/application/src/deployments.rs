//! Starting, stopping and restarting services: a request writes down what is wanted, a worker brings it about.

use std::{sync::Arc, time::Duration};

use domain::{
    Deployment, DeploymentAction, DeploymentId, Error, ServiceId, ServiceStatus, TenantScope,
    deployment::{
        JobPlace, Owner, Phase, ensure_none_in_progress,
        ports::{DeploymentChanges, DeploymentReads, LastStart, NewDeployment, Orchestrator},
    },
    idempotency::{Answer, Once},
    page::{Page, PageRequest},
    policy::{Action, Resource, authorise},
    ports::{TenantStore, TenantTransaction as _},
    service::ports::{JobRules, StoredConfig as _},
};
use serde_json::json;
use tokio::{
    sync::Notify,
    time::{Instant, sleep, timeout},
};

use crate::Fingerprints;

/// How often a deployment that somebody waits for is looked at.
const LOOK: Duration = Duration::from_millis(250);

/// How long a start waits to be told whether there is anything to do; after that its worker finds out.
const GLANCE: Duration = Duration::from_secs(2);

/// What is known of the job that the last start has sent.
#[derive(Eq, PartialEq)]
enum Glance {
    /// All of it ran a moment ago.
    Up(LastStart),
    /// It does not, or there is none.
    Down,
    /// Nomad has not told.
    Unknown,
}

/// What is done with deployments.
#[derive(Clone, Debug)]
pub struct Deployments<S, J> {
    store: S,
    jobs: J,
    fingerprints: Fingerprints,
    settings: DeploymentSettings,
    wake_worker: Arc<Notify>,
}

/// How services are deployed.
#[derive(Clone, Debug)]
pub struct DeploymentSettings {
    /// The namespace of every job.
    pub namespace: String,
    /// How long a deployment may take.
    pub deadline: Duration,
}

impl<S, J> Deployments<S, J> {
    /// `wake_worker` tells this server's worker that there is something to do.
    pub fn new(
        store: S,
        jobs: J,
        fingerprints: Fingerprints,
        settings: DeploymentSettings,
        wake_worker: Arc<Notify>,
    ) -> Self {
        Self {
            store,
            jobs,
            fingerprints,
            settings,
            wake_worker,
        }
    }

    fn place_of(&self, service: ServiceId) -> JobPlace {
        JobPlace::of(&self.settings.namespace, service)
    }
}

impl<S, J> Deployments<S, J>
where
    S: TenantStore<Read: DeploymentReads, Transaction: DeploymentChanges>,
    J: JobRules + Orchestrator,
{
    /// Asks for a deployment.
    ///
    /// # Errors
    /// `not_found`, `deployment_in_progress`, `not_running` for a restart, and what is wrong with the configuration.
    pub async fn deploy(
        &self,
        scope: TenantScope,
        once: Option<&Once>,
        id: ServiceId,
        action: DeploymentAction,
        answer: impl FnOnce(&Deployment) -> Answer + Send,
    ) -> Result<Deployment, Error> {
        let glance = match action {
            DeploymentAction::Start => self.glance(scope.clone(), id).await,
            _ => Glance::Unknown,
        };
        let mut transaction = self.store.tenant(scope).await?;
        transaction.begin_once(once);
        let (actor, current, standing) = transaction.lock_for_deployment(id).await?;
        let service = &current.service;
        authorise(
            &actor,
            Action::Operate,
            Resource::Service(service.tenant_id),
        )?;
        ensure_none_in_progress(standing.in_progress)?;
        let place = self.place_of(id);
        let (mut spec_hash, mut config, mut phase) = (None, None, Phase::Accepted);
        let nothing_to_do = match action {
            DeploymentAction::Start => {
                let jobs = &self.jobs;
                let config = config.insert(current.config.open()?);
                jobs.check_config(config).await?;
                config.filled("/config").map_err(Error::invalid)?;
                let source = jobs.source(config).await?;
                let hash = self
                    .fingerprints
                    .of_spec(&json!([service.name, config, source]))?;
                let running = service.status == ServiceStatus::Running;
                let last = standing.last_start.filter(|_| running);
                let unchanged = last.filter(|last| last.spec_hash == hash);
                spec_hash = Some(hash);
                match (unchanged, glance) {
                    (Some(last), Glance::Up(seen)) if last == seen => true,
                    (None, _) | (Some(_), Glance::Down) => false,
                    (Some(last), Glance::Up(_) | Glance::Unknown) => {
                        let deployment = last.deployment;
                        phase = Phase::Confirming { deployment };
                        false
                    }
                }
            }
            DeploymentAction::Stop => service.status == ServiceStatus::Stopped,
            DeploymentAction::Restart => {
                service.ensure_running()?;
                false
            }
            _ => {
                let cause = format!("nobody asks for a {action}: it follows from something else");
                return Err(Error::internal(cause));
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
            phase,
            deadline: self.settings.deadline,
        };
        let deployment = transaction.insert_deployment(&actor, new, answer).await?;
        self.wake_worker.notify_one();
        Ok(deployment)
    }

    /// Looks at what the last start has sent, before there is a transaction. Whatever is refused here is refused there.
    async fn glance(&self, scope: TenantScope, id: ServiceId) -> Glance {
        let read = self.store.read(scope).deployment_standing(id).await;
        let Ok((actor, service, standing)) = read else {
            return Glance::Unknown;
        };
        let tenant = Resource::Service(service.tenant_id);
        let allowed = authorise(&actor, Action::Operate, tenant).is_ok();
        let running = service.status == ServiceStatus::Running;
        let Some(last) = standing.last_start.filter(|_| allowed && running) else {
            return Glance::Unknown;
        };
        let place = self.place_of(id);
        let observed = self.jobs.observe(&place, id, Some(last.deployment));
        match timeout(GLANCE, observed).await {
            Ok(Ok(Some(job))) if job.owner == Owner::ThisDeployment && job.is_up() => {
                Glance::Up(last)
            }
            Ok(Ok(_)) => Glance::Down,
            Ok(Err(_)) | Err(_) => Glance::Unknown,
        }
    }

    /// A service's deployments, newest first.
    ///
    /// # Errors
    /// `not_found`, also for another tenant's service.
    pub async fn list(
        &self,
        scope: TenantScope,
        id: ServiceId,
        request: PageRequest,
    ) -> Result<Page<Deployment>, Error> {
        let read = self.store.read(scope);
        let (actor, service, page) = read.list_deployments(id, request).await?;
        authorise(&actor, Action::Read, Resource::Service(service.tenant_id))?;
        Ok(page)
    }

    /// A deployment; one that has not ended is waited for until it changes, at most for the length of `wait`,
    /// and no longer than until the server `ends`.
    ///
    /// # Errors
    /// `not_found`, also for another tenant's.
    pub async fn read(
        &self,
        scope: TenantScope,
        id: DeploymentId,
        wait: Option<Duration>,
        ends: impl Fn() -> bool,
    ) -> Result<Deployment, Error> {
        let deadline = wait.map(|wait| Instant::now() + wait);
        let tenant = scope.tenant;
        let mut first = None;
        loop {
            let (actor, deployment) = self.store.read(scope.clone()).deployment(id).await?;
            authorise(&actor, Action::Read, Resource::Service(tenant))?;
            let has_changed = *first.get_or_insert(deployment.status) != deployment.status;
            let goes_on = deadline.is_some_and(|deadline| Instant::now() + LOOK < deadline);
            if deployment.status.has_ended() || has_changed || !goes_on || ends() {
                return Ok(deployment);
            }
            sleep(LOOK).await;
        }
    }
}
