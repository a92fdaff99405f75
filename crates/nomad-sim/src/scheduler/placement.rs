//! Whether a group fits on the node, and if not, why not, in the words of an allocation metric.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::spec::{self, list, number, text};
use crate::state::allocation::{Port, quantities};
use crate::state::node::{DRIVERS, Node};
use crate::state::{Cluster, Used};

/// The range dynamic ports are taken from.
const DYNAMIC_PORTS: std::ops::Range<u16> = 20_000..32_000;

/// What one allocation of a group takes.
pub fn demand(group: &Value) -> Used {
    let sum = |name: &str| {
        list(group, "Tasks")
            .iter()
            .filter_map(|task| task.get("Resources"))
            .map(|resources| number(resources, name))
            .sum()
    };
    Used {
        cpu_mhz: sum("CPU"),
        memory_mb: sum("MemoryMB"),
        disk_mb: group
            .get("EphemeralDisk")
            .map_or(0, |disk| number(disk, "SizeMB")),
    }
}

/// The metric of a group that can't be placed `missing` times over, or None where it can.
pub fn refusal(
    cluster: &Cluster,
    job: &Value,
    group: &Value,
    missing: usize,
    reserved: Used,
) -> Option<Value> {
    let node = &cluster.node;
    let coalesced = missing.saturating_sub(1);
    let mut metric = node.empty_metric();
    metric["CoalescedFailures"] = json!(coalesced);
    if !in_reach(job, node) {
        metric["NodePool"] = json!(text(job, "NodePool"));
        metric["NodesAvailable"] = json!({});
        metric["NodesEvaluated"] = json!(0);
        metric["NodesInPool"] = json!(0);
        return Some(metric);
    }
    if let Some(reason) = filtered(job, group, node) {
        metric["ConstraintFiltered"] = json!({reason: 1});
        metric["NodesFiltered"] = json!(1);
        return Some(metric);
    }
    let wanted = demand(group);
    let dimension = if cluster.used.cpu_mhz + reserved.cpu_mhz + wanted.cpu_mhz > node.cpu_mhz {
        "cpu"
    } else if cluster.used.memory_mb + reserved.memory_mb + wanted.memory_mb > node.memory_mb {
        "memory"
    } else if cluster.used.disk_mb + reserved.disk_mb + wanted.disk_mb > node.disk_mb {
        "disk"
    } else if static_ports(group).any(|(_, port)| cluster.used_ports.contains(&port)) {
        "network: reserved port collision"
    } else {
        return None;
    };
    metric["DimensionExhausted"] = json!({dimension: 1});
    metric["NodesExhausted"] = json!(1);
    let times = i64::try_from(missing).unwrap_or(i64::MAX);
    let exhausted = list(group, "Tasks").iter().map(|task| {
        let amount = |name: &str, of: &str| {
            let amount = task
                .get("Resources")
                .map_or(0, |resources| number(resources, name));
            if dimension == of {
                amount.saturating_mul(times)
            } else {
                0
            }
        };
        (
            text(task, "Name").to_owned(),
            quantities(
                amount("CPU", "cpu"),
                amount("MemoryMB", "memory"),
                0,
                0,
                Value::Null,
            ),
        )
    });
    metric["ResourcesExhausted"] = Value::Object(exhausted.collect());
    Some(metric)
}

fn in_reach(job: &Value, node: &Node) -> bool {
    let matches = |pattern: &str| match pattern.split_once('*') {
        Some((start, end)) => node.datacenter.starts_with(start) && node.datacenter.ends_with(end),
        None => pattern == node.datacenter,
    };
    let pool = text(job, "NodePool");
    let datacenters = list(job, "Datacenters");
    (pool == node.pool || pool == "all")
        && (datacenters.is_empty() || datacenters.iter().filter_map(Value::as_str).any(matches))
}

/// Why the node is filtered out before its resources are looked at.
fn filtered(job: &Value, group: &Value, node: &Node) -> Option<String> {
    let tasks = list(group, "Tasks");
    if tasks
        .iter()
        .any(|task| !DRIVERS.contains(&text(task, "Driver")))
    {
        return Some("missing drivers".to_owned());
    }
    if list_of_map(group, "Volumes").any(|volume| text(volume, "Type") == "host") {
        return Some("missing compatible host volumes".to_owned());
    }
    let mut constraints = list(job, "Constraints")
        .iter()
        .chain(list(group, "Constraints"))
        .chain(tasks.iter().flat_map(|task| list(task, "Constraints")));
    let facts = node.facts();
    if let Some(failed) = constraints.find(|constraint| !holds(constraint, &facts)) {
        return Some(format!(
            "{} {} {}",
            text(failed, "LTarget"),
            text(failed, "Operand"),
            text(failed, "RTarget")
        ));
    }
    if spec::services(group).any(|service| text(service, "Provider") != "nomad") {
        return Some("${attr.consul.version} semver >= 1.8.0".to_owned());
    }
    let bridged = list(group, "Networks")
        .iter()
        .any(|network| text(network, "Mode") == "bridge");
    bridged.then(|| "${attr.plugins.cni.version.bridge} semver >= 0.4.0".to_owned())
}

fn list_of_map<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value
        .get(key)
        .and_then(Value::as_object)
        .into_iter()
        .flat_map(|map| map.values())
}

/// What a constraint's side stands for: a fact of the node, none if the node has no such fact, or itself.
fn side(target: &str, facts: &BTreeMap<String, String>) -> Option<String> {
    match target
        .strip_prefix("${")
        .and_then(|rest| rest.strip_suffix('}'))
    {
        Some(name) => facts.get(name).cloned(),
        None => Some(target.to_owned()),
    }
}

/// Whether a constraint admits the node. `distinct_hosts` is about more than one allocation and is looked at elsewhere; of
/// versions only their presence is compared.
fn holds(constraint: &Value, facts: &BTreeMap<String, String>) -> bool {
    let (left, right) = (
        side(text(constraint, "LTarget"), facts),
        side(text(constraint, "RTarget"), facts),
    );
    let (left, right) = (left.as_deref(), right.as_deref());
    match text(constraint, "Operand") {
        "" | "=" | "==" | "is" => left.is_some() && left == right,
        "!=" | "not" => left != right,
        "<" => left < right,
        "<=" => left <= right,
        ">" => left > right,
        ">=" => left >= right,
        "is_set" | "version" | "semver" => left.is_some(),
        "is_not_set" => left.is_none(),
        "regexp" => left.zip(right).is_some_and(|(left, pattern)| {
            regex_lite::Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(left))
        }),
        "set_contains" | "set_contains_all" => {
            contains(left, right, |mut wanted, has| wanted.all(has))
        }
        "set_contains_any" => contains(left, right, |mut wanted, has| wanted.any(has)),
        _ => true,
    }
}

fn contains(
    left: Option<&str>,
    right: Option<&str>,
    rule: impl Fn(std::str::Split<'_, char>, &dyn Fn(&str) -> bool) -> bool,
) -> bool {
    let (Some(left), Some(right)) = (left, right) else {
        return false;
    };
    rule(right.split(','), &|wanted| {
        left.split(',').any(|item| item.trim() == wanted.trim())
    })
}

/// Whether no two allocations of the group, or of its job, may share the node.
pub fn distinct_hosts(job: &Value, group: &Value) -> bool {
    list(job, "Constraints")
        .iter()
        .chain(list(group, "Constraints"))
        .any(|constraint| {
            text(constraint, "Operand") == "distinct_hosts"
                && text(constraint, "RTarget") != "false"
        })
}

/// The metric of a second allocation where `distinct_hosts` allows one.
pub fn not_distinct(node: &Node, missing: usize) -> Value {
    let mut metric = node.empty_metric();
    metric["CoalescedFailures"] = json!(missing.saturating_sub(1));
    metric["ConstraintFiltered"] = json!({"distinct_hosts": 1});
    metric["NodesFiltered"] = json!(1);
    metric
}

fn networks(group: &Value) -> impl Iterator<Item = &Value> {
    let of_tasks = list(group, "Tasks")
        .iter()
        .filter_map(|task| task.get("Resources"))
        .flat_map(|resources| list(resources, "Networks"));
    list(group, "Networks").iter().chain(of_tasks)
}

fn static_ports(group: &Value) -> impl Iterator<Item = (&Value, u16)> {
    networks(group)
        .flat_map(|network| list(network, "ReservedPorts"))
        .filter_map(|port| Some((port, u16::try_from(number(port, "Value")).ok()?)))
}

/// Takes the ports of an allocation: static ones as asked, dynamic ones that nobody listens on.
pub fn take_ports(cluster: &mut Cluster, group: &Value) -> Vec<Port> {
    let mut ports = Vec::new();
    for (port, value) in static_ports(group) {
        ports.push(Port {
            label: text(port, "Label").to_owned(),
            value,
            to: number(port, "To"),
            reserved: true,
        });
    }
    for port in networks(group).flat_map(|network| list(network, "DynamicPorts")) {
        if let Some(value) = free_port(cluster, &ports) {
            ports.push(Port {
                label: text(port, "Label").to_owned(),
                value,
                to: number(port, "To"),
                reserved: false,
            });
        }
    }
    cluster
        .used_ports
        .extend(ports.iter().map(|port| port.value));
    ports
}

/// Several simulators may run on one machine, so a port counts as free only when it can be bound.
fn free_port(cluster: &Cluster, taken: &[Port]) -> Option<u16> {
    let first = rand::random_range(DYNAMIC_PORTS);
    let candidates = (first..DYNAMIC_PORTS.end).chain(DYNAMIC_PORTS.start..first);
    candidates
        .filter(|port| {
            !cluster.used_ports.contains(port) && taken.iter().all(|other| other.value != *port)
        })
        .find(|port| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok())
}
