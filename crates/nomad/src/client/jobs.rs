//! Reading jobs. A job is a document that passes through unchanged; beside it stands a view of what the product reads.

use std::{cmp::Reverse, collections::BTreeMap, fmt};

use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::Value;

use super::{Indexed, NamespaceClient, Result, identifiers, nullable::null_as_default};

/// A job as Nomad has it. Printing it leaves the document out, because environments stand there in clear text.
#[derive(Clone, PartialEq)]
pub struct Job {
    /// What the product reads of it.
    pub view: JobView,
    /// All of it.
    pub document: Value,
}

impl fmt::Debug for Job {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Job")
            .field("view", &self.view)
            .finish_non_exhaustive()
    }
}

impl<'de> Deserialize<'de> for Job {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let document = Value::deserialize(deserializer)?;
        // The cause could quote the document, so only its place is kept.
        let view = serde_path_to_error::deserialize(&document)
            .map_err(|error| D::Error::custom(format!("unexpected value at {}", error.path())))?;
        Ok(Self { view, document })
    }
}

/// Where a job stands. `Running` is no health: a job whose deployment waits for capacity runs too.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum JobStatus {
    /// Nothing of it runs yet, or an evaluation waits.
    Pending,
    /// A deployment or an allocation is active.
    Running,
    /// Stopped, finished or failed for good; tasks may still be running out their kill timeout.
    Dead,
    /// A status this client does not know.
    #[default]
    #[serde(other)]
    Unknown,
}

/// What the product reads of a job.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, rename_all = "PascalCase")]
pub struct JobView {
    /// Unique in its namespace.
    #[serde(rename = "ID", deserialize_with = "null_as_default")]
    pub id: String,
    /// Its namespace.
    #[serde(deserialize_with = "null_as_default")]
    pub namespace: String,
    /// `service`, `batch`, `system` or `sysbatch`.
    #[serde(rename = "Type", deserialize_with = "null_as_default")]
    pub kind: String,
    /// Grows with every change of the specification, a stop included.
    #[serde(deserialize_with = "null_as_default")]
    pub version: u64,
    /// Whether it is stopped.
    #[serde(deserialize_with = "null_as_default")]
    pub stop: bool,
    /// Whether a deployment of this version has succeeded. Stops and reverts inherit it.
    #[serde(deserialize_with = "null_as_default")]
    pub stable: bool,
    /// Where it stands.
    #[serde(deserialize_with = "null_as_default")]
    pub status: JobStatus,
    /// What the job's author put beside it.
    #[serde(deserialize_with = "null_as_default")]
    pub meta: BTreeMap<String, String>,
    /// The task groups.
    #[serde(deserialize_with = "null_as_default")]
    pub task_groups: Vec<GroupView>,
    /// The first index of this job; another one means another job of the same name.
    #[serde(deserialize_with = "null_as_default")]
    pub create_index: u64,
    /// The index of its last change of specification: what a later registration enforces.
    #[serde(deserialize_with = "null_as_default")]
    pub job_modify_index: u64,
    /// The index of its last change of any kind.
    #[serde(deserialize_with = "null_as_default")]
    pub modify_index: u64,
}

/// What the product reads of a task group.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, rename_all = "PascalCase")]
pub struct GroupView {
    /// Unique in the job.
    #[serde(deserialize_with = "null_as_default")]
    pub name: String,
    /// How many allocations; none where the job file does not say, which means one.
    pub count: Option<i64>,
    /// Its tasks.
    #[serde(deserialize_with = "null_as_default")]
    pub tasks: Vec<TaskView>,
}

/// What the product reads of a task.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, rename_all = "PascalCase")]
pub struct TaskView {
    /// Unique in the group.
    #[serde(deserialize_with = "null_as_default")]
    pub name: String,
    /// `docker`, `raw_exec`, …
    #[serde(deserialize_with = "null_as_default")]
    pub driver: String,
    /// How long a task may take to end after it was asked to, in nanoseconds; none for Nomad's default of 5 s.
    #[serde(rename = "KillTimeout")]
    pub kill_timeout_nanos: Option<i64>,
}

/// A job in a list.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, rename_all = "PascalCase")]
pub struct JobStub {
    /// Unique in its namespace.
    #[serde(rename = "ID")]
    pub id: String,
    /// Its namespace.
    pub namespace: String,
    /// `service`, `batch`, `system` or `sysbatch`.
    #[serde(rename = "Type")]
    pub kind: String,
    /// Whether it is stopped.
    pub stop: bool,
    /// Where it stands.
    pub status: JobStatus,
    /// How many allocations are in which state.
    #[serde(deserialize_with = "null_as_default")]
    pub job_summary: JobSummary,
    /// The first index of this job.
    pub create_index: u64,
    /// The index of its last change of specification.
    pub job_modify_index: u64,
    /// The index of its last change of any kind.
    pub modify_index: u64,
}

/// How many allocations of a job are in which state.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, rename_all = "PascalCase")]
pub struct JobSummary {
    /// The job's id.
    #[serde(rename = "JobID")]
    pub job_id: String,
    /// By task group; old allocations count too.
    #[serde(deserialize_with = "null_as_default")]
    pub summary: BTreeMap<String, GroupSummary>,
}

/// How many allocations of a task group are in which state.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(default, rename_all = "PascalCase")]
pub struct GroupSummary {
    /// Not placed.
    pub queued: u64,
    /// Placed, not running.
    pub starting: u64,
    /// Running.
    pub running: u64,
    /// Ended well or stopped.
    pub complete: u64,
    /// Failed for good.
    pub failed: u64,
    /// On nodes that are down.
    pub lost: u64,
    /// On nodes out of reach.
    pub unknown: u64,
}

/// A job with its allocations and latest deployment, from one moment.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, rename_all = "PascalCase")]
pub struct JobState {
    /// Unique in its namespace.
    #[serde(rename = "ID")]
    pub id: String,
    /// Its namespace.
    pub namespace: String,
    /// The current version.
    pub version: u64,
    /// Whether it is stopped.
    pub stop: bool,
    /// Where it stands.
    pub status: JobStatus,
    /// The allocations it asks for, over all groups.
    pub group_count_sum: u64,
    /// All allocations, old ones included.
    #[serde(deserialize_with = "null_as_default")]
    pub allocs: Vec<AllocationState>,
    /// None for a job without deployments.
    pub latest_deployment: Option<LatestDeployment>,
    /// The index of its last change of any kind.
    pub modify_index: u64,
}

/// An allocation within a [`JobState`].
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, rename_all = "PascalCase")]
pub struct AllocationState {
    /// A UUID.
    #[serde(rename = "ID")]
    pub id: String,
    /// The task group's name.
    pub group: String,
    /// The version it runs.
    pub job_version: u64,
    /// What the node says.
    pub client_status: super::allocations::ClientStatus,
    /// Its health within a deployment.
    pub deployment_status: Option<super::allocations::AllocationHealth>,
}

/// The deployment within a [`JobState`].
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, rename_all = "PascalCase")]
pub struct LatestDeployment {
    /// A UUID.
    #[serde(rename = "ID")]
    pub id: String,
    /// The version it deploys.
    pub job_version: u64,
    /// Where it stands.
    pub status: super::deployments::DeploymentStatus,
    /// Why.
    pub status_description: String,
    /// Whether it can still change.
    pub is_active: bool,
    /// Whether canaries wait for somebody.
    pub requires_promotion: bool,
}

/// The versions Nomad keeps of a job.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "PascalCase")]
pub struct JobVersions {
    /// In the order Nomad has them.
    #[serde(default, deserialize_with = "null_as_default")]
    pub versions: Vec<Job>,
}

impl NamespaceClient {
    /// One job.
    ///
    /// # Errors
    /// [`NotFound`](super::ErrorKind::NotFound), or another kind.
    pub async fn job(&self, id: &str) -> Result<Indexed<Job>> {
        self.read(&["job", identifiers::job(id)?]).json().await
    }

    /// The versions Nomad keeps of a job (six by default), newest first.
    ///
    /// # Errors
    /// [`NotFound`](super::ErrorKind::NotFound), or another kind.
    pub async fn versions(&self, job: &str) -> Result<Indexed<Vec<Job>>> {
        let path = ["job", identifiers::job(job)?, "versions"];
        let answer = self.read(&path).json::<JobVersions>().await?;
        Ok(answer.map(|JobVersions { mut versions }| {
            versions.sort_by_key(|job| Reverse(job.view.version));
            versions
        }))
    }

    /// Every job of the namespace whose id begins with `prefix`, by id.
    ///
    /// # Errors
    /// Any kind but [`NotFound`](super::ErrorKind::NotFound).
    pub async fn jobs(&self, prefix: &str) -> Result<Indexed<Vec<JobStub>>> {
        let call = self.read(&["jobs"]).query("prefix", prefix);
        let list = call.json::<Option<Vec<JobStub>>>().await?;
        Ok(list.map(Option::unwrap_or_default))
    }

    /// Every job of the namespace with its allocations and latest deployment.
    ///
    /// # Errors
    /// Any kind but [`NotFound`](super::ErrorKind::NotFound).
    pub async fn job_states(&self) -> Result<Indexed<Vec<JobState>>> {
        let list = self
            .read(&["jobs", "statuses"])
            .json::<Option<Vec<JobState>>>();
        Ok(list.await?.map(Option::unwrap_or_default))
    }

    /// How many allocations of a job are in which state.
    ///
    /// # Errors
    /// [`NotFound`](super::ErrorKind::NotFound), or another kind.
    pub async fn job_summary(&self, job: &str) -> Result<Indexed<JobSummary>> {
        let path = ["job", identifiers::job(job)?, "summary"];
        self.read(&path).json().await
    }
}
