//! Allocations: one group of a job's version on the node, as the server knows it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::job::{JobKey, JobVersion};
use super::node::Node;
use super::task::TaskState;
use crate::clock;
use crate::spec;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DesiredStatus {
    Run,
    Stop,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientStatus {
    Pending,
    Running,
    Complete,
    Failed,
}

impl ClientStatus {
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Complete | Self::Failed)
    }

    pub fn description(self) -> &'static str {
        match self {
            Self::Pending => "No tasks have started",
            Self::Running => "Tasks are running",
            Self::Complete => "All tasks have completed",
            Self::Failed => "Failed tasks",
        }
    }
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct AllocationHealth {
    pub canary: bool,
    pub healthy: Option<bool>,
    pub modify_index: u64,
    #[serde(serialize_with = "clock::serialize_rfc3339")]
    pub timestamp: Option<DateTime<Utc>>,
}

#[derive(Clone, Debug)]
pub struct Reschedule {
    pub time: DateTime<Utc>,
    pub previous: Uuid,
    pub delay: std::time::Duration,
}

#[derive(Clone, Debug)]
pub struct Port {
    pub label: String,
    pub value: u16,
    pub to: i64,
    pub reserved: bool,
}

#[derive(Clone, Debug)]
pub struct Allocation {
    pub id: Uuid,
    pub index: usize,
    pub group: String,
    pub key: JobKey,
    pub job: JobVersion,
    pub evaluation: Uuid,
    pub deployment: Option<Uuid>,
    pub health: Option<AllocationHealth>,
    pub desired_status: DesiredStatus,
    pub desired_description: &'static str,
    pub client_status: ClientStatus,
    pub client_description: &'static str,
    pub tasks: BTreeMap<String, TaskState>,
    pub ports: Vec<Port>,
    pub create_index: u64,
    pub modify_index: u64,
    pub alloc_modify_index: u64,
    pub create_time: DateTime<Utc>,
    pub modify_time: DateTime<Utc>,
    pub next: Option<Uuid>,
    pub previous: Option<Uuid>,
    pub followup_evaluation: Option<Uuid>,
    pub reschedules: Vec<Reschedule>,
    pub wants_reschedule: bool,
    pub wants_migration: bool,
}

impl Allocation {
    pub fn name(&self) -> String {
        format!("{}.{}[{}]", self.key.id, self.group, self.index)
    }

    /// Nothing of it runs, or will run, as far as the server is concerned.
    pub fn is_terminal(&self) -> bool {
        self.desired_status == DesiredStatus::Stop || self.client_status.is_terminal()
    }

    pub fn is_canary(&self) -> bool {
        self.health.as_ref().is_some_and(|health| health.canary)
    }

    pub fn healthy(&self) -> Option<bool> {
        self.health.as_ref().and_then(|health| health.healthy)
    }

    pub fn group_spec(&self) -> Option<&Value> {
        spec::group(&self.job.spec, &self.group)
    }

    fn desired_transition(&self) -> Value {
        json!({
            "ForceReschedule": null,
            "Migrate": self.wants_migration.then_some(true),
            "MigrateDisablePlacement": null,
            "NoShutdownDelay": null,
            "Reschedule": self.wants_reschedule.then_some(true),
        })
    }

    fn reschedule_tracker(&self, node: &Node) -> Value {
        if self.reschedules.is_empty() {
            return Value::Null;
        }
        let events = self.reschedules.iter().map(|event| {
            json!({
                "RescheduleTime": clock::nanoseconds(event.time),
                "PrevAllocID": event.previous,
                "PrevNodeID": node.id,
                "Delay": u64::try_from(event.delay.as_nanos()).unwrap_or(u64::MAX),
            })
        });
        json!({"Events": events.collect::<Vec<_>>(), "LastReschedule": "ok"})
    }

    fn task_states(&self) -> Value {
        if self.tasks.is_empty() {
            return Value::Null;
        }
        Value::Object(
            self.tasks
                .iter()
                .map(|(name, task)| (name.clone(), task.to_json()))
                .collect(),
        )
    }

    fn id_or_empty(id: Option<Uuid>) -> String {
        id.map(|id| id.to_string()).unwrap_or_default()
    }

    /// The form in lists: every field, no job, no deployment.
    pub fn stub(&self, node: &Node) -> Value {
        json!({
            "ClientDescription": self.client_description,
            "ClientStatus": self.client_status,
            "CreateIndex": self.create_index,
            "CreateTime": clock::nanoseconds(self.create_time),
            "DeploymentStatus": self.health,
            "DesiredDescription": self.desired_description,
            "DesiredStatus": self.desired_status,
            "DesiredTransition": self.desired_transition(),
            "EvalID": self.evaluation,
            "FollowupEvalID": Self::id_or_empty(self.followup_evaluation),
            "ID": self.id,
            "JobID": self.key.id,
            "JobType": self.job.kind(),
            "JobVersion": self.job.version,
            "ModifyIndex": self.modify_index,
            "ModifyTime": clock::nanoseconds(self.modify_time),
            "Name": self.name(),
            "Namespace": self.key.namespace,
            "NextAllocation": Self::id_or_empty(self.next),
            "NodeID": node.id,
            "NodeName": node.name,
            "PreemptedAllocations": null,
            "PreemptedByAllocation": "",
            "RescheduleTracker": self.reschedule_tracker(node),
            "TaskGroup": self.group,
            "TaskStates": self.task_states(),
        })
    }

    /// The whole allocation; events carry it without the job.
    pub fn to_json(&self, node: &Node, with_job: bool) -> Value {
        let mut fields = Map::new();
        let resources = Resources::of(self);
        let whole = json!({
            "AllocModifyIndex": self.alloc_modify_index,
            "AllocatedResources": resources.allocated(),
            "ClientStatus": self.client_status,
            "CreateIndex": self.create_index,
            "CreateTime": clock::nanoseconds(self.create_time),
            "DesiredStatus": self.desired_status,
            "EvalID": self.evaluation,
            "ID": self.id,
            "JobID": self.key.id,
            "Metrics": node.placement_metric(),
            "ModifyIndex": self.modify_index,
            "ModifyTime": clock::nanoseconds(self.modify_time),
            "Name": self.name(),
            "Namespace": self.key.namespace,
            "NetworkStatus": {"Address": "", "AddressIPv6": "", "DNS": null, "InterfaceName": ""},
            "NodeID": node.id,
            "NodeName": node.name,
            "Resources": resources.total(),
            "SharedResources": resources.shared(),
            "SigningKeyID": node.signing_key,
            "TaskGroup": self.group,
            "TaskResources": resources.tasks(),
        });
        if let Value::Object(whole) = whole {
            fields.extend(whole);
        }
        let mut set = |name: &str, value: Value| fields.insert(name.to_owned(), value);
        if with_job {
            set("Job", self.job.to_json());
        }
        if !self.client_description.is_empty() {
            set("ClientDescription", json!(self.client_description));
        }
        if !self.desired_description.is_empty() {
            set("DesiredDescription", json!(self.desired_description));
        }
        if let Some(health) = &self.health {
            set("DeploymentStatus", json!(health));
        }
        for (name, id) in [
            ("DeploymentID", self.deployment),
            ("NextAllocation", self.next),
            ("PreviousAllocation", self.previous),
            ("FollowupEvalID", self.followup_evaluation),
        ] {
            if let Some(id) = id {
                set(name, json!(id));
            }
        }
        if self.wants_migration || self.wants_reschedule {
            set("DesiredTransition", self.desired_transition());
        }
        if !self.reschedules.is_empty() {
            set("RescheduleTracker", self.reschedule_tracker(node));
        }
        if !self.tasks.is_empty() {
            set("TaskStates", self.task_states());
        }
        Value::Object(fields)
    }
}

/// What an allocation takes of its node, in the several forms an agent tells it.
struct Resources<'a> {
    allocation: &'a Allocation,
    tasks: &'a [Value],
    disk: i64,
}

impl<'a> Resources<'a> {
    fn of(allocation: &'a Allocation) -> Self {
        let group = allocation.group_spec();
        Self {
            allocation,
            tasks: group
                .map(|group| spec::list(group, "Tasks"))
                .unwrap_or_default(),
            disk: group
                .and_then(|group| group.get("EphemeralDisk"))
                .map_or(0, |disk| spec::number(disk, "SizeMB")),
        }
    }

    fn by_task(&self, show: impl Fn(&Value) -> Value) -> Value {
        let absent = Value::Null;
        let tasks = self.tasks.iter().map(|task| {
            let resources = task.get("Resources").unwrap_or(&absent);
            (spec::text(task, "Name").to_owned(), show(resources))
        });
        Value::Object(tasks.collect())
    }

    fn networks(&self) -> Value {
        if self.allocation.ports.is_empty() {
            return Value::Null;
        }
        let mut network = json!({"IP": "127.0.0.1"});
        for (name, reserved) in [("DynamicPorts", false), ("ReservedPorts", true)] {
            let ports: Vec<Value> = self
                .allocation
                .ports
                .iter()
                .filter(|port| port.reserved == reserved)
                .map(port_with_network)
                .collect();
            if !ports.is_empty() {
                network[name] = Value::Array(ports);
            }
        }
        json!([network])
    }

    fn allocated(&self) -> Value {
        let ports: Vec<Value> = self
            .allocation
            .ports
            .iter()
            .map(|port| {
                let mut shown =
                    json!({"HostIP": "127.0.0.1", "Label": port.label, "Value": port.value});
                if port.to != 0 {
                    shown["To"] = json!(port.to);
                }
                shown
            })
            .collect();
        json!({
            "Shared": {
                "DiskMB": self.disk,
                "Networks": self.networks(),
                "Ports": if ports.is_empty() { Value::Null } else { Value::Array(ports) },
            },
            "TaskLifecycles": self.by_task(|_| Value::Null),
            "Tasks": self.by_task(|resources| json!({
                "Cpu": {"CpuShares": spec::number(resources, "CPU"), "ReservedCores": null},
                "Devices": null,
                "Memory": {"MemoryMB": spec::number(resources, "MemoryMB"), "MemoryMaxMB": spec::number(resources, "MemoryMaxMB")},
                "Networks": null,
            })),
        })
    }

    fn total(&self) -> Value {
        let sum = |name: &str| {
            self.tasks
                .iter()
                .filter_map(|task| task.get("Resources"))
                .map(|resources| spec::number(resources, name))
                .sum::<i64>()
        };
        let memory = sum("MemoryMB");
        quantities(
            sum("CPU"),
            memory,
            sum("MemoryMaxMB").max(memory),
            self.disk,
            self.networks(),
        )
    }

    fn shared(&self) -> Value {
        quantities(0, 0, 0, self.disk, self.networks())
    }

    fn tasks(&self) -> Value {
        self.by_task(|resources| {
            let quantity = |name: &str| spec::number(resources, name);
            quantities(
                quantity("CPU"),
                quantity("MemoryMB"),
                quantity("MemoryMaxMB"),
                0,
                Value::Null,
            )
        })
    }
}

fn port_with_network(port: &Port) -> Value {
    let mut shown = json!({"HostNetwork": "default", "Label": port.label, "Value": port.value});
    if port.to != 0 {
        shown["To"] = json!(port.to);
    }
    shown
}

/// The long form of a set of resources.
pub fn quantities(cpu: i64, memory: i64, memory_max: i64, disk: i64, networks: Value) -> Value {
    json!({
        "CPU": cpu, "Cores": 0, "Devices": null, "DiskMB": disk, "IOPS": 0, "MemoryMB": memory,
        "MemoryMaxMB": memory_max, "NUMA": null, "Networks": networks, "SecretsMB": 0,
    })
}
