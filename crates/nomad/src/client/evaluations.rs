//! Evaluations: the scheduler's answer to a change. `complete` says that it has finished, not that it placed anything.

use std::{cmp::Reverse, collections::BTreeMap};

use serde::Deserialize;

use super::{Indexed, NamespaceClient, Result, identifiers, nullable::null_as_default};

/// Where an evaluation stands.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum EvaluationStatus {
    /// Waits for capacity.
    Blocked,
    /// Waits for the scheduler, or for its time.
    Pending,
    /// The scheduler has finished.
    Complete,
    /// The scheduler gave up.
    Failed,
    /// Another evaluation made it needless. Spelled with one l, unlike a deployment's.
    Canceled,
    /// A status this client does not know.
    #[default]
    #[serde(other)]
    Unknown,
}

/// One evaluation.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, rename_all = "PascalCase")]
pub struct Evaluation {
    /// A UUID.
    #[serde(rename = "ID")]
    pub id: String,
    /// The job's id.
    #[serde(rename = "JobID")]
    pub job_id: String,
    /// Its namespace.
    pub namespace: String,
    /// Where it stands.
    pub status: EvaluationStatus,
    /// Why, in Nomad's words.
    pub status_description: String,
    /// What made it: `job-register`, `deployment-watcher`, `queued-allocs`, …
    pub triggered_by: String,
    /// The kind of job, which is the scheduler's: `service`, `batch`, …
    #[serde(rename = "Type")]
    pub kind: String,
    /// The job's modify index it looks at; 0 where Nomad does not say.
    pub job_modify_index: u64,
    /// The job's deployment at the time, not necessarily a new one; empty for none.
    #[serde(rename = "DeploymentID")]
    pub deployment_id: String,
    /// The evaluation that waits to place what this one could not; empty for none.
    pub blocked_eval: String,
    /// The evaluation that follows later; empty for none.
    pub next_eval: String,
    /// The evaluation this one follows; empty for none.
    pub previous_eval: String,
    /// When a delayed one runs (RFC 3339).
    pub wait_until: Option<String>,
    /// Why allocations could not be placed, by task group.
    #[serde(rename = "FailedTGAllocs", deserialize_with = "null_as_default")]
    pub failed_groups: BTreeMap<String, PlacementFailure>,
    /// How many allocations still wait, by task group.
    #[serde(deserialize_with = "null_as_default")]
    pub queued_allocations: BTreeMap<String, u64>,
    /// Its first index.
    pub create_index: u64,
    /// Its last index.
    pub modify_index: u64,
}

/// What the scheduler looked at when it could not place an allocation.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, rename_all = "PascalCase")]
pub struct PlacementFailure {
    /// The node pool that was searched.
    pub node_pool: String,
    /// Nodes in that pool.
    pub nodes_in_pool: u64,
    /// Ready nodes, by datacenter.
    #[serde(deserialize_with = "null_as_default")]
    pub nodes_available: BTreeMap<String, u64>,
    /// Nodes that were looked at.
    pub nodes_evaluated: u64,
    /// Of those, the ones a constraint ruled out.
    pub nodes_filtered: u64,
    /// Of those, the ones without enough left.
    pub nodes_exhausted: u64,
    /// Nodes ruled out, by constraint (`missing drivers`).
    #[serde(deserialize_with = "null_as_default")]
    pub constraint_filtered: BTreeMap<String, u64>,
    /// Nodes ruled out, by node class.
    #[serde(deserialize_with = "null_as_default")]
    pub class_filtered: BTreeMap<String, u64>,
    /// Nodes without enough left, by what is missing (`memory`, `cpu`, `disk`).
    #[serde(deserialize_with = "null_as_default")]
    pub dimension_exhausted: BTreeMap<String, u64>,
    /// Quotas that are used up (Enterprise).
    #[serde(deserialize_with = "null_as_default")]
    pub quota_exhausted: Vec<String>,
    /// How many further allocations failed for the same reason.
    pub coalesced_failures: u64,
}

impl NamespaceClient {
    /// One evaluation.
    ///
    /// # Errors
    /// [`NotFound`](super::ErrorKind::NotFound), or another kind.
    pub async fn evaluation(&self, id: &str) -> Result<Indexed<Evaluation>> {
        let id = identifiers::uuid("evaluation id", id)?;
        self.read(&["evaluation", id]).json().await
    }

    /// The evaluations of a job, newest first; none for an absent job.
    ///
    /// # Errors
    /// Any kind but [`NotFound`](super::ErrorKind::NotFound).
    pub async fn evaluations(&self, job: &str) -> Result<Indexed<Vec<Evaluation>>> {
        let path = ["job", identifiers::job(job)?, "evaluations"];
        let list = self.read(&path).json::<Option<Vec<Evaluation>>>().await?;
        Ok(list.map(|list| newest_first(list, |evaluation| evaluation.create_index)))
    }
}

/// Nomad sorts the lists below a job by their random ids.
pub(super) fn newest_first<T>(list: Option<Vec<T>>, index: impl Fn(&T) -> u64) -> Vec<T> {
    let mut list = list.unwrap_or_default();
    list.sort_by_key(|item| Reverse(index(item)));
    list
}
