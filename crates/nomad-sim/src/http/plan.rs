//! `/v1/job/…/plan`: what registering would do, and what differs. It is the scheduler's own decision, not carried out.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::answer::{Answer, ApiError};
use super::call::Call;
use super::register::admit;
use crate::diff;
use crate::scheduler::deployments::next_version;
use crate::scheduler::plan::Plan;
use crate::scheduler::reconcile::reconcile;
use crate::spec::{flag, text};
use crate::state::Cluster;
use crate::state::evaluation::{DesiredUpdates, PlanAnnotations};
use crate::state::job::{Job, JobKey, JobStatus, JobVersion};

pub fn plan(call: &Call, id: &str) -> Result<Answer, ApiError> {
    let admitted = admit(call)?;
    if admitted.key.id != id {
        return Err(ApiError::Bad("Job ID does not match".to_owned()));
    }
    let (index, body) = call.agent.read(|cluster| {
        cluster.check_capabilities(&admitted.key, &admitted.spec)?;
        let existing = cluster.jobs.get(&admitted.key);
        let index = existing.map_or(0, |job| job.current.job_modify_index);
        let job = planned(cluster, existing, admitted.spec.clone(), admitted.stop);
        let plan = reconcile(cluster, &admitted.key, &job, existing.is_some());
        let diff = flag(&admitted.request, "Diff").then(|| difference(existing, &job, &plan));
        let body = json!({
            "Annotations": PlanAnnotations { desired: plan.desired.clone(), preempted_allocs: None },
            "CreatedEvals": created(cluster, &admitted.key, &job, &plan),
            "Diff": diff,
            "FailedTGAllocs": if plan.failed.is_empty() { Value::Null } else { json!(plan.failed) },
            "Index": index, "JobModifyIndex": index, "NextPeriodicLaunch": null, "Warnings": admitted.warnings,
        });
        Ok((index, body))
    })
    .map_err(ApiError::Failed)?;
    Ok(Answer::written(index, &body))
}

/// The version that registering would make, or the current one where nothing would change.
fn planned(cluster: &Cluster, existing: Option<&Job>, spec: Value, stop: bool) -> JobVersion {
    let index = cluster.index + 1;
    if let Some(job) = existing.filter(|job| *job.current.spec == spec && job.current.stop == stop)
    {
        return job.current.clone();
    }
    let fresh = JobVersion {
        spec: Arc::new(spec),
        version: 0,
        stable: false,
        stop,
        status: JobStatus::Pending,
        create_index: index,
        modify_index: index,
        job_modify_index: index,
        submit_time: chrono::Utc::now(),
    };
    match existing {
        Some(job) => next_version(job, fresh, index),
        None => fresh,
    }
}

/// The evaluation that would wait for room; it is not saved.
fn created(cluster: &Cluster, key: &JobKey, job: &JobVersion, plan: &Plan) -> Value {
    if plan.failed.is_empty() {
        return Value::Null;
    }
    let evaluation = cluster.new_evaluation(key, "job-register");
    let mut blocked = cluster.blocked_evaluation(&evaluation, key, job, plan);
    blocked.create_index = 0;
    blocked.modify_index = 0;
    blocked.job_modify_index = 0;
    blocked.snapshot_index = 0;
    json!([blocked])
}

fn difference(existing: Option<&Job>, job: &JobVersion, plan: &Plan) -> Value {
    let old = existing.map(|existing| &existing.current);
    let mut shown = diff::jobs(
        old.map(|old| &*old.spec),
        &job.spec,
        (old.is_some_and(|old| old.stop), job.stop),
    );
    for group in shown["TaskGroups"].as_array_mut().into_iter().flatten() {
        let desired = plan
            .desired
            .get(text(group, "Name"))
            .copied()
            .unwrap_or_default();
        group["Updates"] = updates(desired);
    }
    shown
}

fn updates(desired: DesiredUpdates) -> Value {
    let counts = [
        ("ignore", desired.ignore),
        ("create", desired.place + desired.reschedule_now),
        ("destroy", desired.stop),
        ("migrate", desired.migrate),
        ("canary", desired.canary),
        ("in-place update", desired.in_place_update),
        ("create/destroy update", desired.destructive_update),
    ];
    let counts: Map<String, Value> = counts
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(name, count)| (name.to_owned(), json!(count)))
        .collect();
    if counts.is_empty() {
        Value::Null
    } else {
        Value::Object(counts)
    }
}

/// The differences between each version of a job and the one before it.
pub fn version_diffs(job: &Job) -> Value {
    let pairs = job.versions.iter().zip(job.versions.iter().skip(1));
    let diffs: Vec<Value> = pairs
        .map(|(new, old)| diff::jobs(Some(&old.spec), &new.spec, (old.stop, new.stop)))
        .collect();
    Value::Array(diffs)
}
