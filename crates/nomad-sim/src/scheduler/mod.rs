//! The scheduler: takes up evaluations, carries out what `reconcile` decides, and watches deployments.

pub mod deployments;
pub mod placement;
pub mod reconcile;

use chrono::Utc;
use serde_json::Value;
use std::time::Duration;
use uuid::Uuid;

use self::reconcile::{Plan, reconcile};
use crate::spec;
use crate::state::Cluster;
use crate::state::allocation::{Allocation, AllocationHealth, ClientStatus, DesiredStatus};
use crate::state::deployment::{Deployment, DeploymentStatus, GroupProgress};
use crate::state::evaluation::{Evaluation, EvaluationStatus, PlanAnnotations};
use crate::state::job::{JobKey, JobVersion};
use crate::timers::Timer;

/// How long the scheduler takes to pick an evaluation up.
const SCHEDULING: Duration = Duration::from_millis(5);

const PLAN: &str = "PlanResult";

impl Cluster {
    /// Saves a new pending evaluation under the current index and hands it to the scheduler.
    pub fn enqueue(&mut self, evaluation: Evaluation, kind: &'static str) -> Uuid {
        let id = evaluation.id;
        let wait = evaluation
            .wait_until
            .and_then(|at| (at - Utc::now()).to_std().ok());
        self.save_evaluation(evaluation, kind);
        match wait {
            // Already divided by the speed when the time was set.
            Some(wait) => self.timers.after(wait, Timer::Evaluate(id)),
            None => self.after(SCHEDULING, Timer::Evaluate(id)),
        }
        id
    }

    pub fn evaluate(&mut self, id: Uuid) {
        let Some(evaluation) = self
            .evaluations
            .get(&id)
            .filter(|evaluation| evaluation.is_open())
            .cloned()
        else {
            return;
        };
        let key = evaluation.job_key();
        let Some(job) = self.jobs.get(&key).map(|job| job.current.clone()) else {
            return self.finish(evaluation, &key, Plan::default(), None);
        };
        self.forget_followup(&key, id);
        let plan = reconcile(self, &key, &job, true);
        let deployment = self.carry_out(&evaluation, &key, &job, &plan);
        self.finish(evaluation, &key, plan, deployment);
    }

    /// An allocation that waited for this evaluation waits no longer.
    fn forget_followup(&mut self, key: &JobKey, id: Uuid) {
        let waiting: Vec<Uuid> = self
            .allocations_of(key)
            .filter(|allocation| allocation.followup_evaluation == Some(id))
            .map(|allocation| allocation.id)
            .collect();
        for allocation in waiting {
            if let Some(allocation) = self.allocations.get_mut(&allocation) {
                allocation.followup_evaluation = None;
            }
        }
    }

    /// Applies a plan in one transaction. Returns the deployment it is part of.
    fn carry_out(
        &mut self,
        evaluation: &Evaluation,
        key: &JobKey,
        job: &JobVersion,
        plan: &Plan,
    ) -> Option<Uuid> {
        let current = self
            .deployments_of(key)
            .filter(|deployment| deployment.job_version == job.version)
            .max_by_key(|deployment| deployment.create_index)
            .cloned();
        let superseded: Vec<Deployment> = self
            .deployments_of(key)
            .filter(|deployment| {
                deployment.is_active() && (job.stop || deployment.job_version != job.version)
            })
            .cloned()
            .collect();
        if !plan.failed.is_empty() {
            self.block(evaluation, key, job, plan);
        }
        if plan.is_empty() && superseded.is_empty() && !plan.completes_deployment {
            return current.map(|deployment| deployment.id);
        }
        self.advance();
        self.save_evaluation(evaluation.clone(), PLAN);
        for mut deployment in superseded {
            deployment.status = DeploymentStatus::Cancelled;
            deployment.status_description = if job.stop {
                "Cancelled because job is stopped"
            } else {
                "Cancelled due to newer version of job"
            }
            .to_owned();
            deployment.modify_time = Some(Utc::now());
            self.save_deployment(deployment, PLAN);
        }
        let mut deployment = if plan.deploys.is_empty() {
            current
        } else {
            Some(self.new_deployment(key, job, plan))
        };
        for (id, reason) in &plan.stops {
            self.stop_allocation(*id, reason, None);
        }
        for id in &plan.in_place {
            self.update_in_place(*id, evaluation.id, job, deployment.as_ref());
        }
        for placement in &plan.placements {
            self.place(evaluation, key, job, placement, deployment.as_mut());
        }
        let mut identity = deployment.as_ref().map(|deployment| deployment.id);
        if let Some(mut deployment) = deployment {
            if plan.completes_deployment {
                deployment.status = DeploymentStatus::Successful;
                deployment.status_description = "Deployment completed successfully".to_owned();
                deployment.modify_time = Some(Utc::now());
                self.save_job(
                    key,
                    JobVersion {
                        stable: true,
                        ..job.clone()
                    },
                    PLAN,
                );
            } else if deployment.requires_promotion()
                && deployment.status == DeploymentStatus::Running
            {
                let automatic = deployment
                    .groups
                    .values()
                    .all(|group| group.auto_promote || !group.awaits_promotion());
                deployment.status_description = if automatic {
                    "Deployment is running pending automatic promotion"
                } else {
                    "Deployment is running but requires manual promotion"
                }
                .to_owned();
            }
            let changed = self.deployments.get(&deployment.id).is_none_or(|old| {
                old.status != deployment.status
                    || old.status_description != deployment.status_description
            }) || plan
                .placements
                .iter()
                .any(|placement| !placement.outside_deployment);
            if changed {
                self.arm(&deployment);
                self.save_deployment(deployment, PLAN);
            }
        } else {
            identity = None;
        }
        for later in &plan.later {
            self.follow_up(key, later.allocation, later.at);
        }
        self.refresh_job_status(key, PLAN);
        identity
    }

    /// Keeps what could not be placed for later.
    fn block(&mut self, evaluation: &Evaluation, key: &JobKey, job: &JobVersion, plan: &Plan) {
        if evaluation.status == EvaluationStatus::Blocked {
            return;
        }
        self.advance();
        let blocked = self.blocked_evaluation(evaluation, key, job, plan);
        self.save_evaluation(blocked, "EvaluationUpdated");
    }

    pub fn blocked_evaluation(
        &self,
        evaluation: &Evaluation,
        key: &JobKey,
        job: &JobVersion,
        plan: &Plan,
    ) -> Evaluation {
        let eligible = plan
            .failed
            .values()
            .any(|metric| metric.get("ConstraintFiltered").is_none_or(Value::is_null));
        Evaluation {
            class_eligibility: Some([(self.node.class(), eligible)].into()),
            failed_placements: plan.failed.clone(),
            job_modify_index: job.job_modify_index,
            previous_eval: Some(evaluation.id),
            snapshot_index: evaluation.create_index,
            status: EvaluationStatus::Blocked,
            status_description: "created to place remaining allocations".to_owned(),
            priority: job.priority(),
            kind: job.kind().to_owned(),
            ..self.new_evaluation(key, "queued-allocs")
        }
    }

    fn new_deployment(&self, key: &JobKey, job: &JobVersion, plan: &Plan) -> Deployment {
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

    fn place(
        &mut self,
        evaluation: &Evaluation,
        key: &JobKey,
        job: &JobVersion,
        placement: &reconcile::Placement,
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
            if let Some(progress) = deployment.groups.get_mut(&placement.group) {
                progress.placed_allocs += 1;
                if placement.canary {
                    progress.placed_canaries.push(id);
                }
                if progress.require_progress_by.is_none() && !progress.progress_deadline.is_zero() {
                    progress.require_progress_by =
                        chrono::Duration::from_std(self.scaled(progress.progress_deadline))
                            .ok()
                            .map(|wait| now + wait);
                }
            }
            deployment.modify_time = Some(now);
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

    /// Tells an allocation to stop, and the node with it.
    fn stop_allocation(&mut self, id: Uuid, reason: &'static str, next: Option<Uuid>) {
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

    fn update_in_place(
        &mut self,
        id: Uuid,
        evaluation: Uuid,
        job: &JobVersion,
        deployment: Option<&Deployment>,
    ) {
        let Some(mut allocation) = self.allocations.get(&id).cloned() else {
            return;
        };
        allocation.job = job.clone();
        allocation.evaluation = evaluation;
        allocation.alloc_modify_index = self.index;
        allocation.deployment = deployment.map(|deployment| deployment.id);
        allocation.health = None;
        self.save_allocation(allocation, PLAN);
        self.after(SCHEDULING, Timer::Watch(id));
    }

    fn follow_up(&mut self, key: &JobKey, allocation: Uuid, at: chrono::DateTime<Utc>) {
        let mut evaluation = self.new_evaluation(key, "alloc-reschedule");
        evaluation.status_description = "created for delayed rescheduling".to_owned();
        evaluation.wait_until = Some(at);
        let id = self.enqueue(evaluation, PLAN);
        if let Some(mut failed) = self.allocations.get(&allocation).cloned() {
            failed.followup_evaluation = Some(id);
            self.save_allocation(failed, PLAN);
        }
    }

    fn finish(
        &mut self,
        evaluation: Evaluation,
        key: &JobKey,
        plan: Plan,
        deployment: Option<Uuid>,
    ) {
        let was_blocked = evaluation.status == EvaluationStatus::Blocked;
        if was_blocked && !plan.failed.is_empty() {
            return;
        }
        let stopped = self.jobs.get(key).is_none_or(|job| job.current.stop);
        self.advance();
        if stopped || (plan.failed.is_empty() && !was_blocked) {
            self.cancel_blocked(key, evaluation.id);
        }
        if let Some(job) = self.jobs.get_mut(key) {
            job.queued.clone_from(&plan.queued);
        }
        let next = plan
            .later
            .first()
            .and_then(|later| self.allocations.get(&later.allocation))
            .and_then(|allocation| allocation.followup_evaluation);
        let blocked = self
            .evaluations_of(key)
            .find(|other| {
                other.status == EvaluationStatus::Blocked
                    && other.previous_eval == Some(evaluation.id)
            })
            .map(|other| other.id);
        let finished = Evaluation {
            blocked_eval: blocked,
            deployment,
            failed_placements: plan.failed,
            next_eval: next,
            plan_annotations: (!plan.desired.is_empty()).then_some(PlanAnnotations {
                desired: plan.desired,
                preempted_allocs: None,
            }),
            queued_allocations: Some(plan.queued),
            snapshot_index: self.index.saturating_sub(2).max(evaluation.create_index),
            status: EvaluationStatus::Complete,
            status_description: String::new(),
            ..evaluation
        };
        self.save_evaluation(finished, "EvaluationUpdated");
        self.refresh_job_status(key, "EvaluationUpdated");
    }

    fn cancel_blocked(&mut self, key: &JobKey, successful: Uuid) {
        let blocked: Vec<Evaluation> = self
            .evaluations_of(key)
            .filter(|evaluation| evaluation.status == EvaluationStatus::Blocked)
            .cloned()
            .collect();
        for mut evaluation in blocked {
            evaluation.status = EvaluationStatus::Canceled;
            evaluation.status_description = format!("evaluation \"{successful}\" successful");
            self.save_evaluation(evaluation, "EvaluationUpdated");
        }
    }
}
