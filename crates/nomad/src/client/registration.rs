//! Changing jobs: from a job file to a document, what it would change, registering it, stopping it.

use std::{collections::BTreeMap, fmt};

use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    NamespaceClient, Result,
    evaluations::{Evaluation, PlacementFailure},
    identifiers,
    nullable::null_as_default,
};

/// What Nomad's validation says of a job. Names of drivers and their configuration are not looked at.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, rename_all = "PascalCase")]
pub struct Validation {
    /// Everything in one text; empty for a valid job.
    pub error: String,
    /// One text for each mistake.
    #[serde(deserialize_with = "null_as_default")]
    pub validation_errors: Vec<String>,
    /// Advice; empty for none.
    pub warnings: String,
}

/// What a registration would change. Printing it leaves the differences out, because environments stand there in clear
/// text.
#[derive(Clone, Default, Deserialize, PartialEq)]
#[serde(default, rename_all = "PascalCase")]
pub struct Plan {
    /// What a registration must enforce to find the job as this plan found it; 0 for a new job.
    pub job_modify_index: u64,
    /// Advice; empty for none.
    pub warnings: String,
    /// What the scheduler would do.
    #[serde(deserialize_with = "null_as_default")]
    pub annotations: PlanAnnotations,
    /// The differences to the current job; none if they were not asked for.
    pub diff: Option<JobDiff>,
    /// Why allocations could not be placed now, by task group.
    #[serde(rename = "FailedTGAllocs", deserialize_with = "null_as_default")]
    pub failed_groups: BTreeMap<String, PlacementFailure>,
    /// The evaluations that would wait for capacity; they are not stored.
    #[serde(rename = "CreatedEvals", deserialize_with = "null_as_default")]
    pub created_evaluations: Vec<Evaluation>,
}

impl fmt::Debug for Plan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Plan")
            .field("job_modify_index", &self.job_modify_index)
            .field("diff", &self.diff.as_ref().map(|diff| diff.kind))
            .field("failed_groups", &self.failed_groups)
            .finish_non_exhaustive()
    }
}

/// What the scheduler would do.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub struct PlanAnnotations {
    /// By task group: the work of the next evaluation alone, not of the whole update.
    #[serde(rename = "DesiredTGUpdates", deserialize_with = "null_as_default")]
    pub updates: BTreeMap<String, DesiredUpdates>,
}

/// How many allocations of a task group would see what.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(default, rename_all = "PascalCase")]
pub struct DesiredUpdates {
    /// Left alone.
    pub ignore: u64,
    /// Newly placed.
    pub place: u64,
    /// Changed without a restart.
    pub in_place_update: u64,
    /// Replaced.
    pub destructive_update: u64,
    /// Placed as canaries.
    pub canary: u64,
    /// Stopped.
    pub stop: u64,
    /// Moved.
    pub migrate: u64,
}

/// The differences of two job documents.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, rename_all = "PascalCase")]
pub struct JobDiff {
    /// What happens to the job as a whole.
    #[serde(rename = "Type")]
    pub kind: DiffKind,
    /// Changed fields of the job itself.
    #[serde(deserialize_with = "null_as_default")]
    pub fields: Vec<Value>,
    /// Changed blocks of the job itself.
    #[serde(deserialize_with = "null_as_default")]
    pub objects: Vec<Value>,
    /// The task groups, unchanged ones included.
    #[serde(deserialize_with = "null_as_default")]
    pub task_groups: Vec<Value>,
}

/// What happens to an object of a plan.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq)]
pub enum DiffKind {
    /// Nothing.
    None,
    /// It is new.
    Added,
    /// It goes.
    Deleted,
    /// It changes.
    Edited,
    /// A kind this client does not know.
    #[default]
    #[serde(other)]
    Unknown,
}

/// The reply to a registration (or a revert, or a scaling).
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, rename_all = "PascalCase")]
pub struct Registered {
    /// The evaluation that follows; empty for none (periodic jobs).
    #[serde(rename = "EvalID")]
    pub evaluation_id: String,
    /// The job's modify index. After registering an unchanged job it is *not* what a later registration must enforce:
    /// take that from [`NamespaceClient::job`] or a plan.
    pub job_modify_index: u64,
    /// Advice; empty for none.
    pub warnings: String,
}

/// The reply to a stop.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, rename_all = "PascalCase")]
pub struct Stopped {
    /// The evaluation that follows; empty if there was no such job.
    #[serde(rename = "EvalID")]
    pub evaluation_id: String,
    /// The job's modify index, because a stop is a version too; 0 if there was no such job.
    pub job_modify_index: u64,
}

impl Stopped {
    /// Whether there was a job to stop: Nomad answers with success either way.
    pub fn found(&self) -> bool {
        self.job_modify_index != 0
    }
}

/// How a job was scaled, and what became of it.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, rename_all = "PascalCase")]
pub struct ScaleStatus {
    /// Whether the job is stopped.
    pub job_stopped: bool,
    /// By task group.
    #[serde(deserialize_with = "null_as_default")]
    pub task_groups: BTreeMap<String, GroupScale>,
}

/// How one task group is scaled.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, rename_all = "PascalCase")]
pub struct GroupScale {
    /// Allocations asked for.
    pub desired: u64,
    /// Placed ones.
    pub placed: u64,
    /// Running ones.
    pub running: u64,
    /// Healthy ones, as the latest deployment counts them.
    pub healthy: u64,
    /// Unhealthy ones, as the latest deployment counts them.
    pub unhealthy: u64,
}

impl NamespaceClient {
    /// Turns a job file into a document. `variables` is an object whose strings Nomad takes literally; it ignores those
    /// the file does not declare. `canonicalize` fills in defaults.
    ///
    /// The document is not checked in any way: its namespace, region and drivers are the file's.
    ///
    /// # Errors
    /// [`Invalid`](super::ErrorKind::Invalid) with Nomad's words on the file, or another kind.
    pub async fn parse(
        &self,
        hcl: &str,
        variables: &serde_json::Map<String, Value>,
        canonicalize: bool,
    ) -> Result<Value> {
        let variables = Value::Object(variables.clone()).to_string();
        let body = json!({ "JobHCL": hcl, "Variables": variables, "Canonicalize": canonicalize });
        let call = self.write(Method::POST, &["jobs", "parse"]);
        Ok(call.body(body).json().await?.value)
    }

    /// What Nomad's validation says of a job. It looks at the namespace the document names, not at this client's.
    ///
    /// # Errors
    /// Any kind; an invalid job is no error.
    pub async fn validate(&self, job: &Value) -> Result<Validation> {
        let call = self.write(Method::POST, &["validate", "job"]);
        Ok(call.body(json!({ "Job": job })).json().await?.value)
    }

    /// What registering `job` would change now.
    ///
    /// # Errors
    /// [`Invalid`](super::ErrorKind::Invalid), [`NamespaceMissing`](super::ErrorKind::NamespaceMissing), or another kind.
    pub async fn plan(&self, job: &Value) -> Result<Plan> {
        let path = ["job", id_of(job)?, "plan"];
        let call = self.write(Method::POST, &path);
        let body = json!({ "Job": job, "Diff": true });
        Ok(call.body(body).json().await?.value)
    }

    /// Registers `job` in this client's namespace and region, whatever the document names. With `enforce_index` only if
    /// the job's modify index is that one; 0 means only if there is no such job.
    ///
    /// # Errors
    /// [`IndexConflict`](super::ErrorKind::IndexConflict), [`Invalid`](super::ErrorKind::Invalid),
    /// [`NamespaceMissing`](super::ErrorKind::NamespaceMissing), or another kind.
    pub async fn register(&self, job: &Value, enforce_index: Option<u64>) -> Result<Registered> {
        id_of(job)?;
        let mut body = json!({ "Job": job });
        if let Some(index) = enforce_index {
            body["EnforceIndex"] = true.into();
            body["JobModifyIndex"] = index.into();
        }
        let call = self.write(Method::POST, &["jobs"]);
        Ok(call.body(body).json().await?.value)
    }

    /// Stops a job. With `purge` it also forgets the job, its versions, allocations and logs at once, while its tasks
    /// run out their kill timeout unseen. An absent job is no error: see [`Stopped::found`].
    ///
    /// # Errors
    /// Any kind but [`NotFound`](super::ErrorKind::NotFound).
    pub async fn stop(&self, job: &str, purge: bool) -> Result<Stopped> {
        let path = ["job", identifiers::job(job)?];
        let call = self.write(Method::DELETE, &path).query("purge", purge);
        Ok(call.json().await?.value)
    }

    /// Makes a new version with the specification of an old one.
    ///
    /// # Errors
    /// [`NotFound`](super::ErrorKind::NotFound), [`Invalid`](super::ErrorKind::Invalid) for the current version, or
    /// another kind.
    pub async fn revert(&self, job: &str, version: u64) -> Result<Registered> {
        let path = ["job", identifiers::job(job)?, "revert"];
        let body = json!({ "JobID": job, "JobVersion": version });
        let call = self.write(Method::POST, &path);
        Ok(call.body(body).json().await?.value)
    }

    /// Changes how many allocations a task group has. This makes a version and a deployment even for the same count.
    ///
    /// # Errors
    /// [`DeploymentActive`](super::ErrorKind::DeploymentActive), [`NotFound`](super::ErrorKind::NotFound), or another
    /// kind.
    pub async fn scale(&self, job: &str, group: &str, count: u64) -> Result<Registered> {
        let path = ["job", identifiers::job(job)?, "scale"];
        let body = json!({ "Count": count, "Target": { "Group": group } });
        let call = self.write(Method::POST, &path);
        Ok(call.body(body).json().await?.value)
    }

    /// How a job is scaled.
    ///
    /// # Errors
    /// [`NotFound`](super::ErrorKind::NotFound), or another kind.
    pub async fn scale_status(&self, job: &str) -> Result<ScaleStatus> {
        let path = ["job", identifiers::job(job)?, "scale"];
        Ok(self.read(&path).json().await?.value)
    }
}

fn id_of(job: &Value) -> Result<&str> {
    identifiers::job(job["ID"].as_str().unwrap_or_default())
}
