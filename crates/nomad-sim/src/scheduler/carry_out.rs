//! What a plan does to single objects: its deployment, and the allocations it places, stops and updates in place.

use chrono::Utc;
use uuid::Uuid;

use super::plan::{Placement, Plan};
use super::{PLAN, SCHEDULING, placement};
use crate::spec;
use crate::state::Cluster;
use crate::state::allocation::{Allocation, AllocationHealth, ClientStatus, DesiredStatus};
use crate::state::deployment::{Deployment, DeploymentStatus, GroupProgress};
use crate::state::evaluation::Evaluation;
use crate::state::job::{JobKey, JobVersion};
use crate::timers::Timer;

impl Cluster {
    pub(super) fn new_deployment(&self, key: &JobKey, job: &JobVersion, plan: &Plan) -> Deployment {
        let groups = plan
            .deploys
            .iter()
            .map(|(name, (update, total, canaries))| {
                let progress = GroupProgress {
                    desired_canaries: *canaries,
                    auto_promote: update.auto_promote && *canaries > 0,
                    ..GroupProgress::new(*update, *total)
                };
                (name.clone(), progress)
            });
        Deployment {
            create_index: self.index,
            create_time: Some(Utc::now()),
            eval_priority: job.priority(),
            id: Uuid::new_v4(),
            is_multiregion: false,
            job_create_index: job.create_index,
            job_id: key.id.clone(),
            job_modify_index: job.job_modify_index,
            job_spec_modify_index: job.job_modify_index,
            job_version: job.version,
            modify_index: self.index,
            modify_time: None,
            namespace: key.namespace.clone(),
            status: DeploymentStatus::Running,
            status_description: "Deployment is running".to_owned(),
            groups: groups.collect(),
        }
    }

    pub(super) fn place(
        &mut self,
        evaluation: &Evaluation,
        key: &JobKey,
        job: &JobVersion,
        placement: &Placement,
        deployment: Option<&mut Deployment>,
    ) {
        let Some(group) = spec::group(&job.spec, &placement.group) else {
            return;
        };
        let id = Uuid::new_v4();
        let taken = placement::demand(group);
        self.used.cpu_mhz += taken.cpu_mhz;
        self.used.memory_mb += taken.memory_mb;
        self.used.disk_mb += taken.disk_mb;
        let ports = placement::take_ports(self, group);
        let deployment =
            deployment.filter(|deployment| deployment.is_active() && !placement.outside_deployment);
        let now = Utc::now();
        let deployment = deployment.map(|deployment| {
            self.count_placed(deployment, &placement.group);
            if placement.canary
                && let Some(progress) = deployment.groups.get_mut(&placement.group)
            {
                progress.placed_canaries.push(id);
            }
            deployment.id
        });
        let health = placement.canary.then_some(AllocationHealth {
            canary: true,
            healthy: None,
            modify_index: self.index,
            timestamp: None,
        });
        let allocation = Allocation {
            id,
            index: placement.index,
            group: placement.group.clone(),
            key: key.clone(),
            job: job.clone(),
            evaluation: evaluation.id,
            deployment,
            health,
            desired_status: DesiredStatus::Run,
            desired_description: "",
            client_status: ClientStatus::Pending,
            client_description: "",
            tasks: Default::default(),
            ports,
            create_index: self.index,
            modify_index: self.index,
            alloc_modify_index: self.index,
            create_time: now,
            modify_time: now,
            next: None,
            previous: placement.replaces.map(|(replaced, _)| replaced),
            followup_evaluation: None,
            reschedules: placement.reschedules.clone(),
            wants_reschedule: false,
            wants_migration: false,
        };
        self.save_allocation(allocation, PLAN);
        if let Some((replaced, reason)) = placement.replaces {
            self.stop_allocation(replaced, reason, Some(id));
        }
        self.after(SCHEDULING, Timer::Begin(id));
    }

    /// Counts an allocation that has come under a deployment: the first one starts its group's progress deadline.
    fn count_placed(&self, deployment: &mut Deployment, group: &str) {
        let now = Utc::now();
        deployment.modify_time = Some(now);
        let Some(progress) = deployment.groups.get_mut(group) else {
            return;
        };
        progress.placed_allocs += 1;
        if progress.require_progress_by.is_none() && !progress.progress_deadline.is_zero() {
            let wait = chrono::Duration::from_std(self.scaled(progress.progress_deadline));
            progress.require_progress_by = wait.ok().map(|wait| now + wait);
        }
    }

    /// Tells an allocation to stop, and the node with it.
    pub(super) fn stop_allocation(&mut self, id: Uuid, reason: &'static str, next: Option<Uuid>) {
        let Some(mut allocation) = self.allocations.get(&id).cloned() else {
            return;
        };
        allocation.desired_status = DesiredStatus::Stop;
        allocation.desired_description = reason;
        allocation.alloc_modify_index = self.index;
        allocation.next = next.or(allocation.next);
        self.save_allocation(allocation, PLAN);
        self.after(SCHEDULING, Timer::End(id));
    }

    pub(super) fn update_in_place(
        &mut self,
        id: Uuid,
        evaluation: Uuid,
        job: &JobVersion,
        deployment: Option<&mut Deployment>,
    ) {
        let Some(mut allocation) = self.allocations.get(&id).cloned() else {
            return;
        };
        let deployment = deployment.map(|deployment| {
            if deployment.is_active() && allocation.deployment != Some(deployment.id) {
                self.count_placed(deployment, &allocation.group);
            }
            deployment.id
        });
        allocation.job = job.clone();
        allocation.evaluation = evaluation;
        allocation.alloc_modify_index = self.index;
        allocation.deployment = deployment;
        allocation.health = None;
        self.save_allocation(allocation, PLAN);
        self.after(SCHEDULING, Timer::Watch(id));
    }
}
