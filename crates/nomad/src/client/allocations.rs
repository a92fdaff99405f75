//! Allocations: one run of a task group on a node, with the states and last events of its tasks.

use std::{collections::BTreeMap, time::Duration};

use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use super::{
    Indexed, NamespaceClient, Result, evaluations::newest_first, identifiers,
    nullable::null_as_default,
};

/// What the node says of an allocation.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum ClientStatus {
    /// Not every task has started.
    Pending,
    /// A task runs.
    Running,
    /// Every task has ended, none by itself in failure.
    Complete,
    /// A task failed for good.
    Failed,
    /// Its node is down.
    Lost,
    /// Its node is out of reach, or a status this client does not know.
    #[default]
    #[serde(other)]
    Unknown,
}

impl ClientStatus {
    /// Whether nothing of it runs any more.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Complete | Self::Failed | Self::Lost)
    }
}

/// An allocation, as lists show it and as it is read alone. Fields that only one of the two has are empty in the other.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, rename_all = "PascalCase")]
pub struct Allocation {
    /// A UUID.
    #[serde(rename = "ID")]
    pub id: String,
    /// `<job>.<group>[<index>]`; a replacement has the same.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// The job's id.
    #[serde(rename = "JobID")]
    pub job_id: String,
    /// The job's version; only lists have it.
    pub job_version: Option<u64>,
    /// The task group's name.
    pub task_group: String,
    /// The evaluation that placed it.
    #[serde(rename = "EvalID")]
    pub evaluation_id: String,
    /// The deployment it belongs to; lists do not have it.
    #[serde(rename = "DeploymentID")]
    pub deployment_id: String,
    /// The node it is on.
    #[serde(rename = "NodeID")]
    pub node_id: String,
    /// That node's name.
    pub node_name: String,
    /// `run`, `stop` or `evict`. A failed one keeps `run`.
    pub desired_status: String,
    /// Why.
    pub desired_description: String,
    /// What the node says; up to a second late.
    pub client_status: ClientStatus,
    /// Why.
    pub client_description: String,
    /// Its health within a deployment; none while unknown or without one.
    pub deployment_status: Option<AllocationHealth>,
    /// The tasks by name; none before the first starts.
    #[serde(deserialize_with = "null_as_default")]
    pub task_states: BTreeMap<String, TaskState>,
    /// The allocation that replaced it; empty for none.
    pub next_allocation: String,
    /// The evaluation that will replace it later; empty for none.
    #[serde(rename = "FollowupEvalID")]
    pub followup_evaluation_id: String,
    /// What it was given; lists do not have it.
    #[serde(deserialize_with = "null_as_default")]
    pub allocated_resources: AllocatedResources,
    /// Its first index.
    pub create_index: u64,
    /// Its last index.
    pub modify_index: u64,
    /// Nanoseconds since 1970.
    #[serde(rename = "CreateTime")]
    pub create_time_nanos: i64,
}

/// An allocation's health, as its deployment counts it. It stays as it was once the deployment has ended.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, rename_all = "PascalCase")]
pub struct AllocationHealth {
    /// None while undecided.
    pub healthy: Option<bool>,
    /// Whether it is a canary.
    pub canary: bool,
}

/// What one task is doing.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, rename_all = "PascalCase")]
pub struct TaskState {
    /// `pending`, `running` or `dead`.
    pub state: String,
    /// Whether it failed for good.
    pub failed: bool,
    /// How often it was restarted.
    pub restarts: u64,
    /// RFC 3339.
    pub started_at: Option<String>,
    /// RFC 3339.
    pub finished_at: Option<String>,
    /// The last ten events, oldest first.
    #[serde(deserialize_with = "null_as_default")]
    pub events: Vec<TaskEvent>,
}

/// Something that happened to a task.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, rename_all = "PascalCase")]
pub struct TaskEvent {
    /// `Started`, `Terminated`, `Driver Failure`, …
    #[serde(rename = "Type")]
    pub kind: String,
    /// For people.
    pub display_message: String,
    /// For programs, all as text: `exit_code`, `oom_killed`, `fails_task`, …
    #[serde(deserialize_with = "null_as_default")]
    pub details: BTreeMap<String, String>,
    /// Nanoseconds since 1970, by the node's clock.
    #[serde(rename = "Time")]
    pub time_nanos: i64,
}

/// What an allocation was given.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, rename_all = "PascalCase")]
pub struct AllocatedResources {
    /// What its tasks share.
    #[serde(deserialize_with = "null_as_default")]
    pub shared: SharedResources,
}

/// What the tasks of an allocation share.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, rename_all = "PascalCase")]
pub struct SharedResources {
    /// The ports.
    #[serde(deserialize_with = "null_as_default")]
    pub ports: Vec<AllocatedPort>,
}

/// A port of the node that leads to the allocation.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, rename_all = "PascalCase")]
pub struct AllocatedPort {
    /// The label in the job.
    pub label: String,
    /// The port.
    pub value: u16,
    /// The node's address.
    #[serde(rename = "HostIP")]
    pub host_ip: String,
}

/// What Nomad made of a request to stop an allocation.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, rename_all = "PascalCase")]
pub struct AllocationStopped {
    /// The evaluation that follows.
    #[serde(rename = "EvalID")]
    pub evaluation_id: String,
    /// The index of the change.
    pub index: u64,
}

impl NamespaceClient {
    /// One allocation.
    ///
    /// # Errors
    /// [`NotFound`](super::ErrorKind::NotFound), or another kind.
    pub async fn allocation(&self, id: &str) -> Result<Indexed<Allocation>> {
        let id = identifiers::uuid("allocation id", id)?;
        self.read(&["allocation", id]).json().await
    }

    /// The allocations of a job, newest first, those of earlier versions included; none for an absent job.
    ///
    /// # Errors
    /// Any kind but [`NotFound`](super::ErrorKind::NotFound).
    pub async fn allocations(&self, job: &str) -> Result<Indexed<Vec<Allocation>>> {
        let path = ["job", identifiers::job(job)?, "allocations"];
        let list = self.read(&path).json::<Option<Vec<Allocation>>>().await?;
        Ok(list.map(|list| newest_first(list, |allocation| allocation.create_index)))
    }

    /// Restarts the running tasks in place. Nomad answers only once they have been killed, so the call may take
    /// `kill_timeout` (the longest of the tasks') longer than others.
    ///
    /// # Errors
    /// [`NotFound`](super::ErrorKind::NotFound), [`AlreadyEnded`](super::ErrorKind::AlreadyEnded), or another kind.
    pub async fn restart(&self, allocation: &str, kill_timeout: Duration) -> Result<()> {
        let id = identifiers::uuid("allocation id", allocation)?;
        self.write(Method::PUT, &["client", "allocation", id, "restart"])
            .body(json!({}))
            .allow(kill_timeout)
            .done()
            .await
    }

    /// Stops an allocation; Nomad places another in its stead.
    ///
    /// # Errors
    /// [`NotFound`](super::ErrorKind::NotFound), or another kind.
    pub async fn stop_allocation(&self, id: &str) -> Result<AllocationStopped> {
        let id = identifiers::uuid("allocation id", id)?;
        let call = self.write(Method::POST, &["allocation", id, "stop"]);
        Ok(call.json().await?.value)
    }
}
