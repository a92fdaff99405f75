//! What the deployment rules need from outside: where a tenant asks for deployments, an orchestrator that runs jobs, and a
//! queue of tasks that keeps what has been done. All are named in bounds, never boxed.

use std::{future::Future, time::Duration};

use uuid::Uuid;

use super::{
    Cause, Claim, Deployment, DeploymentAction, Evidence, JobDocument, JobPlace, JobRequest,
    ObservedJob, Phase, WorkerId,
};
use crate::{
    DeploymentId, Result, Service, ServiceConfig, ServiceId,
    idempotency::Answer,
    page::{Page, PageRequest},
    policy::Actor,
    service::{OpenService, ports::ServiceChanges},
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
    /// What its worker begins with.
    pub phase: Phase,
    /// How long it may take.
    pub deadline: Duration,
}

/// What a service's deployments say about a new one.
#[derive(Clone, Debug)]
pub struct DeploymentStanding {
    /// Whether one is under way.
    pub in_progress: bool,
    /// The last start that has sent a job and completed.
    pub last_start: Option<LastStart>,
}

/// A start whose job may still run.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LastStart {
    /// The deployment, which its job names.
    pub deployment: DeploymentId,
    /// Of all that decided what runs.
    pub spec_hash: String,
}

/// Looks at the deployments of a tenant's services.
pub trait DeploymentReads {
    /// A service's deployments, newest first, and the service.
    ///
    /// # Errors
    /// `not_found`, also for another tenant's service.
    fn list_deployments(
        &self,
        id: ServiceId,
        request: PageRequest,
    ) -> impl Future<Output = Result<(Actor, Service, Page<Deployment>)>> + Send;

    /// The service with this id, and what its deployments say about a new one.
    ///
    /// # Errors
    /// `not_found`, also for another tenant's.
    fn deployment_standing(
        &self,
        id: ServiceId,
    ) -> impl Future<Output = Result<(Actor, Service, DeploymentStanding)>> + Send;

    /// The deployment with this id.
    ///
    /// # Errors
    /// `not_found`, also for another tenant's.
    fn deployment(
        &self,
        id: DeploymentId,
    ) -> impl Future<Output = Result<(Actor, Deployment)>> + Send;
}

/// Asks for deployments of a tenant's services.
pub trait DeploymentChanges: ServiceChanges {
    /// The service with this id, locked until the transaction ends, and what its deployments say about a new one. The
    /// first call of a transaction.
    ///
    /// # Errors
    /// `not_found`, also for another tenant's.
    fn lock_for_deployment(
        &mut self,
        id: ServiceId,
    ) -> impl Future<Output = Result<(Actor, OpenService<Self::Config>, DeploymentStanding)>> + Send;

    /// Makes a deployment for a worker to carry out, and commits; `answer` is what its caller is told.
    ///
    /// # Errors
    /// `deployment_in_progress`.
    fn insert_deployment(
        self,
        actor: &Actor,
        new: NewDeployment<'_>,
        answer: impl FnOnce(&Deployment) -> Answer + Send,
    ) -> impl Future<Output = Result<Deployment>> + Send;

    /// Writes down that there was nothing to do, and commits; `answer` is what its caller is told.
    ///
    /// # Errors
    /// Fails where the store does not answer.
    fn insert_completed_deployment(
        self,
        actor: &Actor,
        action: DeploymentAction,
        service: ServiceId,
        place: &JobPlace,
        answer: impl FnOnce(&Deployment) -> Answer + Send,
    ) -> impl Future<Output = Result<Deployment>> + Send;
}

/// Runs jobs: Nomad, or what plays it.
///
/// Errors are [`Unavailable`](crate::ErrorKind::Unavailable) where asking again may help,
/// [`Conflict`](crate::ErrorKind::Conflict) where the job is not the expected one any more, and
/// [`Invalid`](crate::ErrorKind::Invalid) where it refuses for good.
pub trait Orchestrator: Send + Sync + 'static {
    /// Builds the job and checks it, without changing anything.
    fn prepare(&self, request: &JobRequest) -> impl Future<Output = Result<JobDocument>> + Send;

    /// The job in this place, as `deployment` of `service` sees it.
    fn observe(
        &self,
        place: &JobPlace,
        service: ServiceId,
        deployment: Option<DeploymentId>,
    ) -> impl Future<Output = Result<Option<ObservedJob>>> + Send;

    /// Why the job in this place does not come up.
    fn evidence(&self, place: &JobPlace) -> impl Future<Output = Result<Evidence>> + Send;

    /// Sends a job in place of the one at index `expected`; 0 where there must be none.
    fn submit(
        &self,
        place: &JobPlace,
        job: &JobDocument,
        expected: u64,
    ) -> impl Future<Output = Result<()>> + Send;

    /// Stops the job that stands at index `expected`.
    fn stop(&self, place: &JobPlace, expected: u64) -> impl Future<Output = Result<()>> + Send;

    /// Restarts an allocation's tasks in place.
    fn restart(
        &self,
        place: &JobPlace,
        allocation: Uuid,
    ) -> impl Future<Output = Result<()>> + Send;

    /// Forgets the job with all it left.
    fn purge(&self, place: &JobPlace) -> impl Future<Output = Result<()>> + Send;
}

/// What is written down together with a new phase.
#[derive(Clone, Debug)]
pub struct Progress {
    /// The phase.
    pub phase: Phase,
    /// The job, where it was just built.
    pub job: Option<JobDocument>,
    /// Why the task is given up, where it just was.
    pub reason: Option<String>,
}

/// How a task ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ending {
    /// Whether what was asked for is so, or why not.
    pub outcome: Result<(), Cause>,
    /// Why it failed, for people.
    pub reason: Option<String>,
}

/// Keeps the tasks. Every write proves the claim's fence: who has lost a task gets a
/// [`Conflict`](crate::ErrorKind::Conflict) and must let go of it.
pub trait DeploymentQueue: Send + Sync + 'static {
    /// Takes at most `most` tasks that are due, for the length of `lease`.
    fn claim(
        &self,
        worker: WorkerId,
        lease: Duration,
        most: u32,
    ) -> impl Future<Output = Result<Vec<Claim>>> + Send;

    /// Writes down what is about to be done, and holds the task for the length of `lease` from now.
    fn record(
        &self,
        claim: &Claim,
        progress: &Progress,
        lease: Duration,
    ) -> impl Future<Output = Result<()>> + Send;

    /// Lets go of a task until `after` has passed; `attempts` is how often in a row Nomad could not be asked.
    fn release(
        &self,
        claim: &Claim,
        after: Duration,
        attempts: u32,
    ) -> impl Future<Output = Result<()>> + Send;

    /// Ends a task, its deployment and, with it, what the service is said to be.
    fn finish(&self, claim: &Claim, ending: &Ending) -> impl Future<Output = Result<()>> + Send;
}
