//! The decision: given a job and its allocations, what to place, update, stop and put off. Nothing is changed here, so
//! that a plan's dry run and the real thing are the same code.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use super::placement;
use crate::spec::{self, ReschedulePolicy, Update, list, text};
use crate::state::allocation::{Allocation, ClientStatus, DesiredStatus, Reschedule};
use crate::state::deployment::{Deployment, DeploymentStatus};
use crate::state::evaluation::DesiredUpdates;
use crate::state::job::{JobKey, JobVersion};
use crate::state::{Cluster, Used};

pub const NOT_NEEDED: &str = "alloc not needed due to job update";
const UPDATED: &str = "alloc is being updated due to job update";
const MIGRATED: &str = "alloc is being migrated";
const RESCHEDULED: &str = "alloc was rescheduled because it failed";

/// One allocation to be made.
#[derive(Clone, Debug)]
pub struct Placement {
    pub group: String,
    pub index: usize,
    /// The allocation it takes the place of, and what that one is told.
    pub replaces: Option<(Uuid, &'static str)>,
    pub canary: bool,
    pub reschedules: Vec<Reschedule>,
    /// Not part of the deployment: a moved allocation is not deployed again.
    pub outside_deployment: bool,
}

/// A failed allocation whose replacement has to wait.
#[derive(Clone, Debug)]
pub struct Later {
    pub allocation: Uuid,
    pub at: DateTime<Utc>,
}

#[derive(Debug, Default)]
pub struct Plan {
    pub placements: Vec<Placement>,
    pub stops: Vec<(Uuid, &'static str)>,
    pub in_place: Vec<Uuid>,
    pub later: Vec<Later>,
    pub desired: BTreeMap<String, DesiredUpdates>,
    pub failed: BTreeMap<String, Value>,
    pub queued: BTreeMap<String, usize>,
    /// The groups of the deployment this plan starts: their total and how many canaries.
    pub deploys: BTreeMap<String, (Update, usize, usize)>,
    /// Every group of the active deployment has all it wanted.
    pub completes_deployment: bool,
}

impl Plan {
    pub fn is_empty(&self) -> bool {
        self.placements.is_empty()
            && self.stops.is_empty()
            && self.in_place.is_empty()
            && self.later.is_empty()
            && self.deploys.is_empty()
    }
}

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

struct GroupReconciler<'a> {
    cluster: &'a Cluster,
    key: &'a JobKey,
    job: &'a JobVersion,
    group: &'a Value,
    deployment: Option<&'a Deployment>,
}

impl<'a> GroupReconciler<'a> {
    fn name(&self) -> &'a str {
        text(self.group, "Name")
    }

    fn run(&self, plan: &mut Plan, reserved: &mut Used) {
        let count = spec::count(self.group);
        let held = self.deployment.is_some_and(|deployment| {
            matches!(
                deployment.status,
                DeploymentStatus::Failed | DeploymentStatus::Paused
            )
        });
        let mut desired = DesiredUpdates::default();
        let mut placements = Vec::new();
        // What stands for one of the group's places, whether it runs or has failed for good.
        let mut current: Vec<&Allocation> = Vec::new();
        let mut outdated: Vec<&Allocation> = Vec::new();
        let ours = self
            .cluster
            .allocations_of(self.key)
            .filter(|allocation| allocation.group == self.name());
        for allocation in ours.filter(|allocation| {
            allocation.desired_status == DesiredStatus::Run && allocation.next.is_none()
        }) {
            let changed = allocation.job.version != self.job.version
                && !same_essence(&allocation.job.spec, &self.job.spec, self.name());
            let failed = allocation.client_status == ClientStatus::Failed
                || (allocation.client_status == ClientStatus::Complete
                    && self.job.kind() != "batch");
            if changed {
                outdated.push(allocation);
            } else if failed {
                match self.replacement(allocation, held, &mut desired, plan) {
                    Some(placement) => placements.push(placement),
                    None => current.push(allocation),
                }
            } else if allocation.wants_migration && !allocation.is_terminal() {
                desired.migrate += 1;
                placements.push(self.place(allocation.index, Some((allocation, MIGRATED))));
            } else {
                current.push(allocation);
            }
        }
        outdated.sort_by_key(|allocation| allocation.index);
        current.sort_by_key(|allocation| allocation.index);

        let update = Update::of(self.group).filter(|_| self.job.kind() != "batch");
        let canaries_wanted = self.canaries_wanted(update, &outdated);
        let awaiting = match self
            .deployment
            .and_then(|deployment| deployment.groups.get(self.name()))
        {
            Some(progress) => progress.awaits_promotion(),
            None => canaries_wanted > 0,
        };

        // A promoted canary, or a smaller count, leaves too many: old ones go first, then those with the highest index.
        let mut surplus = (current.len() + outdated.len() + placements.len()).saturating_sub(count);
        if awaiting {
            surplus = 0;
        }
        let mut stopped = BTreeSet::new();
        let names: BTreeSet<usize> = current.iter().map(|allocation| allocation.index).collect();
        let doubled = outdated
            .iter()
            .filter(|allocation| names.contains(&allocation.index));
        for allocation in doubled
            .chain(outdated.iter().rev())
            .chain(current.iter().rev())
        {
            if stopped.len() == surplus {
                break;
            }
            if stopped.insert(allocation.id) && !allocation.is_terminal() {
                plan.stops.push((allocation.id, NOT_NEEDED));
                desired.stop += 1;
            }
        }
        outdated.retain(|allocation| !stopped.contains(&allocation.id));
        current.retain(|allocation| !stopped.contains(&allocation.id));

        let in_place: Vec<Uuid> = current
            .iter()
            .filter(|allocation| {
                !allocation.client_status.is_terminal()
                    && allocation.job.version != self.job.version
            })
            .map(|allocation| allocation.id)
            .collect();
        desired.in_place_update = in_place.len();
        desired.ignore += current.len() - in_place.len() - desired.reschedule_later;

        let mut taken: BTreeSet<usize> = current
            .iter()
            .chain(&outdated)
            .map(|allocation| allocation.index)
            .collect();
        taken.extend(placements.iter().map(|placement| placement.index));
        if awaiting && !held {
            let present = current
                .iter()
                .filter(|allocation| allocation.is_canary())
                .count();
            for index in (0..canaries_wanted.saturating_sub(present)).map(|offset| {
                outdated
                    .get(offset)
                    .map_or(offset, |allocation| allocation.index)
            }) {
                desired.canary += 1;
                placements.push(Placement {
                    canary: true,
                    ..self.place(index, None)
                });
            }
        }
        if !held {
            let present = current
                .iter()
                .filter(|allocation| !(awaiting && allocation.is_canary()))
                .count()
                + outdated.len()
                + placements
                    .iter()
                    .filter(|placement| !placement.canary)
                    .count();
            for _ in present..count {
                let index = (0..)
                    .find(|index| !taken.contains(index))
                    .unwrap_or_default();
                taken.insert(index);
                desired.place += 1;
                placements.push(self.place(index, None));
            }
        }
        let allowed = self.updates_allowed(update, desired.place, outdated.len());
        for (position, allocation) in outdated.iter().enumerate() {
            if position < allowed && !held && !awaiting {
                desired.destructive_update += 1;
                placements.push(self.place(allocation.index, Some((allocation, UPDATED))));
            } else {
                desired.ignore += 1;
            }
        }

        let begins = !placements.is_empty() || !in_place.is_empty();
        if let Some(update) = update.filter(|_| {
            self.deployment.is_none()
                && begins
                && placements
                    .iter()
                    .all(|placement| !placement.outside_deployment)
        }) {
            plan.deploys
                .insert(self.name().to_owned(), (update, count, canaries_wanted));
        }
        plan.in_place.extend(in_place);
        plan.desired.insert(self.name().to_owned(), desired);
        self.fit(placements, plan, reserved);
    }

    fn place(&self, index: usize, replaces: Option<(&Allocation, &'static str)>) -> Placement {
        Placement {
            group: self.name().to_owned(),
            index,
            replaces: replaces.map(|(allocation, reason)| (allocation.id, reason)),
            canary: false,
            reschedules: Vec::new(),
            outside_deployment: replaces.is_some_and(|(_, reason)| reason == MIGRATED),
        }
    }

    /// What is to be done about a failed allocation: a placement now, an entry among the later ones, or nothing.
    fn replacement(
        &self,
        failed: &Allocation,
        held: bool,
        desired: &mut DesiredUpdates,
        plan: &mut Plan,
    ) -> Option<Placement> {
        let policy = ReschedulePolicy::of(self.group);
        let policy = if text(&self.job.spec, "Type") == "system" {
            None
        } else {
            Some(policy)
        }
        .filter(ReschedulePolicy::enabled)?;
        if failed.job.version != self.job.version {
            desired.place += 1;
            return (!held).then(|| self.place(failed.index, Some((failed, RESCHEDULED))));
        }
        let at = reschedule_at(failed, &policy, |duration| self.cluster.scaled(duration))?;
        if at > Utc::now() {
            if failed.followup_evaluation.is_none() {
                desired.reschedule_later += 1;
                plan.later.push(Later {
                    allocation: failed.id,
                    at,
                });
            }
            return None;
        }
        if held {
            return None;
        }
        desired.reschedule_now += 1;
        let mut placement = self.place(failed.index, Some((failed, RESCHEDULED)));
        let delay = policy.wait(failed.reschedules.len());
        placement.reschedules.clone_from(&failed.reschedules);
        placement.reschedules.push(Reschedule {
            time: Utc::now(),
            previous: failed.id,
            delay,
        });
        Some(placement)
    }

    fn canaries_wanted(&self, update: Option<Update>, outdated: &[&Allocation]) -> usize {
        match (
            self.deployment
                .and_then(|deployment| deployment.groups.get(self.name())),
            update,
        ) {
            (Some(progress), _) => progress.desired_canaries,
            (None, Some(update))
                if outdated
                    .iter()
                    .any(|allocation| !allocation.client_status.is_terminal()) =>
            {
                update.canaries
            }
            _ => 0,
        }
    }

    /// How many outdated allocations may be replaced now: one batch must be healthy before the next begins.
    fn updates_allowed(&self, update: Option<Update>, placing: usize, outdated: usize) -> usize {
        let Some(update) = update else {
            return outdated;
        };
        let mut allowed = update.max_parallel.saturating_sub(placing);
        if let Some(deployment) = self.deployment {
            for allocation in self.cluster.allocations_of(self.key).filter(|allocation| {
                allocation.group == self.name() && allocation.deployment == Some(deployment.id)
            }) {
                match allocation.healthy() {
                    Some(true) => {}
                    Some(false) => return 0,
                    None => allowed = allowed.saturating_sub(1),
                }
            }
        }
        allowed
    }

    /// Moves what fits into the plan, and says why the rest does not.
    fn fit(&self, placements: Vec<Placement>, plan: &mut Plan, reserved: &mut Used) {
        let name = self.name();
        let wanted = placement::demand(self.group);
        let alone = placement::distinct_hosts(&self.job.spec, self.group);
        let present = self
            .cluster
            .allocations_of(self.key)
            .filter(|allocation| !allocation.is_terminal())
            .count();
        let total = placements.len();
        let mut placed = 0;
        for placement in placements {
            let missing = total - placed;
            let crowded = alone && present + placed > 0 && placement.replaces.is_none();
            let refusal =
                placement::refusal(self.cluster, &self.job.spec, self.group, missing, *reserved)
                    .or_else(|| {
                        crowded.then(|| placement::not_distinct(&self.cluster.node, missing))
                    });
            if let Some(metric) = refusal {
                plan.failed.insert(name.to_owned(), metric);
                break;
            }
            placed += 1;
            reserved.cpu_mhz += wanted.cpu_mhz;
            reserved.memory_mb += wanted.memory_mb;
            reserved.disk_mb += wanted.disk_mb;
            plan.placements.push(placement);
        }
        plan.queued.insert(name.to_owned(), total - placed);
    }
}
