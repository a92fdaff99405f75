//! What changes a job without sending it: revert, stable, evaluate, scale.

use serde_json::{Value, json};

use super::answer::{Answer, ApiError};
use super::call::Call;
use super::register;
use crate::admission;
use crate::operations::{ScaleError, Scaling};
use crate::spec::{self, flag, text};
use crate::state::Cluster;
use crate::state::allocation::{ClientStatus, DesiredStatus};
use crate::state::job::{Job, JobKey};

/// The body, which names the same job as the path.
fn request_for(call: &Call, key: &JobKey) -> Result<Value, ApiError> {
    let request = call.json()?;
    match text(&request, "JobID") {
        "" => Err(ApiError::Bad("JobID must be specified".to_owned())),
        id if id != key.id => Err(ApiError::Bad("Job ID does not match".to_owned())),
        _ => Ok(request),
    }
}

fn version(request: &Value, name: &str) -> Option<u64> {
    request.get(name).and_then(Value::as_u64)
}

fn warnings(call: &Call, key: &JobKey) -> String {
    call.agent.read(|cluster| {
        cluster
            .jobs
            .get(key)
            .map(|job| admission::warnings(&job.current.spec))
            .unwrap_or_default()
    })
}

pub fn revert(call: &Call, key: &JobKey) -> Result<Answer, ApiError> {
    let request = request_for(call, key)?;
    let target = version(&request, "JobVersion").unwrap_or_default();
    let reverted = call
        .agent
        .write(|cluster| cluster.revert(key, target, version(&request, "EnforcePriorVersion")));
    Ok(register::reply(
        &reverted.map_err(ApiError::Failed)?,
        &warnings(call, key),
    ))
}

pub fn stable(call: &Call, key: &JobKey) -> Result<Answer, ApiError> {
    let request = request_for(call, key)?;
    let marked = call.agent.write(|cluster| {
        cluster.mark_stable(
            key,
            version(&request, "JobVersion").unwrap_or_default(),
            flag(&request, "Stable"),
        )
    });
    let index = marked.map_err(ApiError::Failed)?;
    Ok(Answer::written(index, &json!({"Index": index})))
}

pub fn evaluate(call: &Call, key: &JobKey) -> Result<Answer, ApiError> {
    let evaluated = call
        .agent
        .write(|cluster| cluster.evaluate_again(key))
        .map_err(ApiError::Failed)?;
    Ok(register::reply(&evaluated, ""))
}

pub fn scale(call: &Call, key: &JobKey) -> Result<Answer, ApiError> {
    let request = call.json()?;
    let group = request
        .get("Target")
        .map(|target| text(target, "Group"))
        .unwrap_or_default()
        .to_owned();
    let scaling = Scaling {
        group,
        count: version(&request, "Count"),
        message: text(&request, "Message").to_owned(),
        error: flag(&request, "Error"),
        meta: request.get("Meta").filter(|meta| meta.is_object()).cloned(),
    };
    let scaled = call.agent.write(|cluster| {
        cluster
            .scale(key, scaling)
            .map(|registered| (registered, cluster.index))
    });
    let (registered, index) = scaled.map_err(|error| match error {
        ScaleError::Bad(text) => ApiError::Bad(text),
        ScaleError::NotFound(text) => ApiError::NotFound(text),
    })?;
    let (evaluation, evaluation_index, job_modify_index) =
        registered.map_or((String::new(), 0, 0), |registered| {
            (
                registered.evaluation.to_string(),
                registered.evaluation_index,
                registered.job_modify_index,
            )
        });
    let body = json!({
        "EvalCreateIndex": evaluation_index, "EvalID": evaluation, "Index": index, "JobModifyIndex": job_modify_index, "KnownLeader": true,
        "LastContact": 0, "NextToken": "", "Warnings": "",
    });
    Ok(Answer::written(index, &body))
}

/// How a job is scaled now, and how it came to be.
pub fn scale_status(cluster: &Cluster, key: &JobKey, job: &Job) -> Value {
    let mut groups = serde_json::Map::new();
    for group in spec::groups(&job.current.spec) {
        let name = text(group, "Name");
        let running: Vec<_> = cluster
            .allocations_of(key)
            .filter(|allocation| {
                allocation.group == name && allocation.desired_status == DesiredStatus::Run
            })
            .collect();
        let count = |wanted: &dyn Fn(&&&crate::state::allocation::Allocation) -> bool| {
            running
                .iter()
                .filter(|allocation| wanted(allocation))
                .count()
        };
        let status = json!({
            "Desired": spec::count(group),
            "Events": job.scaling_events.iter().filter(|event| event.group == name).collect::<Vec<_>>(),
            "Healthy": count(&|allocation| allocation.healthy() == Some(true)),
            "Placed": running.len(),
            "Running": count(&|allocation| allocation.client_status == ClientStatus::Running),
            "Unhealthy": count(&|allocation| allocation.healthy() == Some(false)),
        });
        groups.insert(name.to_owned(), status);
    }
    json!({
        "JobCreateIndex": job.current.create_index, "JobID": key.id, "JobModifyIndex": job.current.modify_index, "JobStopped": job.current.stop,
        "Namespace": key.namespace, "TaskGroups": groups,
    })
}
