//! Evaluations that wait for room.

use serde_json::Value;

use super::plan::Plan;
use crate::state::Cluster;
use crate::state::evaluation::{Evaluation, EvaluationStatus};
use crate::state::job::{JobKey, JobVersion};
use uuid::Uuid;

impl Cluster {
    /// Keeps what could not be placed for later.
    pub(super) fn block(
        &mut self,
        evaluation: &Evaluation,
        key: &JobKey,
        job: &JobVersion,
        plan: &Plan,
    ) {
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

    pub(super) fn cancel_blocked(&mut self, key: &JobKey, successful: Uuid) {
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
