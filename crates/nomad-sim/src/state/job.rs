//! Jobs and their versions. What a user sent is kept apart from what the cluster adds to it, so that two specifications
//! can be compared, and one is shared by every version, allocation and event that shows it.

use std::collections::VecDeque;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::clock;
use crate::spec;

/// How many versions of a job are kept.
const KEPT_VERSIONS: usize = 6;
/// How many scaling events of a group are kept.
const KEPT_SCALING_EVENTS: usize = 20;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobKey {
    pub namespace: String,
    pub id: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum JobStatus {
    Pending,
    Running,
    Dead,
}

#[derive(Clone, Debug)]
pub struct JobVersion {
    pub spec: Arc<Value>,
    pub version: u64,
    pub stable: bool,
    pub stop: bool,
    pub status: JobStatus,
    pub create_index: u64,
    pub modify_index: u64,
    pub job_modify_index: u64,
    pub submit_time: DateTime<Utc>,
}

impl JobVersion {
    pub fn kind(&self) -> &str {
        spec::text(&self.spec, "Type")
    }

    pub fn priority(&self) -> i64 {
        spec::number(&self.spec, "Priority")
    }

    /// The whole job as the agent sends it.
    pub fn to_json(&self) -> Value {
        let mut job = (*self.spec).clone();
        if let Some(fields) = job.as_object_mut() {
            for (name, value) in [
                ("Version", json!(self.version)),
                ("Stable", json!(self.stable)),
                ("Stop", json!(self.stop)),
                ("Status", json!(self.status)),
                ("StatusDescription", json!("")),
                ("CreateIndex", json!(self.create_index)),
                ("ModifyIndex", json!(self.modify_index)),
                ("JobModifyIndex", json!(self.job_modify_index)),
                ("SubmitTime", json!(clock::nanoseconds(self.submit_time))),
            ] {
                fields.insert(name.to_owned(), value);
            }
        }
        job
    }
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ScalingEvent {
    pub count: Option<u64>,
    pub create_index: u64,
    pub error: bool,
    #[serde(rename = "EvalID")]
    pub evaluation: Option<Uuid>,
    pub message: String,
    pub meta: Option<Value>,
    pub previous_count: u64,
    #[serde(serialize_with = "clock::serialize_nanoseconds")]
    pub time: Option<DateTime<Utc>>,
    #[serde(skip)]
    pub group: String,
}

#[derive(Clone, Debug)]
pub struct Job {
    /// What GET answers. It is the newest version, unless someone marked an older one stable.
    pub current: JobVersion,
    /// Newest first.
    pub versions: VecDeque<JobVersion>,
    pub scaling_events: VecDeque<ScalingEvent>,
    pub summary_index: u64,
    /// What could not be placed, by group.
    pub queued: std::collections::BTreeMap<String, usize>,
}

impl Job {
    pub fn new(first: JobVersion) -> Self {
        Self {
            summary_index: first.modify_index,
            versions: VecDeque::from([first.clone()]),
            current: first,
            scaling_events: VecDeque::new(),
            queued: Default::default(),
        }
    }

    /// Makes `version` the current one: a new version, or the same one with another status.
    pub fn put(&mut self, version: JobVersion) {
        match self
            .versions
            .iter_mut()
            .find(|kept| kept.version == version.version)
        {
            Some(kept) => *kept = version.clone(),
            None => self.versions.push_front(version.clone()),
        }
        self.versions.truncate(KEPT_VERSIONS);
        self.current = version;
    }

    pub fn record_scaling(&mut self, event: ScalingEvent) {
        self.scaling_events.push_front(event);
        self.scaling_events.truncate(KEPT_SCALING_EVENTS);
    }
}
