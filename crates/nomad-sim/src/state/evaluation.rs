//! Evaluations: one consideration of a job by the scheduler, and what came of it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::job::JobKey;
use crate::clock;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EvaluationStatus {
    Pending,
    Blocked,
    Complete,
    Canceled,
}

/// What the scheduler decided for one group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct DesiredUpdates {
    pub canary: usize,
    pub destructive_update: usize,
    pub disconnect: usize,
    pub ignore: usize,
    pub in_place_update: usize,
    pub migrate: usize,
    pub place: usize,
    pub preemptions: usize,
    pub reconnect: usize,
    pub reschedule_later: usize,
    pub reschedule_now: usize,
    pub stop: usize,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct PlanAnnotations {
    #[serde(rename = "DesiredTGUpdates")]
    pub desired: BTreeMap<String, DesiredUpdates>,
    pub preempted_allocs: Option<Value>,
}

/// An unset field is absent from the answer, not null.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Evaluation {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocked_eval: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class_eligibility: Option<BTreeMap<String, bool>>,
    #[serde(skip_serializing_if = "is_zero")]
    pub create_index: u64,
    #[serde(serialize_with = "clock::serialize_nanoseconds")]
    pub create_time: Option<DateTime<Utc>>,
    #[serde(rename = "DeploymentID", skip_serializing_if = "Option::is_none")]
    pub deployment: Option<Uuid>,
    #[serde(rename = "FailedTGAllocs", skip_serializing_if = "BTreeMap::is_empty")]
    pub failed_placements: BTreeMap<String, Value>,
    #[serde(rename = "ID")]
    pub id: Uuid,
    #[serde(rename = "JobID")]
    pub job_id: String,
    #[serde(skip_serializing_if = "is_zero")]
    pub job_modify_index: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub modify_index: u64,
    #[serde(serialize_with = "clock::serialize_nanoseconds")]
    pub modify_time: Option<DateTime<Utc>>,
    pub namespace: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_eval: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan_annotations: Option<PlanAnnotations>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous_eval: Option<Uuid>,
    pub priority: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queued_allocations: Option<BTreeMap<String, usize>>,
    #[serde(skip_serializing_if = "is_zero")]
    pub snapshot_index: u64,
    pub status: EvaluationStatus,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub status_description: String,
    pub triggered_by: &'static str,
    #[serde(rename = "Type")]
    pub kind: String,
    #[serde(
        serialize_with = "clock::serialize_rfc3339",
        skip_serializing_if = "Option::is_none"
    )]
    pub wait_until: Option<DateTime<Utc>>,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Evaluation {
    pub fn job_key(&self) -> JobKey {
        JobKey {
            namespace: self.namespace.clone(),
            id: self.job_id.clone(),
        }
    }

    pub fn is_open(&self) -> bool {
        matches!(
            self.status,
            EvaluationStatus::Pending | EvaluationStatus::Blocked
        )
    }
}
