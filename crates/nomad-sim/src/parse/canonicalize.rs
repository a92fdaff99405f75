//! The defaults that Nomad fills into a job.

use serde_json::{Map as Object, Value, json};

use super::{
    block::skeleton,
    shapes::{
        ARTIFACT, CHECK, CHECK_RESTART, EPHEMERAL_DISK, GROUP, JOB, LOGS, MIGRATE, NETWORK, PORT,
        RESCHEDULE, RESOURCES, RESTART, SERVICE, Shape, TASK, TEMPLATE, UPDATE, VOLUME_MOUNT,
    },
};

const SECOND: u64 = 1_000_000_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

/// Fills what a job does not say, as Nomad's parser does when it is asked to, and as registering does too. What registering
/// fills besides (`Datacenters`, `NodePool`) stays as it is. Fields that this does not know stay as well.
pub fn canonicalize(job: &mut Value) {
    let Some(job) = job.as_object_mut() else {
        return;
    };
    complete(job, &JOB);
    let id = job["ID"].clone();
    fill(
        job,
        &json!({
            "AllAtOnce": false, "ConsulNamespace": "", "CreateIndex": 0, "Dispatched": false, "JobModifyIndex": 0,
            "ModifyIndex": 0, "Name": id, "Namespace": "default", "NodePool": "", "NomadTokenID": "", "ParentID": "",
            "Priority": 50, "Region": "global", "Stable": false, "Status": "", "StatusDescription": "", "Stop": false,
            "Type": "service", "VaultNamespace": "", "Version": 0,
        }),
    );
    let kind = job["Type"].as_str().unwrap_or("service").to_owned();
    if matches!(kind.as_str(), "service" | "system") {
        filled(&mut job["Update"], &UPDATE, &update());
    }
    let (update, migrate, reschedule) = (
        job["Update"].clone(),
        job["Migrate"].clone(),
        job["Reschedule"].clone(),
    );
    let job_name = job["Name"].as_str().unwrap_or_default().to_owned();
    for group in objects(&mut job["TaskGroups"]) {
        complete(group, &GROUP);
        fill(group, &json!({"Count": 1}));
        filled(
            &mut group["EphemeralDisk"],
            &EPHEMERAL_DISK,
            &json!({"Migrate": false, "SizeMB": 300, "Sticky": false}),
        );
        if update.is_object() {
            filled(&mut group["Update"], &UPDATE, &update);
        }
        if kind == "service" {
            let default = json!({
                "HealthCheck": "checks", "HealthyDeadline": 5 * MINUTE, "MaxParallel": 1, "MinHealthyTime": 10 * SECOND,
            });
            let default = overlaid(&default, &migrate);
            filled(&mut group["Migrate"], &MIGRATE, &default);
        }
        if let Some(default) = reschedule_policy(&kind) {
            let default = overlaid(&default, &reschedule);
            filled(&mut group["ReschedulePolicy"], &RESCHEDULE, &default);
        }
        filled(
            &mut group["RestartPolicy"],
            &RESTART,
            &restart_policy(&kind),
        );
        for network in objects(&mut group["Networks"]) {
            complete(network, &NETWORK);
            for key in ["DynamicPorts", "ReservedPorts"] {
                for port in objects(&mut network[key]) {
                    complete(port, &PORT);
                }
            }
        }
        let group_name = group["Name"].as_str().unwrap_or_default().to_owned();
        services(&mut group["Services"], &format!("{job_name}-{group_name}"));
        let restart = group["RestartPolicy"].clone();
        for task in objects(&mut group["Tasks"]) {
            canonicalize_task(task, &restart, &format!("{job_name}-{group_name}"));
        }
    }
}

fn canonicalize_task(task: &mut Object<String, Value>, restart: &Value, name: &str) {
    complete(task, &TASK);
    fill(task, &json!({"KillTimeout": 5 * SECOND}));
    filled(&mut task["RestartPolicy"], &RESTART, restart);
    let resources = if task["Resources"]["Cores"].as_u64().unwrap_or(0) > 0 {
        json!({"CPU": 0, "Cores": 0, "MemoryMB": 300})
    } else {
        json!({"CPU": 100, "Cores": 0, "MemoryMB": 300})
    };
    filled(&mut task["Resources"], &RESOURCES, &resources);
    filled(
        &mut task["LogConfig"],
        &LOGS,
        &json!({"Disabled": false, "MaxFileSizeMB": 10, "MaxFiles": 10}),
    );
    for template in objects(&mut task["Templates"]) {
        complete(template, &TEMPLATE);
        fill(
            template,
            &json!({
                "ChangeMode": "restart", "ChangeSignal": "", "DestPath": "", "EmbeddedTmpl": "", "Envvars": false,
                "ErrMissingKey": false, "LeftDelim": "{{", "Once": false, "Perms": "0644", "RightDelim": "}}", "SourcePath": "",
                "Splay": 5 * SECOND, "VaultGrace": 0,
            }),
        );
    }
    for artifact in objects(&mut task["Artifacts"]) {
        complete(artifact, &ARTIFACT);
        fill(
            artifact,
            &json!({"GetterInsecure": false, "GetterMode": "any", "RelativeDest": "local/"}),
        );
    }
    for mount in objects(&mut task["VolumeMounts"]) {
        complete(mount, &VOLUME_MOUNT);
        fill(
            mount,
            &json!({"PropagationMode": "private", "ReadOnly": false, "SELinuxLabel": ""}),
        );
    }
    let task_name = task["Name"].as_str().unwrap_or_default().to_owned();
    services(&mut task["Services"], &format!("{name}-{task_name}"));
}

fn services(services: &mut Value, name: &str) {
    for service in objects(services) {
        complete(service, &SERVICE);
        fill_empty(
            service,
            &json!({
                "AddressMode": "auto", "Cluster": "default", "Name": name, "OnUpdate": "require_healthy",
                "Provider": "consul",
            }),
        );
        let restart = service["CheckRestart"].clone();
        let update = service["OnUpdate"].clone();
        for check in objects(&mut service["Checks"]) {
            complete(check, &CHECK);
            fill_empty(check, &json!({"OnUpdate": update}));
            if check["CheckRestart"].is_null() {
                check["CheckRestart"] = restart.clone();
            }
            if check["CheckRestart"].is_object() {
                filled(
                    &mut check["CheckRestart"],
                    &CHECK_RESTART,
                    &json!({"Grace": SECOND}),
                );
            }
        }
    }
}

fn update() -> Value {
    json!({
        "AutoPromote": false, "AutoRevert": false, "Canary": 0, "HealthCheck": "checks",
        "HealthyDeadline": 5 * MINUTE, "MaxParallel": 1, "MinHealthyTime": 10 * SECOND,
        "ProgressDeadline": 10 * MINUTE, "Stagger": 30 * SECOND,
    })
}

fn restart_policy(kind: &str) -> Value {
    let (attempts, interval) = if matches!(kind, "batch" | "sysbatch") {
        (3, 24 * HOUR)
    } else {
        (2, 30 * MINUTE)
    };
    json!({
        "Attempts": attempts, "Delay": 15 * SECOND, "Interval": interval, "Mode": "fail", "RenderTemplates": false,
    })
}

fn reschedule_policy(kind: &str) -> Option<Value> {
    match kind {
        "service" => Some(json!({
            "Attempts": 0, "Delay": 30 * SECOND, "DelayFunction": "exponential", "Interval": 0, "MaxDelay": HOUR,
            "Unlimited": true,
        })),
        "batch" => Some(json!({
            "Attempts": 1, "Delay": 5 * SECOND, "DelayFunction": "constant", "Interval": 24 * HOUR, "MaxDelay": 0,
            "Unlimited": false,
        })),
        _ => None,
    }
}

/// Adds the fields that a shape has and an object lacks.
fn complete(object: &mut Object<String, Value>, shape: &Shape) {
    for (key, value) in skeleton(shape) {
        object.entry(key).or_insert(value);
    }
}

/// Replaces what is null.
fn fill(object: &mut Object<String, Value>, defaults: &Value) {
    for (key, value) in defaults.as_object().into_iter().flatten() {
        let field = object.entry(key.clone()).or_insert(Value::Null);
        if field.is_null() {
            *field = value.clone();
        }
    }
}

/// Replaces what is null or an empty text.
fn fill_empty(object: &mut Object<String, Value>, defaults: &Value) {
    for (key, value) in defaults.as_object().into_iter().flatten() {
        let field = object.entry(key.clone()).or_insert(Value::Null);
        if field.is_null() || *field == "" {
            *field = value.clone();
        }
    }
}

/// Makes an object of what may be null, complete and with defaults.
fn filled(value: &mut Value, shape: &Shape, defaults: &Value) {
    if value.is_null() {
        *value = Value::Object(Object::new());
    }
    if let Some(object) = value.as_object_mut() {
        complete(object, shape);
        fill(object, defaults);
    }
}

/// Defaults, where a job says something itself with that instead.
fn overlaid(defaults: &Value, said: &Value) -> Value {
    let mut said = said.clone();
    if said.is_null() {
        return defaults.clone();
    }
    if let Some(object) = said.as_object_mut() {
        fill(object, defaults);
    }
    said
}

fn objects(list: &mut Value) -> impl Iterator<Item = &mut Object<String, Value>> {
    let items = list.as_array_mut().map(Vec::as_mut_slice);
    items
        .unwrap_or_default()
        .iter_mut()
        .filter_map(Value::as_object_mut)
}
