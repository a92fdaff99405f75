//! Looking at what runs: the lines a service writes, and what it uses.

use std::{sync::Arc, time::Duration};

use chrono::Utc;
use domain::{
    Error, Service, ServiceId, ServiceStatus, TenantScope,
    deployment::JobPlace,
    policy::{Action, Resource, authorise},
    ports::TenantStore,
    runtime::{LogRequest, Usage, ports::Runtime},
    service::ports::ServiceReads,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::Reachability;

const RETRY_AFTER: Duration = Duration::from_secs(30);

/// What is looked at while services run.
#[derive(Clone, Debug)]
pub struct RunningServices<S, O> {
    store: S,
    orchestrator: O,
    reachability: Reachability,
    namespace: String,
    /// Each follower of a log holds a connection to Nomad, which allows only so many.
    followers: Arc<Semaphore>,
}

/// A log that is being followed, who follows it, and the place that its follower takes up.
#[derive(Debug)]
pub struct FollowedLog<S, Following> {
    /// What is followed; none before there is a log.
    pub following: Option<Following>,
    store: S,
    scope: TenantScope,
    service: ServiceId,
    _place: OwnedSemaphorePermit,
}

impl<S: TenantStore<Read: ServiceReads>, Following> FollowedLog<S, Following> {
    /// Whether its follower may still read it: what was true when following began may have ended since.
    ///
    /// # Errors
    /// Those of reading the service.
    pub async fn ensure_readable(&self) -> Result<(), Error> {
        self.scope.ensure_valid_at(Utc::now())?;
        let scope = self.scope.clone();
        service_to_read(&self.store, scope, self.service)
            .await
            .map(drop)
    }
}

async fn service_to_read<S>(store: &S, scope: TenantScope, id: ServiceId) -> Result<Service, Error>
where
    S: TenantStore<Read: ServiceReads>,
{
    let (actor, service) = store.read(scope).service(id).await?;
    authorise(&actor, Action::Read, Resource::Service(service.tenant_id))?;
    Ok(service)
}

impl<S, O> RunningServices<S, O> {
    /// `reachability` is what was seen last of the orchestrator. Every job is in `namespace`; at most `max_followers` logs are
    /// followed at once.
    pub fn new(
        store: S,
        (orchestrator, reachability): (O, Reachability),
        namespace: String,
        max_followers: usize,
    ) -> Self {
        Self {
            store,
            orchestrator,
            reachability,
            namespace,
            followers: Arc::new(Semaphore::new(max_followers)),
        }
    }
}

impl<S, O> RunningServices<S, O>
where
    S: TenantStore<Read: ServiceReads>,
    O: Runtime,
{
    /// The last lines of a service's log.
    ///
    /// # Errors
    /// `not_found`, also for another tenant's service; invalid for a task the service does not have.
    pub async fn logs(
        &self,
        scope: TenantScope,
        id: ServiceId,
        request: &LogRequest,
    ) -> Result<Vec<String>, Error> {
        let (place, _) = self.place(scope, id).await?;
        self.orchestrator.logs(&place, request).await
    }

    /// A service's log with what is still to come, from its end on or from `resume`.
    ///
    /// # Errors
    /// As [`logs`](Self::logs); `too_many_followers`.
    pub async fn follow(
        &self,
        scope: TenantScope,
        id: ServiceId,
        request: &LogRequest,
        resume: Option<u64>,
    ) -> Result<FollowedLog<S, O::Following>, Error> {
        let (place, _) = self.place(scope.clone(), id).await?;
        let free = self.followers.clone().try_acquire_owned();
        let free = free.map_err(|_| {
            let detail = "too many logs are being followed through this server";
            Error::unavailable("too_many_followers", detail, RETRY_AFTER)
        })?;
        Ok(FollowedLog {
            following: self.orchestrator.follow(&place, request, resume).await?,
            store: self.store.clone(),
            scope,
            service: id,
            _place: free,
        })
    }

    /// What a running service uses.
    ///
    /// # Errors
    /// `not_found`, also for another tenant's service; `not_running`.
    pub async fn usage(&self, scope: TenantScope, id: ServiceId) -> Result<Usage, Error> {
        let (place, status) = self.place(scope, id).await?;
        status.ensure_running()?;
        let usage = self.orchestrator.usage(&place).await?;
        usage.ok_or_else(|| {
            Error::conflict("not_running", "nothing of the service runs at this moment")
        })
    }

    /// Where the job of one of the caller's services is, and in which state the service is.
    async fn place(
        &self,
        scope: TenantScope,
        id: ServiceId,
    ) -> Result<(JobPlace, ServiceStatus), Error> {
        let service = service_to_read(&self.store, scope, id).await?;
        self.reachability.ensure_reachable("nomad_unavailable")?;
        Ok((JobPlace::of(&self.namespace, id), service.status))
    }
}
