//! The form in which the server keeps a job. It adds fields, drops those that only callers know, and moves the update
//! strategy into the groups; so what is read back is never what was sent.

use serde_json::{Map, Value, json};

use crate::parse;
use crate::spec::{list, text};

/// Fields that are the cluster's own and no part of a specification.
const OF_THE_CLUSTER: [&str; 9] = [
    "Version",
    "Stable",
    "Stop",
    "Status",
    "StatusDescription",
    "CreateIndex",
    "ModifyIndex",
    "JobModifyIndex",
    "SubmitTime",
];

/// Fields of a job that are null or empty where nothing sets them.
const JOB_DEFAULTS: &[(&str, &str)] = &[
    ("Affinities", "null"),
    ("AllAtOnce", "false"),
    ("Constraints", "null"),
    ("ConsulNamespace", "\"\""),
    ("Datacenters", "[\"*\"]"),
    ("DispatchIdempotencyToken", "\"\""),
    ("Dispatched", "false"),
    ("Meta", "null"),
    ("Multiregion", "null"),
    ("NodePool", "\"default\""),
    ("NomadTokenID", "\"\""),
    ("ParameterizedJob", "null"),
    ("ParentID", "\"\""),
    ("Payload", "null"),
    ("Periodic", "null"),
    ("Priority", "50"),
    ("Region", "\"global\""),
    ("Spreads", "null"),
    ("Type", "\"service\""),
    ("UI", "null"),
    ("VaultNamespace", "\"\""),
    ("VersionTag", "null"),
];

const GROUP_DEFAULTS: &[(&str, &str)] = &[
    ("Affinities", "null"),
    ("Constraints", "null"),
    ("Consul", "null"),
    ("Count", "1"),
    ("Disconnect", "null"),
    (
        "EphemeralDisk",
        "{\"Migrate\":false,\"SizeMB\":300,\"Sticky\":false}",
    ),
    ("MaxClientDisconnect", "null"),
    ("MaxRunDuration", "null"),
    ("Meta", "null"),
    ("Migrate", "null"),
    ("Networks", "null"),
    ("PreventRescheduleOnLost", "false"),
    ("ReschedulePolicy", "null"),
    ("RestartPolicy", "null"),
    ("Scaling", "null"),
    ("Services", "null"),
    ("ShutdownDelay", "null"),
    ("Spreads", "null"),
    ("StopAfterClientDisconnect", "null"),
    ("Update", "null"),
    ("Volumes", "null"),
];

const TASK_DEFAULTS: &[(&str, &str)] = &[
    ("Actions", "null"),
    ("Affinities", "null"),
    ("Artifacts", "null"),
    ("CSIPluginConfig", "null"),
    ("Config", "null"),
    ("Constraints", "null"),
    ("Consul", "null"),
    ("DispatchPayload", "null"),
    ("Env", "null"),
    ("Identities", "null"),
    (
        "Identity",
        "{\"Audience\":[\"nomadproject.io\"],\"ChangeMode\":\"\",\"ChangeSignal\":\"\",\"Env\":false,\"ExtraClaims\":null,\"File\":false,\"Filepath\":\"\",\"Name\":\"default\",\"ServiceName\":\"\",\"TTL\":0}",
    ),
    ("KillSignal", "\"\""),
    ("KillTimeout", "5000000000"),
    ("Kind", "\"\""),
    ("Leader", "false"),
    ("Lifecycle", "null"),
    (
        "LogConfig",
        "{\"Disabled\":false,\"MaxFileSizeMB\":10,\"MaxFiles\":10}",
    ),
    ("Meta", "null"),
    ("ScalingPolicies", "null"),
    ("Schedule", "null"),
    ("Secrets", "null"),
    ("Services", "null"),
    ("ShutdownDelay", "0"),
    ("Templates", "null"),
    ("User", "\"\""),
    ("Vault", "null"),
    ("VolumeMounts", "null"),
];

const RESOURCE_DEFAULTS: &[(&str, &str)] = &[
    ("CPU", "100"),
    ("Cores", "0"),
    ("Devices", "null"),
    ("DiskMB", "0"),
    ("IOPS", "0"),
    ("MemoryMB", "300"),
    ("MemoryMaxMB", "0"),
    ("NUMA", "null"),
    ("Networks", "null"),
    ("SecretsMB", "0"),
];

/// Brings a job into the server's form, in `namespace`.
pub fn normalize(job: &mut Value, namespace: &str) {
    parse::canonicalize(job);
    let Some(fields) = job.as_object_mut() else {
        return;
    };
    for name in OF_THE_CLUSTER.into_iter().chain(["Migrate", "Reschedule"]) {
        fields.remove(name);
    }
    if fields.get("NodePool").and_then(Value::as_str) == Some("") {
        fields.remove("NodePool");
    }
    fill(fields, JOB_DEFAULTS);
    let id = fields.get("ID").cloned().unwrap_or_default();
    if fields
        .get("Name")
        .and_then(Value::as_str)
        .is_none_or(str::is_empty)
    {
        fields.insert("Name".to_owned(), id);
    }
    fields.insert("Namespace".to_owned(), json!(namespace));
    empty_to_null(fields, &["Meta", "Constraints", "Affinities", "Spreads"]);
    let batch = fields.get("Type").and_then(Value::as_str) == Some("batch");
    let update = fields
        .insert("Update".to_owned(), emptied_update(batch))
        .unwrap_or_default();
    for group in elements(fields, "TaskGroups") {
        normalize_group(group, namespace, &update, batch);
    }
}

/// What is left of a job's own update strategy: its values stand in the groups.
fn emptied_update(batch: bool) -> Value {
    let (parallel, stagger) = if batch {
        (0, 0)
    } else {
        (1, 30_000_000_000_i64)
    };
    json!({
        "AutoPromote": false, "AutoRevert": false, "Canary": 0, "HealthCheck": "", "HealthyDeadline": 0, "MaxParallel": parallel, "MinHealthyTime": 0,
        "ProgressDeadline": 0, "Stagger": stagger,
    })
}

fn normalize_group(group: &mut Map<String, Value>, namespace: &str, update: &Value, batch: bool) {
    fill(group, GROUP_DEFAULTS);
    if group.get("Update").is_none_or(Value::is_null) && !batch && update.is_object() {
        group.insert("Update".to_owned(), update.clone());
    }
    if batch {
        group.insert("Update".to_owned(), Value::Null);
    }
    empty_to_null(
        group,
        &[
            "Meta",
            "Constraints",
            "Affinities",
            "Spreads",
            "Volumes",
            "Networks",
            "Services",
        ],
    );
    let mut discovers = false;
    for task in elements(group, "Tasks") {
        fill(task, TASK_DEFAULTS);
        empty_to_null(
            task,
            &[
                "Meta",
                "Env",
                "Constraints",
                "Affinities",
                "Templates",
                "Artifacts",
                "Services",
                "VolumeMounts",
            ],
        );
        if let Some(log_config) = task.get_mut("LogConfig").and_then(Value::as_object_mut) {
            log_config.remove("Enabled");
        }
        let resources = task.entry("Resources").or_insert_with(|| json!({}));
        if !resources.is_object() {
            *resources = json!({});
        }
        if let Some(resources) = resources.as_object_mut() {
            fill(resources, RESOURCE_DEFAULTS);
        }
        let task_name = task.get("Name").cloned().unwrap_or_default();
        for service in elements(task, "Services") {
            discovers |= normalize_service(service, namespace);
            service.insert("TaskName".to_owned(), task_name.clone());
        }
    }
    for service in elements(group, "Services") {
        discovers |= normalize_service(service, namespace);
    }
    for network in elements(group, "Networks") {
        normalize_network(network);
    }
    if discovers {
        let mut constraints = vec![
            json!({"LTarget": "${attr.nomad.service_discovery}", "Operand": "=", "RTarget": "true"}),
            json!({"LTarget": "${attr.nomad.version}", "Operand": "semver", "RTarget": ">= 1.4.0"}),
        ];
        let own = group
            .get("Constraints")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        constraints.retain(|constraint| !own.contains(constraint));
        constraints.splice(0..0, own);
        group.insert("Constraints".to_owned(), Value::Array(constraints));
    }
}

/// Whether the service is one of Nomad's own discovery.
fn normalize_service(service: &mut Map<String, Value>, namespace: &str) -> bool {
    service.remove("CheckRestart");
    let native = service.get("Provider").and_then(Value::as_str) == Some("nomad");
    service.insert(
        "Namespace".to_owned(),
        if native { json!(namespace) } else { json!("") },
    );
    empty_to_null(service, &["Tags", "Meta", "Checks"]);
    for check in elements(service, "Checks") {
        check.remove("Advertise");
    }
    native
}

/// Only what is set stays of a network.
fn normalize_network(network: &mut Map<String, Value>) {
    for list in ["DynamicPorts", "ReservedPorts"] {
        for port in elements(network, list) {
            if port
                .get("HostNetwork")
                .and_then(Value::as_str)
                .is_none_or(str::is_empty)
            {
                port.insert("HostNetwork".to_owned(), json!("default"));
            }
            port.retain(|_, value| !is_empty(value));
        }
    }
    network.retain(|_, value| !is_empty(value));
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
}

/// Sets what is absent or null, from defaults written as JSON.
fn fill(fields: &mut Map<String, Value>, defaults: &[(&str, &str)]) {
    for (name, default) in defaults {
        if fields.get(*name).is_none_or(Value::is_null) {
            fields.insert(
                (*name).to_owned(),
                serde_json::from_str(default).unwrap_or_default(),
            );
        }
    }
}

fn empty_to_null(fields: &mut Map<String, Value>, names: &[&str]) {
    for name in names {
        if fields.get(*name).is_some_and(is_empty) {
            fields.insert((*name).to_owned(), Value::Null);
        }
    }
}

fn elements<'a>(
    fields: &'a mut Map<String, Value>,
    name: &str,
) -> impl Iterator<Item = &'a mut Map<String, Value>> {
    fields
        .get_mut(name)
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
        .filter_map(Value::as_object_mut)
}

/// What the server warns of, as register and plan tell it; empty if of nothing.
pub fn warnings(job: &Value) -> String {
    let undelayed = list(job, "TaskGroups").iter().filter(|group| {
        let delays = group
            .get("ShutdownDelay")
            .is_some_and(|delay| !is_empty(delay))
            || list(group, "Tasks").iter().any(|task| {
                task.get("ShutdownDelay")
                    .is_some_and(|delay| !is_empty(delay))
            });
        !list(group, "Services").is_empty() && !delays
    });
    let found: Vec<String> = undelayed
        .map(|group| format!("* group {:?} defines services, but neither the group nor any of its tasks have shutdown_delay set", text(group, "Name")))
        .collect();
    match found.len() {
        0 => String::new(),
        1 => format!("1 warning:\n\n{}", found.concat()),
        count => format!("{count} warnings:\n\n{}", found.join("\n")),
    }
}
