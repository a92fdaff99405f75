//! The scheduler: takes up evaluations, carries out what `reconcile` decides, and watches deployments.

mod blocked;
mod carry_out;
pub mod deployments;
mod group;
pub mod placement;
pub mod plan;
pub mod reconcile;

use chrono::Utc;
use std::time::Duration;
use uuid::Uuid;

use self::plan::Plan;
use self::reconcile::reconcile;
use crate::state::Cluster;
use crate::state::deployment::{Deployment, DeploymentStatus};
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
            self.update_in_place(*id, evaluation.id, job, deployment.as_mut());
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
            }) || !plan.in_place.is_empty()
                || plan
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
}
