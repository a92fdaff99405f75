//! The decision for one group of a job.

use std::collections::BTreeSet;

use chrono::Utc;
use serde_json::Value;
use uuid::Uuid;

use super::placement;
use super::plan::{Later, Placement, Plan};
use super::reconcile::{NOT_NEEDED, reschedule_at, same_essence};
use crate::spec::{self, ReschedulePolicy, Update, text};
use crate::state::allocation::{Allocation, ClientStatus, DesiredStatus, Reschedule};
use crate::state::deployment::{Deployment, DeploymentStatus};
use crate::state::evaluation::DesiredUpdates;
use crate::state::job::{JobKey, JobVersion};
use crate::state::{Cluster, Used};

const UPDATED: &str = "alloc is being updated due to job update";
const MIGRATED: &str = "alloc is being migrated";
const RESCHEDULED: &str = "alloc was rescheduled because it failed";

pub(super) struct GroupReconciler<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) key: &'a JobKey,
    pub(super) job: &'a JobVersion,
    pub(super) group: &'a Value,
    pub(super) deployment: Option<&'a Deployment>,
}

impl<'a> GroupReconciler<'a> {
    fn name(&self) -> &'a str {
        text(self.group, "Name")
    }

    pub(super) fn run(&self, plan: &mut Plan, reserved: &mut Used) {
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
