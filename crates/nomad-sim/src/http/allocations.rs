//! `/v1/allocations`, `/v1/allocation/…` and `/v1/client/…`: reading allocations, and acting on their tasks. No call here
//! looks at the namespace: without ACLs an id is enough.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::answer::{Answer, ApiError};
use super::blocking;
use super::call::{self, Call};
use crate::node::TaskError;
use crate::spec::{flag, text};

pub async fn list(call: &Call) -> Result<Answer, ApiError> {
    call.only(&["GET"])?;
    let prefix = call.query("prefix").unwrap_or_default();
    blocking::read(call, |cluster| {
        let found = cluster.allocations.values().filter(|allocation| {
            call.covers(&allocation.key.namespace) && allocation.id.to_string().starts_with(prefix)
        });
        (
            cluster.tables.allocations,
            Ok(found
                .map(|allocation| allocation.stub(&cluster.node))
                .collect::<Vec<_>>()),
        )
    })
    .await
}

pub async fn route(call: &Call, rest: &str) -> Result<Answer, ApiError> {
    match rest.split_once('/') {
        None => {
            call.only(&["GET"])?;
            let id = call::id(rest, "alloc")?;
            blocking::read(call, |cluster| match cluster.allocations.get(&id) {
                Some(allocation) => (
                    allocation.modify_index,
                    Ok(allocation.to_json(&cluster.node, true)),
                ),
                None => (
                    cluster.tables.allocations,
                    Err("alloc not found".to_owned()),
                ),
            })
            .await
        }
        Some((id, "stop")) => {
            call.only(&["PUT", "POST"])?;
            let id = call::id(id, "alloc")?;
            let (evaluation, index) = call
                .agent
                .write(|cluster| cluster.stop_one(id))
                .map_err(ApiError::NotFound)?;
            Ok(Answer::written(
                index,
                &json!({"EvalID": evaluation, "Index": index}),
            ))
        }
        Some((id, "checks")) => {
            call.only(&["GET"])?;
            checks(call, call::id(id, "alloc")?)
        }
        Some((id, "services")) => {
            call.only(&["GET"])?;
            let id = call::id(id, "alloc")?;
            blocking::read(call, |cluster| {
                let found = cluster
                    .services
                    .values()
                    .filter(|service| service.allocation == id);
                (
                    cluster.tables.services,
                    Ok(found
                        .map(|service| service.to_json(&cluster.node))
                        .collect::<Vec<_>>()),
                )
            })
            .await
        }
        Some(_) => Err(ApiError::NotFound("resource not found".to_owned())),
    }
}

fn unknown(id: impl std::fmt::Display) -> ApiError {
    ApiError::NotFound(format!("Unknown allocation \"{id}\""))
}

/// What the probes of an allocation found; null once it has stopped.
fn checks(call: &Call, id: Uuid) -> Result<Answer, ApiError> {
    let found = call.agent.read(|cluster| {
        cluster
            .allocations
            .get(&id)
            .map(|allocation| match cluster.runners.get(&id) {
                _ if allocation.is_terminal() => Value::Null,
                Some(runner) => Value::Object(
                    runner
                        .checks
                        .iter()
                        .map(|check| (check.id().to_owned(), check.to_json()))
                        .collect::<Map<_, _>>(),
                ),
                None => json!({}),
            })
    });
    found
        .map(|checks| Answer::json(&checks))
        .ok_or_else(|| unknown(id))
}

pub async fn client(call: &Call, rest: &str) -> Result<Answer, ApiError> {
    if let Some(id) = rest.strip_prefix("fs/logs/") {
        call.only(&["GET"])?;
        return logs(call, id);
    }
    let Some((id, verb)) = rest
        .strip_prefix("allocation/")
        .and_then(|rest| rest.split_once('/'))
    else {
        return Err(ApiError::UnknownPath);
    };
    let id = id.parse().map_err(|_| unknown(id))?;
    match verb {
        // As on a real agent, any method restarts.
        "restart" => restart(call, id).await,
        "signal" => signal(call, id),
        "stats" => {
            call.only(&["GET"])?;
            stats(call, id)
        }
        "gc" => Ok(Answer::empty(0)),
        _ => Err(ApiError::NotFound("resource not found".to_owned())),
    }
}

fn failed(error: TaskError) -> ApiError {
    match error {
        TaskError::UnknownAllocation(id) => unknown(id),
        error => ApiError::Failed(error.to_string()),
    }
}

/// Answers when the tasks have been killed, which may take their kill timeout.
async fn restart(call: &Call, id: Uuid) -> Result<Answer, ApiError> {
    let request = call.optional_json()?;
    let (task, all) = (text(&request, "TaskName"), flag(&request, "AllTasks"));
    if all && !task.is_empty() {
        return Err(ApiError::Failed(
            "task name cannot be set when restarting all tasks".to_owned(),
        ));
    }
    let only = Some(task).filter(|task| !task.is_empty());
    let killed = call
        .agent
        .write(|cluster| cluster.restart_allocation(id, only))
        .map_err(failed)?;
    // A task whose allocation is gone meanwhile need not be waited for.
    futures::future::join_all(killed).await;
    Ok(Answer::json(&json!({"Index": 0})))
}

fn signal(call: &Call, id: Uuid) -> Result<Answer, ApiError> {
    call.only(&["PUT", "POST"])?;
    let request = call.json().map_err(|error| match error {
        ApiError::Bad(text) => ApiError::Bad(format!("Failed to decode body: {text}")),
        error => error,
    })?;
    call.agent
        .write(|cluster| {
            cluster.signal_allocation(id, text(&request, "Task"), text(&request, "Signal"))
        })
        .map_err(failed)?;
    Ok(Answer::json(&json!({"Index": 0})))
}

fn stats(call: &Call, id: Uuid) -> Result<Answer, ApiError> {
    let usage = call.agent.read(|cluster| {
        cluster
            .allocations
            .contains_key(&id)
            .then(|| cluster.usage(id, call.query("task")))
    });
    usage
        .map(|usage| Answer::json(&crate::runtime::Usage::stats(&usage)))
        .ok_or_else(|| unknown(id))
}

fn logs(call: &Call, id: &str) -> Result<Answer, ApiError> {
    let request = crate::logs::LogRequest::from_query(&call.query_string).map_err(ApiError::Bad)?;
    let id: Uuid = id.parse().map_err(|_| unknown(id))?;
    let found = call.agent.read(|cluster| {
        let allocation = cluster.allocations.get(&id)?;
        let named = allocation.group_spec().is_some_and(|group| {
            crate::spec::list(group, "Tasks")
                .iter()
                .any(|task| text(task, "Name") == request.task)
        });
        let logs = cluster
            .runners
            .get(&id)
            .and_then(|runner| runner.tasks.get(&request.task))
            .and_then(|task| task.logs.clone());
        Some((named, logs.unwrap_or_default()))
    });
    match found {
        None => Err(unknown(id)),
        Some((false, _)) => Err(ApiError::Bad(format!(
            "unknown task name {:?}",
            request.task
        ))),
        Some((true, logs)) => Ok(crate::logs::answer(&request, &logs).into()),
    }
}
