//! `/v1/evaluations` and `/v1/evaluation/…`.

use serde_json::{Value, json};

use super::answer::{Answer, ApiError};
use super::blocking;
use super::call::{self, Call};

pub async fn list(call: &Call) -> Result<Answer, ApiError> {
    call.only(&["GET"])?;
    blocking::read(call, |cluster| {
        let found = cluster.evaluations.values().filter(|evaluation| {
            call.covers(&evaluation.namespace)
                && call.query("job").is_none_or(|job| job == evaluation.job_id)
                && call
                    .query("status")
                    .is_none_or(|status| json!(evaluation.status) == status)
        });
        (
            cluster.tables.evaluations,
            Ok(found
                .map(|evaluation| json!(evaluation))
                .collect::<Vec<Value>>()),
        )
    })
    .await
}

pub async fn route(call: &Call, rest: &str) -> Result<Answer, ApiError> {
    call.only(&["GET"])?;
    if let Some(id) = rest.strip_suffix("/allocations") {
        let id = call::id(id, "alloc")?;
        return blocking::read(call, |cluster| {
            let found = cluster
                .allocations
                .values()
                .filter(|allocation| allocation.evaluation == id);
            (
                cluster.tables.allocations,
                Ok(found
                    .map(|allocation| allocation.stub(&cluster.node))
                    .collect::<Vec<_>>()),
            )
        })
        .await;
    }
    let id = call::id(rest, "failed to lookup eval: eval")?;
    blocking::read(call, |cluster| match cluster.evaluations.get(&id) {
        Some(evaluation) => (evaluation.modify_index, Ok(evaluation.clone())),
        None => (cluster.tables.evaluations, Err("eval not found".to_owned())),
    })
    .await
}
