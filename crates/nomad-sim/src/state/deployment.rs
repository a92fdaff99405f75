//! Deployments: the way of one version of a job to health.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};
use uuid::Uuid;

use super::job::JobKey;
use crate::clock;
use crate::spec::Update;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DeploymentStatus {
    Running,
    Paused,
    Successful,
    Failed,
    Cancelled,
}

/// A deployment's view of one group.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GroupProgress {
    pub auto_promote: bool,
    pub auto_revert: bool,
    pub desired_canaries: usize,
    pub desired_total: usize,
    pub healthy_allocs: usize,
    pub placed_allocs: usize,
    #[serde(serialize_with = "none_when_empty")]
    pub placed_canaries: Vec<Uuid>,
    #[serde(serialize_with = "as_nanoseconds")]
    pub progress_deadline: std::time::Duration,
    pub promoted: bool,
    #[serde(serialize_with = "clock::serialize_rfc3339")]
    pub require_progress_by: Option<DateTime<Utc>>,
    pub unhealthy_allocs: usize,
}

fn none_when_empty<S: Serializer>(ids: &[Uuid], serializer: S) -> Result<S::Ok, S::Error> {
    if ids.is_empty() {
        serializer.serialize_none()
    } else {
        ids.serialize(serializer)
    }
}

fn as_nanoseconds<S: Serializer>(
    duration: &std::time::Duration,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
}

impl GroupProgress {
    pub fn new(update: Update, desired_total: usize) -> Self {
        Self {
            auto_promote: false,
            auto_revert: update.auto_revert,
            desired_canaries: 0,
            desired_total,
            healthy_allocs: 0,
            placed_allocs: 0,
            placed_canaries: Vec::new(),
            progress_deadline: update.progress_deadline,
            promoted: false,
            require_progress_by: None,
            unhealthy_allocs: 0,
        }
    }

    pub fn awaits_promotion(&self) -> bool {
        self.desired_canaries > 0 && !self.promoted
    }

    pub fn is_done(&self) -> bool {
        self.healthy_allocs >= self.desired_total && !self.awaits_promotion()
    }
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Deployment {
    pub create_index: u64,
    #[serde(serialize_with = "clock::serialize_nanoseconds")]
    pub create_time: Option<DateTime<Utc>>,
    pub eval_priority: i64,
    #[serde(rename = "ID")]
    pub id: Uuid,
    pub is_multiregion: bool,
    pub job_create_index: u64,
    #[serde(rename = "JobID")]
    pub job_id: String,
    pub job_modify_index: u64,
    pub job_spec_modify_index: u64,
    pub job_version: u64,
    pub modify_index: u64,
    #[serde(serialize_with = "clock::serialize_nanoseconds")]
    pub modify_time: Option<DateTime<Utc>>,
    pub namespace: String,
    pub status: DeploymentStatus,
    pub status_description: String,
    #[serde(rename = "TaskGroups")]
    pub groups: BTreeMap<String, GroupProgress>,
}

impl Deployment {
    pub fn job_key(&self) -> JobKey {
        JobKey {
            namespace: self.namespace.clone(),
            id: self.job_id.clone(),
        }
    }

    pub fn is_active(&self) -> bool {
        matches!(
            self.status,
            DeploymentStatus::Running | DeploymentStatus::Paused
        )
    }

    pub fn requires_promotion(&self) -> bool {
        self.groups.values().any(GroupProgress::awaits_promotion)
    }
}
