//! Deployments: how a version of a job reaches the state it asks for, and whether it got there.

use std::collections::BTreeMap;

use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use super::{
    Indexed, NamespaceClient, Result, evaluations::newest_first, identifiers,
    nullable::null_as_default,
};

/// Where a deployment stands.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum DeploymentStatus {
    /// Under way; for ever if nothing can be placed.
    Running,
    /// Held by an operator.
    Paused,
    /// Every allocation became healthy.
    Successful,
    /// It did not succeed in time, or somebody ended it.
    Failed,
    /// A newer version, or a stop, came in between. Spelled with two l, unlike an evaluation's.
    Cancelled,
    /// Not started yet (multi-region jobs).
    Initializing,
    /// Not started yet (multi-region jobs).
    Pending,
    /// Waits for another region.
    Blocked,
    /// About to go on.
    Unblocking,
    /// A status this client does not know.
    #[default]
    #[serde(other)]
    Unknown,
}

impl DeploymentStatus {
    /// Whether it can't change any more.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Successful | Self::Failed | Self::Cancelled)
    }
}

/// One deployment.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, rename_all = "PascalCase")]
pub struct Deployment {
    /// A UUID.
    #[serde(rename = "ID")]
    pub id: String,
    /// The job's id.
    #[serde(rename = "JobID")]
    pub job_id: String,
    /// Its namespace.
    pub namespace: String,
    /// The version it deploys.
    pub job_version: u64,
    /// The job's create index: another one means another job of the same name.
    pub job_create_index: u64,
    /// The job's modify index.
    pub job_modify_index: u64,
    /// The modify index of the job's specification: what the reply to the registration named.
    pub job_spec_modify_index: u64,
    /// Where it stands.
    pub status: DeploymentStatus,
    /// Why, in Nomad's words.
    pub status_description: String,
    /// How far each task group is.
    #[serde(deserialize_with = "null_as_default")]
    pub task_groups: BTreeMap<String, GroupProgress>,
    /// Its first index.
    pub create_index: u64,
    /// Its last index.
    pub modify_index: u64,
}

/// How far one task group of a deployment is.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, rename_all = "PascalCase")]
pub struct GroupProgress {
    /// Allocations that must become healthy.
    pub desired_total: u64,
    /// All placements so far, replaced ones included.
    pub placed_allocs: u64,
    /// Healthy ones.
    pub healthy_allocs: u64,
    /// Unhealthy ones.
    pub unhealthy_allocs: u64,
    /// Canaries asked for.
    pub desired_canaries: u64,
    /// The canaries' allocation ids.
    #[serde(deserialize_with = "null_as_default")]
    pub placed_canaries: Vec<String>,
    /// Whether the canaries have been promoted.
    pub promoted: bool,
    /// Whether a failure brings back the last stable version.
    pub auto_revert: bool,
    /// Whether healthy canaries are promoted at once.
    pub auto_promote: bool,
    /// In nanoseconds.
    #[serde(rename = "ProgressDeadline")]
    pub progress_deadline_nanos: i64,
    /// When the next allocation must be healthy (RFC 3339); none before the first placement.
    pub require_progress_by: Option<String>,
}

/// What Nomad made of a request to change a deployment.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, rename_all = "PascalCase")]
pub struct DeploymentChanged {
    /// The evaluation that follows; empty for none.
    #[serde(rename = "EvalID")]
    pub evaluation_id: String,
    /// The deployment's index after it.
    pub deployment_modify_index: u64,
    /// The version the job goes back to, if it does.
    pub reverted_job_version: Option<u64>,
}

impl NamespaceClient {
    /// One deployment.
    ///
    /// # Errors
    /// [`NotFound`](super::ErrorKind::NotFound), or another kind.
    pub async fn deployment(&self, id: &str) -> Result<Indexed<Deployment>> {
        let id = identifiers::uuid("deployment id", id)?;
        self.read(&["deployment", id]).json().await
    }

    /// The deployments of a job, newest first; none for an absent job.
    ///
    /// # Errors
    /// Any kind but [`NotFound`](super::ErrorKind::NotFound).
    pub async fn deployments(&self, job: &str) -> Result<Indexed<Vec<Deployment>>> {
        let path = ["job", identifiers::job(job)?, "deployments"];
        let list = self.read(&path).json::<Option<Vec<Deployment>>>().await?;
        Ok(list.map(|list| newest_first(list, |deployment| deployment.create_index)))
    }

    /// Ends a deployment as failed; its allocations go on running.
    ///
    /// # Errors
    /// [`AlreadyEnded`](super::ErrorKind::AlreadyEnded), [`NotFound`](super::ErrorKind::NotFound), or another kind.
    pub async fn fail_deployment(&self, id: &str) -> Result<DeploymentChanged> {
        self.change_deployment("fail", id, json!({})).await
    }

    /// Holds a deployment, or lets it go on. One whose allocations are all placed still ends while held.
    ///
    /// # Errors
    /// As [`NamespaceClient::fail_deployment`].
    pub async fn pause_deployment(&self, id: &str, pause: bool) -> Result<DeploymentChanged> {
        let body = json!({ "DeploymentID": id, "Pause": pause });
        self.change_deployment("pause", id, body).await
    }

    /// Promotes the canaries of every group.
    ///
    /// # Errors
    /// [`Invalid`](super::ErrorKind::Invalid) while they are not healthy; otherwise as
    /// [`NamespaceClient::fail_deployment`].
    pub async fn promote_deployment(&self, id: &str) -> Result<DeploymentChanged> {
        let body = json!({ "DeploymentID": id, "All": true });
        self.change_deployment("promote", id, body).await
    }

    async fn change_deployment(
        &self,
        verb: &str,
        id: &str,
        body: serde_json::Value,
    ) -> Result<DeploymentChanged> {
        let id = identifiers::uuid("deployment id", id)?;
        let call = self.write(Method::POST, &["deployment", verb, id]);
        Ok(call.body(body).json().await?.value)
    }
}
