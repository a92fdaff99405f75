//! `/v1/job/…` and `/v1/jobs/statuses`: everything about one job. What a path is about stands at its end, so an ID that
//! ends like that can't be read.

use serde_json::{Value, json};

use super::answer::{Answer, ApiError};
use super::blocking::{self, Seen};
use super::call::Call;
use super::{register, revert};
use crate::spec;
use crate::state::Cluster;
use crate::state::job::JobKey;

const NOT_FOUND: &str = "job not found";

pub async fn route(call: &Call, rest: &str) -> Result<Answer, ApiError> {
    for (suffix, methods) in [
        ("evaluations", "GET"),
        ("allocations", "GET"),
        ("deployments", "GET"),
        ("deployment", "GET"),
        ("versions", "GET"),
        ("summary", "GET"),
        ("services", "GET"),
        ("plan", "PUT POST"),
        ("evaluate", "PUT POST"),
        ("revert", "PUT POST"),
        ("stable", "PUT POST"),
        ("scale", "GET PUT POST"),
    ] {
        let Some(id) = rest
            .strip_suffix(suffix)
            .and_then(|rest| rest.strip_suffix('/'))
        else {
            continue;
        };
        let methods: Vec<&str> = methods.split(' ').collect();
        call.only(&methods)?;
        let key = call.job(id);
        return match suffix {
            "plan" => super::plan::plan(call, id),
            "evaluate" => revert::evaluate(call, &key),
            "revert" => revert::revert(call, &key),
            "stable" => revert::stable(call, &key),
            "scale" if call.is_write() => revert::scale(call, &key),
            suffix => blocking::read(call, |cluster| part(call, cluster, &key, suffix)).await,
        };
    }
    match call.method.as_str() {
        "GET" => {
            let key = call.job(rest);
            blocking::read(call, |cluster| match cluster.jobs.get(&key) {
                Some(job) => (job.current.modify_index, Ok(job.current.to_json())),
                None => absent(cluster),
            })
            .await
        }
        "PUT" | "POST" => register::register(call, Some(rest)),
        "DELETE" => Ok(deregister(call, &call.job(rest))),
        _ => Err(ApiError::InvalidMethod),
    }
}

fn absent<T>(cluster: &Cluster) -> Seen<T> {
    (cluster.tables.jobs, Err(NOT_FOUND.to_owned()))
}

fn part(call: &Call, cluster: &Cluster, key: &JobKey, what: &str) -> Seen<Value> {
    let tables = cluster.tables;
    match what {
        "evaluations" => (
            tables.evaluations,
            Ok(json!(cluster.evaluations_of(key).collect::<Vec<_>>())),
        ),
        "deployments" => (
            tables.deployments,
            Ok(json!(cluster.deployments_of(key).collect::<Vec<_>>())),
        ),
        "deployment" => (
            tables.deployments,
            Ok(json!(cluster.latest_deployment(key))),
        ),
        "allocations" => {
            let stubs: Vec<Value> = cluster
                .allocations_of(key)
                .map(|allocation| allocation.stub(&cluster.node))
                .collect();
            (tables.allocations, Ok(Value::Array(stubs)))
        }
        _ => {
            let Some(job) = cluster.jobs.get(key) else {
                return if what == "versions" {
                    (tables.jobs, Err("job versions not found".to_owned()))
                } else {
                    absent(cluster)
                };
            };
            match what {
                "versions" => {
                    let versions: Vec<Value> = job
                        .versions
                        .iter()
                        .map(|version| version.to_json())
                        .collect();
                    let diffs = if call.flag("diffs") {
                        super::plan::version_diffs(job)
                    } else {
                        Value::Null
                    };
                    let index = job.current.modify_index;
                    (
                        index,
                        Ok(
                            json!({"Diffs": diffs, "Index": index, "KnownLeader": true, "LastContact": 0, "NextToken": "", "Versions": versions}),
                        ),
                    )
                }
                "summary" => (job.summary_index, Ok(json!(cluster.summary(key)))),
                "services" => {
                    let found = cluster
                        .services
                        .values()
                        .filter(|service| service.key == *key);
                    (
                        tables.services,
                        Ok(Value::Array(
                            found
                                .map(|service| service.to_json(&cluster.node))
                                .collect(),
                        )),
                    )
                }
                _ => (
                    job.current.modify_index,
                    Ok(revert::scale_status(cluster, key, job)),
                ),
            }
        }
    }
}

fn deregister(call: &Call, key: &JobKey) -> Answer {
    let done = call
        .agent
        .write(|cluster| cluster.deregister(key, call.flag("purge")));
    let evaluation = done.evaluation.map(|id| id.to_string()).unwrap_or_default();
    let body = json!({
        "EvalCreateIndex": done.index, "EvalID": evaluation, "Index": done.index, "JobModifyIndex": done.index, "KnownLeader": false,
        "LastContact": 0, "NextToken": "", "VolumeEvalID": "", "VolumeEvalIndex": 0,
    });
    Answer::written(done.index, &body)
}

pub async fn statuses(call: &Call) -> Result<Answer, ApiError> {
    call.only(&["GET", "PUT", "POST"])?;
    let wanted = call.optional_json()?;
    let named: Option<Vec<JobKey>> = wanted.get("Jobs").and_then(Value::as_array).map(|jobs| {
        let key = |job: &Value| JobKey {
            namespace: spec::text(job, "Namespace").to_owned(),
            id: spec::text(job, "ID").to_owned(),
        };
        jobs.iter().map(key).collect()
    });
    let page = super::page::Page::of(call)?;
    let (index, seen) = blocking::wait_for(call, |cluster| {
        let found = cluster.jobs.keys().filter(|key| match &named {
            Some(named) => named.contains(key),
            None => call.covers(&key.namespace),
        });
        let (rows, next) = page.cut(found, |key| format!("{}.{}", key.namespace, key.id));
        let index = cluster
            .tables
            .jobs
            .max(cluster.tables.allocations)
            .max(cluster.tables.deployments);
        (
            index,
            Ok((
                rows.into_iter()
                    .filter_map(|key| status(cluster, key))
                    .collect::<Vec<_>>(),
                next,
            )),
        )
    })
    .await?;
    let (rows, next) = seen.map_err(ApiError::NotFound)?;
    Ok(page.answer(index, &rows, next))
}

fn status(cluster: &Cluster, key: &JobKey) -> Option<Value> {
    let job = &cluster.jobs.get(key)?.current;
    let part = |name: &str| job.spec.get(name).cloned().unwrap_or_default();
    let allocations: Vec<Value> = cluster
        .allocations_of(key)
        .map(|allocation| {
            json!({
                "ClientStatus": allocation.client_status, "DeploymentStatus": {"Canary": allocation.is_canary(), "Healthy": allocation.healthy()},
                "FollowupEvalID": allocation.followup_evaluation.map(|id| id.to_string()).unwrap_or_default(), "Group": allocation.group,
                "HasPausedTask": false, "ID": allocation.id, "JobVersion": allocation.job.version, "NodeID": cluster.node.id,
            })
        })
        .collect();
    let deployment = cluster.latest_deployment(key).map(|deployment| {
        let canaries = deployment.groups.values().filter(|group| group.desired_canaries > 0);
        json!({
            "AllAutoPromote": deployment.is_active() && canaries.clone().all(|group| group.auto_promote), "ID": deployment.id, "IsActive": deployment.is_active(),
            "JobVersion": deployment.job_version, "RequiresPromotion": deployment.requires_promotion(), "Status": deployment.status,
            "StatusDescription": deployment.status_description,
        })
    });
    Some(json!({
        "Allocs": allocations, "ChildStatuses": null, "Datacenters": part("Datacenters"),
        "GroupCountSum": spec::groups(&job.spec).iter().map(spec::count).sum::<usize>(), "ID": key.id, "IsPack": false, "LatestDeployment": deployment,
        "ModifyIndex": job.modify_index, "Name": part("Name"), "Namespace": key.namespace, "NodePool": part("NodePool"), "ParentID": "",
        "Priority": part("Priority"), "Status": job.status, "Stop": job.stop, "SubmitTime": crate::clock::nanoseconds(job.submit_time),
        "Type": part("Type"), "Version": job.version,
    }))
}
