//! The deployment watcher: counts health, moves a deployment on, gives it up, rolls back.

use std::time::Duration;

use chrono::Utc;
use uuid::Uuid;

use super::reconcile::reschedule_at;
use crate::spec::{self, ReschedulePolicy};
use crate::state::Cluster;
use crate::state::allocation::{Allocation, ClientStatus};
use crate::state::deployment::{Deployment, DeploymentStatus};
use crate::state::job::{Job, JobKey, JobVersion};
use crate::timers::Timer;

/// From the news of an allocation's health to the watcher's evaluation.
const WATCHING: Duration = Duration::from_millis(1_250);
/// From the news that a deployment cannot succeed to its end.
const JUDGING: Duration = Duration::from_millis(200);

const WATCHER: &str = "deployment-watcher";

impl Cluster {
    /// Counts an allocation's new health, in the transaction that tells it.
    pub fn count_health(&mut self, allocation: &Allocation, kind: &'static str) {
        let Some(mut deployment) = allocation
            .deployment
            .and_then(|id| self.deployments.get(&id))
            .filter(|deployment| deployment.is_active())
            .cloned()
        else {
            return;
        };
        let now = Utc::now();
        let deadline = |progress: Duration| {
            chrono::Duration::from_std(self.scaled(progress))
                .ok()
                .map(|wait| now + wait)
        };
        if let Some(progress) = deployment.groups.get_mut(&allocation.group) {
            match allocation.healthy() {
                Some(true) => {
                    progress.healthy_allocs += 1;
                    if !progress.progress_deadline.is_zero() {
                        progress.require_progress_by = deadline(progress.progress_deadline);
                    }
                }
                Some(false) => progress.unhealthy_allocs += 1,
                None => {}
            }
        }
        deployment.modify_time = Some(now);
        self.arm(&deployment);
        if allocation.healthy() == Some(false) {
            self.after(JUDGING, Timer::JudgeDeployment(deployment.id));
        }
        self.after(WATCHING, Timer::WatchDeployment(deployment.id));
        self.save_deployment(deployment, kind);
    }

    /// Sets the alarm for the deployment's next progress deadline.
    pub fn arm(&mut self, deployment: &Deployment) {
        let next = deployment
            .groups
            .values()
            .filter(|group| !group.is_done())
            .filter_map(|group| group.require_progress_by)
            .min();
        if let Some(wait) = next.map(|at| (at - Utc::now()).to_std().unwrap_or_default()) {
            self.timers
                .after(wait, Timer::ProgressDeadline(deployment.id));
        }
    }

    fn can_reschedule(&self, allocation: &Allocation) -> bool {
        let policy = allocation
            .group_spec()
            .map(ReschedulePolicy::of)
            .filter(ReschedulePolicy::enabled);
        allocation.job.kind() != "system"
            && policy.is_some_and(|policy| {
                reschedule_at(allocation, &policy, |duration| self.scaled(duration)).is_some()
            })
    }

    pub fn watch_deployment(&mut self, id: Uuid) {
        let Some(deployment) = self
            .deployments
            .get(&id)
            .filter(|deployment| {
                deployment.is_active() || deployment.status == DeploymentStatus::Failed
            })
            .cloned()
        else {
            return;
        };
        let automatic = deployment.requires_promotion()
            && deployment
                .groups
                .values()
                .filter(|group| group.awaits_promotion())
                .all(|group| group.auto_promote && group.healthy_allocs >= group.desired_canaries);
        self.advance();
        if deployment.is_active() && automatic {
            self.mark_promoted(deployment.clone());
        }
        let failed: Vec<Allocation> = self
            .allocations_of(&deployment.job_key())
            .filter(|allocation| {
                allocation.deployment == Some(id)
                    && allocation.client_status == ClientStatus::Failed
                    && !allocation.wants_reschedule
                    && allocation.next.is_none()
            })
            .filter(|allocation| self.can_reschedule(allocation))
            .cloned()
            .collect();
        if deployment.status == DeploymentStatus::Failed && failed.is_empty() {
            return;
        }
        for mut allocation in failed {
            allocation.wants_reschedule = true;
            self.save_allocation(allocation, "AllocationUpdateDesiredStatus");
        }
        let mut evaluation = self.new_evaluation(&deployment.job_key(), WATCHER);
        evaluation.deployment = Some(id);
        self.enqueue(evaluation, "AllocationUpdateDesiredStatus");
    }

    /// Fails a deployment that has an unhealthy allocation nothing will replace.
    pub fn judge_deployment(&mut self, id: Uuid) {
        let Some(deployment) = self
            .deployments
            .get(&id)
            .filter(|deployment| deployment.status == DeploymentStatus::Running)
        else {
            return;
        };
        let lost = self
            .allocations_of(&deployment.job_key())
            .filter(|allocation| {
                allocation.deployment == Some(id) && allocation.healthy() == Some(false)
            })
            .any(|allocation| {
                let hurried = deployment
                    .groups
                    .get(&allocation.group)
                    .is_some_and(|group| group.progress_deadline.is_zero());
                hurried || (allocation.next.is_none() && !self.can_reschedule(allocation))
            });
        if lost {
            self.fail_deployment(id, "Failed due to unhealthy allocations", WATCHER);
        }
    }

    pub fn progress_deadline(&mut self, id: Uuid) {
        let Some(deployment) = self
            .deployments
            .get(&id)
            .filter(|deployment| deployment.status == DeploymentStatus::Running)
        else {
            return;
        };
        let now = Utc::now();
        let late = deployment
            .groups
            .values()
            .filter(|group| !group.is_done())
            .any(|group| {
                let waits_for_promotion =
                    group.awaits_promotion() && group.healthy_allocs >= group.desired_canaries;
                !waits_for_promotion && group.require_progress_by.is_some_and(|by| by <= now)
            });
        if late {
            self.fail_deployment(id, "Failed due to progress deadline", WATCHER);
        }
    }

    /// Fails a deployment, and rolls its job back where that was asked for. Returns the evaluation and the version rolled
    /// back to.
    pub fn fail_deployment(
        &mut self,
        id: Uuid,
        reason: &str,
        triggered_by: &'static str,
    ) -> Option<(Uuid, Option<u64>)> {
        let mut deployment = self.deployments.get(&id)?.clone();
        let key = deployment.job_key();
        let reverts = deployment.groups.values().any(|group| group.auto_revert);
        self.advance();
        let (suffix, target) = if reverts {
            self.rollback(&key, deployment.job_version)
        } else {
            (String::new(), None)
        };
        deployment.status = DeploymentStatus::Failed;
        deployment.status_description = format!("{reason}{suffix}");
        deployment.modify_time = Some(Utc::now());
        self.save_deployment(deployment, "DeploymentUpdate");
        let mut evaluation = self.new_evaluation(&key, triggered_by);
        evaluation.deployment = target.is_none().then_some(id);
        let evaluation = self.enqueue(evaluation, "DeploymentUpdate");
        self.refresh_job_status(&key, "DeploymentUpdate");
        Some((evaluation, target))
    }

    /// Makes the newest stable version the job's next one. Returns what to say about it, and that version.
    fn rollback(&mut self, key: &JobKey, failed: u64) -> (String, Option<u64>) {
        let Some(job) = self.jobs.get(key) else {
            return (String::new(), None);
        };
        let Some(stable) = job
            .versions
            .iter()
            .find(|version| version.stable && version.version != failed)
            .cloned()
        else {
            return (
                " - no stable job version to auto revert to".to_owned(),
                None,
            );
        };
        if stable.spec == job.current.spec && stable.stop == job.current.stop {
            return (
                format!(
                    " - not rolling back to stable job version {} as current job has same specification",
                    stable.version
                ),
                None,
            );
        }
        let target = stable.version;
        let next = next_version(job, stable, self.index);
        self.save_job(key, next, "DeploymentUpdate");
        (
            format!(" - rolling back to job version {target}"),
            Some(target),
        )
    }

    /// Marks the canaries of a deployment promoted.
    pub fn mark_promoted(&mut self, mut deployment: Deployment) {
        for group in deployment.groups.values_mut() {
            group.promoted = group.desired_canaries > 0;
        }
        deployment.status_description = "Deployment is running".to_owned();
        deployment.modify_time = Some(Utc::now());
        let canaries: Vec<Uuid> = deployment
            .groups
            .values()
            .flat_map(|group| group.placed_canaries.clone())
            .collect();
        self.save_deployment(deployment, "DeploymentPromotion");
        for mut canary in canaries
            .iter()
            .filter_map(|id| self.allocations.get(id))
            .cloned()
            .collect::<Vec<_>>()
        {
            if let Some(health) = &mut canary.health {
                health.canary = false;
            }
            self.save_allocation(canary, "DeploymentPromotion");
        }
    }

    /// Whether a failed allocation outside any running deployment asks for an evaluation of its own.
    pub fn wants_failure_evaluation(&self, allocation: &Allocation) -> bool {
        let deploying = allocation
            .deployment
            .and_then(|id| self.deployments.get(&id))
            .is_some_and(Deployment::is_active);
        let known = self
            .jobs
            .get(&allocation.key)
            .is_some_and(|job| spec::group(&job.current.spec, &allocation.group).is_some());
        !deploying && known && self.can_reschedule(allocation)
    }
}

/// The version that follows the newest one and is a copy of `source`.
pub fn next_version(job: &Job, source: JobVersion, index: u64) -> JobVersion {
    let newest = job
        .versions
        .iter()
        .map(|version| version.version)
        .max()
        .unwrap_or_default();
    JobVersion {
        version: newest + 1,
        status: job.current.status,
        create_index: job.current.create_index,
        modify_index: index,
        job_modify_index: index,
        ..source
    }
}
