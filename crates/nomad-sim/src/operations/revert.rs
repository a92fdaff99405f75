//! Going back to an earlier version, marking versions stable, evaluating again, and stopping one allocation.

use uuid::Uuid;

use super::Registered;
use crate::scheduler::deployments::next_version;
use crate::state::Cluster;
use crate::state::evaluation::Evaluation;
use crate::state::job::{JobKey, JobStatus, JobVersion};

impl Cluster {
    /// Makes an earlier version the next one. It starts a stopped job, too.
    pub fn revert(
        &mut self,
        key: &JobKey,
        version: u64,
        prior: Option<u64>,
    ) -> Result<Registered, String> {
        let job = self
            .jobs
            .get(key)
            .ok_or_else(|| format!("job {:?} not found", key.id))?;
        let current = job.current.version;
        if version == current {
            return Err("can't revert to current version".to_owned());
        }
        if let Some(prior) = prior.filter(|prior| *prior != current) {
            return Err(format!(
                "Current job has version {current}; enforcing version {prior}"
            ));
        }
        let missing = || {
            format!(
                "job {:?} in namespace {:?} at version {version} not found",
                key.id, key.namespace
            )
        };
        let source = job
            .versions
            .iter()
            .find(|kept| kept.version == version)
            .cloned()
            .ok_or_else(missing)?;
        let mut next = next_version(
            job,
            JobVersion {
                stable: false,
                stop: false,
                ..source
            },
            self.index + 1,
        );
        if next.status == JobStatus::Dead {
            next.status = JobStatus::Pending;
        }
        self.advance();
        self.save_job(key, next, "JobRegistered");
        let evaluation = Evaluation {
            job_modify_index: self.index,
            ..self.new_evaluation(key, "job-register")
        };
        let evaluation = self.enqueue(evaluation, "JobRegistered");
        Ok(Registered {
            evaluation,
            evaluation_index: self.index,
            job_modify_index: self.index,
            index: self.index,
        })
    }

    /// Marks a version stable or not. As on a real agent, the version that is marked becomes the one that is read.
    pub fn mark_stable(&mut self, key: &JobKey, version: u64, stable: bool) -> Result<u64, String> {
        let job = self
            .jobs
            .get(key)
            .ok_or_else(|| format!("job {:?} not found", key.id))?;
        let missing = || {
            format!(
                "job {:?} in namespace {:?} at version {version} not found",
                key.id, key.namespace
            )
        };
        let marked = job
            .versions
            .iter()
            .find(|kept| kept.version == version)
            .cloned()
            .ok_or_else(missing)?;
        self.advance();
        self.save_job(key, JobVersion { stable, ..marked }, "JobRegistered");
        Ok(self.index)
    }

    pub fn evaluate_again(&mut self, key: &JobKey) -> Result<Registered, String> {
        let job = &self.jobs.get(key).ok_or("job not found")?.current;
        let job_modify_index = job.job_modify_index;
        self.advance();
        let evaluation = Evaluation {
            job_modify_index,
            ..self.new_evaluation(key, "job-register")
        };
        let evaluation = self.enqueue(evaluation, "EvaluationUpdated");
        Ok(Registered {
            evaluation,
            evaluation_index: self.index,
            job_modify_index,
            index: self.index,
        })
    }

    /// Moves one allocation: it stops, and another takes its place.
    pub fn stop_one(&mut self, id: Uuid) -> Result<(Uuid, u64), String> {
        let mut allocation = self
            .allocations
            .get(&id)
            .cloned()
            .ok_or("allocation not found")?;
        self.advance();
        allocation.wants_migration = true;
        let key = allocation.key.clone();
        self.save_allocation(allocation, "AllocationUpdateDesiredStatus");
        let evaluation = self.new_evaluation(&key, "alloc-stop");
        let evaluation = self.enqueue(evaluation, "AllocationUpdateDesiredStatus");
        Ok((evaluation, self.index))
    }
}
