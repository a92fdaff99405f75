//! The agent itself and its surroundings: health, leader, regions, node, pools, metrics.

use serde_json::{Value, json};

use super::answer::{Answer, ApiError};
use super::call::Call;
use crate::state::node::{Node, VERSION};

pub async fn route(call: &Call, path: &str) -> Result<Answer, ApiError> {
    match path {
        "quotas" | "quota-usages" => return Err(ApiError::Enterprise),
        path if path.starts_with("quota/") || path.starts_with("sentinel/") => {
            return Err(ApiError::Enterprise);
        }
        "system/gc" => {
            call.only(&["PUT", "POST"])?;
            call.agent.write(crate::state::Cluster::collect_garbage);
            return Ok(Answer::empty(call.agent.read(|cluster| cluster.index)));
        }
        _ => {}
    }
    let answer = match path {
        "agent/health" => Answer::json(&health(call.query("type"))),
        "agent/self" => Answer::json(
            &call
                .agent
                .read(|cluster| itself(&cluster.node, cluster.index)),
        ),
        "status/leader" => Answer::json(&"127.0.0.1:4647"),
        "status/peers" => Answer::json(&["127.0.0.1:4647"]),
        "regions" => Answer::json(&["global"]),
        "nodes" => call
            .agent
            .read(|cluster| Answer::read(10, &[cluster.node.stub()])),
        "node/pools" => Answer::read(
            1,
            &[
                pool("all", "Node pool with all nodes in the cluster."),
                pool("default", "Default node pool."),
            ],
        ),
        "operator/scheduler/configuration" => Answer::read(5, &scheduler_configuration()),
        "metrics" => Answer::json(
            &json!({"Counters": [], "Gauges": [], "Points": [], "Samples": [], "Timestamp": chrono::Utc::now().to_rfc2822()}),
        ),
        path => match path.strip_prefix("node/") {
            Some(id) => {
                let id = super::call::id(id, "node")?;
                let node = call
                    .agent
                    .read(|cluster| (cluster.node.id == id).then(|| cluster.node.stub()));
                Answer::read(
                    10,
                    &node.ok_or_else(|| ApiError::Absent {
                        text: "node not found".to_owned(),
                        index: 10,
                    })?,
                )
            }
            None => return Err(ApiError::UnknownPath),
        },
    };
    call.only(&["GET"])?;
    Ok(answer)
}

fn health(kind: Option<&str>) -> Value {
    let ok = json!({"message": "ok", "ok": true});
    match kind {
        Some("server") => json!({"server": ok}),
        Some("client") => json!({"client": ok}),
        _ => json!({"client": ok, "server": ok}),
    }
}

fn itself(node: &Node, index: u64) -> Value {
    let (version, prerelease) = VERSION.split_once('-').unwrap_or((VERSION, ""));
    json!({
        "config": {
            "Datacenter": node.datacenter, "DevMode": true, "EnableDebug": true, "Region": "global",
            "Version": {"BuildDate": null, "Revision": "", "Version": version, "VersionMetadata": "", "VersionPrerelease": prerelease},
        },
        "member": {
            "Name": format!("{}.global", node.name), "Addr": "127.0.0.1", "Port": 4648, "Status": "alive",
            "Tags": {
                "bootstrap": "1", "build": VERSION, "dc": node.datacenter, "expect": "1", "id": node.id, "port": "4647", "raft_vsn": "3",
                "region": "global", "revision": "", "role": "nomad", "rpc_addr": "127.0.0.1", "vsn": "1",
            },
        },
        "stats": {
            "nomad": {"bootstrap": "true", "known_regions": "1", "leader": "true", "leader_addr": "127.0.0.1:4647", "server": "true"},
            "raft": {"applied_index": index.to_string(), "commit_index": index.to_string(), "last_log_index": index.to_string(), "num_peers": "0", "state": "Leader"},
        },
    })
}

fn pool(name: &str, description: &str) -> Value {
    json!({
        "CreateIndex": 1, "Description": description, "Hash": null, "Meta": null, "ModifyIndex": 1, "Name": name,
        "NodeIdentityTTL": 86_400_000_000_000_i64, "SchedulerConfiguration": null,
    })
}

fn scheduler_configuration() -> Value {
    json!({
        "Index": 5, "KnownLeader": true, "LastContact": 0, "NextToken": "",
        "SchedulerConfig": {
            "CreateIndex": 5, "MemoryOversubscriptionEnabled": false, "ModifyIndex": 5, "NodeLimitForFeasibilityChecks": 0, "PauseEvalBroker": false,
            "PreemptionConfig": {"BatchSchedulerEnabled": false, "ServiceSchedulerEnabled": false, "SysBatchSchedulerEnabled": false, "SystemSchedulerEnabled": true},
            "RejectJobRegistration": false, "SchedulerAlgorithm": "binpack",
        },
    })
}
