//! Deployments: one attempt each at making a service start, stop or restart. A deployment is a row in the database that
//! Nomad is made to match: a worker observes, asks [`next`] what to do, does it, and writes down what it did. The rules
//! are here, without clock, randomness or I/O; the traits they need from outside are in [`ports`].

mod evidence;
mod next;
pub mod ports;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use evidence::{Evidence, TaskFailure, explain};
pub use next::{
    AllocationState, Cause, Observation, ObservedAllocation, ObservedJob, Owner, Phase,
    RestartMark, Rollout, Step, next,
};

use crate::{
    DeploymentId, Error, Result, ServiceConfig, ServiceId, ServiceStatus, TenantId, UserId,
    text_enum::text_enum,
};

text_enum! {
    /// How far a deployment has come.
    DeploymentStatus {
        /// Accepted; no worker has begun.
        Pending => "pending",
        /// A worker is at it.
        Running => "running",
        /// What was asked for is so.
        Completed => "completed",
        /// It is not, and nobody tries any more.
        Failed => "failed",
    }
}

impl DeploymentStatus {
    /// Whether a deployment in this state may go over to `next`. What has ended stays as it ended.
    ///
    /// ```
    /// use nomad_services_domain::deployment::DeploymentStatus::{Completed, Pending, Running};
    ///
    /// assert!(Pending.can_become(Running));
    /// assert!(!Completed.can_become(Running));
    /// ```
    pub const fn can_become(self, next: Self) -> bool {
        use DeploymentStatus::{Completed, Failed, Pending, Running};
        matches!(
            (self, next),
            (Pending, Running | Completed | Failed) | (Running, Completed | Failed)
        )
    }

    /// Whether nothing follows.
    pub const fn has_ended(self) -> bool {
        matches!(self, Self::Completed | Self::Failed)
    }
}

text_enum! {
    /// What a deployment is to bring about.
    #[non_exhaustive]
    DeploymentAction {
        /// The service runs with the configuration it has now.
        Start => "start",
        /// Nothing of it runs any more.
        Stop => "stop",
        /// What runs has been started afresh, in place.
        Restart => "restart",
        /// Nomad has forgotten it.
        Purge => "purge",
    }
}

impl DeploymentAction {
    /// What the service is once a deployment of this kind has ended. A restart that never began changes nothing.
    ///
    /// ```
    /// use nomad_services_domain::{ServiceStatus, deployment::{Cause, DeploymentAction}};
    ///
    /// assert_eq!(DeploymentAction::Start.service_status(Err(Cause::Unplaceable)), ServiceStatus::Error);
    /// assert_eq!(DeploymentAction::Stop.service_status(Ok(())), ServiceStatus::Stopped);
    /// ```
    pub const fn service_status(self, outcome: Result<(), Cause>) -> ServiceStatus {
        match (self, outcome) {
            (Self::Start | Self::Restart, Ok(()))
            | (Self::Restart, Err(Cause::Unreachable | Cause::ForeignJob)) => {
                ServiceStatus::Running
            }
            (Self::Stop | Self::Purge, Ok(())) => ServiceStatus::Stopped,
            (_, Err(_)) => ServiceStatus::Error,
        }
    }
}

/// A deployment, as a tenant sees it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Deployment {
    /// Its identifier.
    pub id: DeploymentId,
    /// The service.
    pub service_id: ServiceId,
    /// How far it has come.
    pub status: DeploymentStatus,
    /// The job in Nomad.
    pub nomad_job_id: Option<String>,
    /// When a worker began.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub completed_at: Option<DateTime<Utc>>,
    /// Why it failed, for people.
    pub error_msg: Option<String>,
    /// Who asked for it.
    pub deployed_by: UserId,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

/// Where a service's job is in Nomad.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct JobPlace {
    /// The namespace.
    pub namespace: String,
    /// The job's id within it.
    pub job_id: String,
}

impl JobPlace {
    /// The job of a service: named after the service's id, which no tenant chooses and nobody uses again.
    ///
    /// ```
    /// use nomad_services_domain::{ServiceId, deployment::JobPlace};
    /// use uuid::Uuid;
    ///
    /// let place = JobPlace::of("default", ServiceId(Uuid::nil()));
    /// assert_eq!(place.job_id, "service-00000000-0000-0000-0000-000000000000");
    /// ```
    pub fn of(namespace: &str, service: ServiceId) -> Self {
        Self {
            namespace: namespace.to_owned(),
            job_id: format!("service-{service}"),
        }
    }
}

/// What a job is built from: what the service was when its start was asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct JobRequest {
    /// The tenant.
    pub tenant_id: TenantId,
    /// The service.
    pub service_id: ServiceId,
    /// The service's name at that time.
    pub service_name: String,
    /// The deployment, which makes a repeated job differ from the one before.
    pub deployment_id: DeploymentId,
    /// Where the job goes.
    pub place: JobPlace,
    /// The configuration at that time, as it was written.
    pub config: ServiceConfig,
}

/// A job as Nomad is sent it. Printing it leaves the document out, because environments stand there in clear text.
///
/// ```
/// use nomad_services_domain::deployment::JobDocument;
///
/// let job = JobDocument(serde_json::json!({"Env": {"PASSWORD": "hunter2"}}));
/// assert_eq!(format!("{job:?}"), "JobDocument(..)");
/// ```
#[derive(Clone, Default, PartialEq)]
pub struct JobDocument(pub serde_json::Value);

impl std::fmt::Debug for JobDocument {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("JobDocument(..)")
    }
}

/// One worker among several.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct WorkerId(pub Uuid);

/// A worker's hold on a task: good until the lease ends, and proven by the fence at every later write.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The task.
    pub task: Uuid,
    /// Rises with every claim, so that whoever lost the task can't write to it any more.
    pub fence: i64,
    /// Who holds it.
    pub worker: WorkerId,
    /// The tenant.
    pub tenant_id: TenantId,
    /// The service.
    pub service_id: ServiceId,
    /// The deployment; a purge has none, because the service is gone.
    pub deployment_id: Option<DeploymentId>,
    /// What is to be brought about.
    pub action: DeploymentAction,
    /// Where the job is.
    pub place: JobPlace,
    /// What the job is built from; a start has it.
    pub request: Option<JobRequest>,
    /// The job as it was built and checked, once it was.
    pub job: Option<JobDocument>,
    /// How far the task has come.
    pub phase: Phase,
    /// Why it is being given up, once it is.
    pub reason: Option<String>,
    /// Whether its deadline has passed.
    pub overdue: bool,
    /// How often in a row Nomad could not be asked.
    pub attempts: u32,
}

/// Refuses a second deployment of a service while one is under way.
///
/// # Errors
/// `deployment_in_progress`, a conflict.
pub fn ensure_none_in_progress(in_progress: bool) -> Result<()> {
    if !in_progress {
        return Ok(());
    }
    Err(Error::conflict(
        "deployment_in_progress",
        "a deployment of this service is under way; wait until it has ended",
    ))
}

#[cfg(test)]
mod tests {
    use super::DeploymentStatus::{Completed, Failed, Pending, Running};

    #[test]
    fn what_has_ended_stays_as_it_ended() {
        for ended in [Completed, Failed] {
            assert!(ended.has_ended());
            for next in super::DeploymentStatus::ALL {
                assert!(!ended.can_become(*next), "{ended} to {next}");
            }
        }
        assert!(Pending.can_become(Failed) && !Running.can_become(Pending));
    }
}
