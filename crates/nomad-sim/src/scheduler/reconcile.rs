//! The decision: given a job and its allocations, what to place, update, stop and put off. Nothing is changed here, so
//! that a plan's dry run and the real thing are the same code.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::group::GroupReconciler;
use super::plan::Plan;
use crate::spec::{self, ReschedulePolicy, list};
use crate::state::allocation::Allocation;
use crate::state::deployment::Deployment;
use crate::state::job::{JobKey, JobVersion};
use crate::state::{Cluster, Used};

pub const NOT_NEEDED: &str = "alloc not needed due to job update";
/// What of a group can't be changed without a new allocation.
fn essence(job: &Value, group: &Value) -> Value {
    let tasks = list(group, "Tasks").iter().map(|task| {
        let part = |name: &str| task.get(name).cloned().unwrap_or_default();
        let meta: BTreeMap<String, String> = [job, group, task]
            .into_iter()
            .flat_map(|level| spec::strings(level, "Meta"))
            .collect();
        json!([
            part("Name"),
            part("Driver"),
            part("Config"),
            part("Env"),
            meta,
            part("Resources"),
            part("Templates"),
            part("Artifacts"),
            part("User"),
            part("Vault"),
            part("VolumeMounts"),
            part("Lifecycle"),
            part("Leader"),
        ])
    });
    json!([
        tasks.collect::<Vec<_>>(),
        group.get("Networks"),
        group.get("EphemeralDisk"),
        group.get("Volumes"),
        group.get("Consul")
    ])
}

pub fn same_essence(old: &Value, new: &Value, group: &str) -> bool {
    match (spec::group(old, group), spec::group(new, group)) {
        (Some(before), Some(after)) => essence(old, before) == essence(new, after),
        _ => false,
    }
}

/// When a failed allocation may be replaced: None if never again.
pub fn reschedule_at(
    allocation: &Allocation,
    policy: &ReschedulePolicy,
    scale: impl Fn(Duration) -> Duration,
) -> Option<DateTime<Utc>> {
    let made = if policy.unlimited {
        allocation.reschedules.len()
    } else {
        let horizon =
            chrono::Duration::from_std(scale(policy.interval)).unwrap_or(chrono::Duration::MAX);
        allocation
            .reschedules
            .iter()
            .filter(|event| Utc::now() - event.time < horizon)
            .count()
    };
    if !policy.unlimited && made >= policy.attempts {
        return None;
    }
    let ended = allocation
        .tasks
        .values()
        .filter_map(|task| task.finished_at)
        .max()
        .unwrap_or(allocation.modify_time);
    Some(ended + chrono::Duration::from_std(scale(policy.wait(made))).unwrap_or_default())
}

pub fn reconcile(cluster: &Cluster, key: &JobKey, job: &JobVersion, existing: bool) -> Plan {
    let mut plan = Plan::default();
    if job.stop {
        plan.stops = cluster
            .allocations_of(key)
            .filter(|allocation| !allocation.is_terminal())
            .map(|allocation| (allocation.id, NOT_NEEDED))
            .collect();
        for (id, _) in &plan.stops {
            let group = cluster
                .allocations
                .get(id)
                .map(|allocation| allocation.group.clone())
                .unwrap_or_default();
            plan.desired.entry(group).or_default().stop += 1;
        }
        return plan;
    }
    let deployment = existing
        .then(|| {
            cluster
                .deployments_of(key)
                .filter(|deployment| deployment.job_version == job.version)
                .max_by_key(|deployment| deployment.create_index)
        })
        .flatten();
    let mut reserved = Used::default();
    for group in spec::groups(&job.spec) {
        GroupReconciler {
            cluster,
            key,
            job,
            group,
            deployment,
        }
        .run(&mut plan, &mut reserved);
    }
    for allocation in cluster.allocations_of(key).filter(|allocation| {
        !allocation.is_terminal() && spec::group(&job.spec, &allocation.group).is_none()
    }) {
        plan.stops.push((allocation.id, NOT_NEEDED));
        plan.desired
            .entry(allocation.group.clone())
            .or_default()
            .stop += 1;
    }
    plan.completes_deployment = deployment.is_some_and(Deployment::is_active)
        && plan.placements.is_empty()
        && plan.failed.is_empty()
        && deployment
            .is_some_and(|deployment| deployment.groups.values().all(|group| group.is_done()))
        && plan
            .desired
            .values()
            .all(|desired| desired.destructive_update == 0);
    plan
}
