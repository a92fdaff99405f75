//! `/v1/deployments` and `/v1/deployment/…`.

use serde_json::json;
use uuid::Uuid;

use super::answer::{Answer, ApiError};
use super::blocking;
use super::call::{self, Call};
use crate::spec::flag;

pub async fn list(call: &Call) -> Result<Answer, ApiError> {
    call.only(&["GET"])?;
    let prefix = call.query("prefix").unwrap_or_default();
    blocking::read(call, |cluster| {
        let found = cluster.deployments.values().filter(|deployment| {
            call.covers(&deployment.namespace) && deployment.id.to_string().starts_with(prefix)
        });
        (
            cluster.tables.deployments,
            Ok(found.cloned().collect::<Vec<_>>()),
        )
    })
    .await
}

pub async fn route(call: &Call, rest: &str) -> Result<Answer, ApiError> {
    if let Some((verb, id)) = rest.split_once('/') {
        if verb == "allocations" {
            call.only(&["GET"])?;
            let id = call::id(id, "deployment")?;
            return blocking::read(call, |cluster| {
                let found = cluster
                    .allocations
                    .values()
                    .filter(|allocation| allocation.deployment == Some(id));
                (
                    cluster.tables.allocations,
                    Ok(found
                        .map(|allocation| allocation.stub(&cluster.node))
                        .collect::<Vec<_>>()),
                )
            })
            .await;
        }
        call.only(&["PUT", "POST"])?;
        return steer(call, verb, call::id(id, "deployment")?);
    }
    call.only(&["GET"])?;
    let id = call::id(rest, "deployment")?;
    blocking::read(call, |cluster| match cluster.deployments.get(&id) {
        Some(deployment) => (deployment.modify_index, Ok(deployment.clone())),
        None => (
            cluster.tables.deployments,
            Err("deployment not found".to_owned()),
        ),
    })
    .await
}

fn steer(call: &Call, verb: &str, id: Uuid) -> Result<Answer, ApiError> {
    let request = call.optional_json()?;
    let steered = call.agent.write(|cluster| match verb {
        "fail" => cluster.fail_by_hand(id),
        "pause" => cluster.pause_deployment(id, flag(&request, "Pause")),
        "promote" => cluster.promote_deployment(id),
        _ => Err(String::new()),
    });
    match steered {
        Ok(steered) => Ok(Answer::written(
            steered.index,
            &json!({
                "DeploymentModifyIndex": steered.index, "EvalCreateIndex": if steered.evaluation.is_some() { steered.index } else { 0 },
                "EvalID": steered.evaluation.map(|id| id.to_string()).unwrap_or_default(), "Index": steered.index,
                "RevertedJobVersion": steered.reverted_to,
            }),
        )),
        Err(text) if text.is_empty() => Err(ApiError::UnknownPath),
        Err(text) => Err(ApiError::Failed(text)),
    }
}
