//! What a job comes to: its status and its summary, from what belongs to it.

use super::Cluster;
use super::allocation::ClientStatus;
use super::deployment::Deployment;
use super::evaluation::Evaluation;
use super::job::{JobKey, JobStatus, JobVersion};

impl Cluster {
    fn job_status(&self, key: &JobKey) -> JobStatus {
        let deploying = self.deployments_of(key).any(Deployment::is_active);
        if deploying
            || self
                .allocations_of(key)
                .any(|allocation| !allocation.is_terminal())
        {
            JobStatus::Running
        } else if self.evaluations_of(key).any(Evaluation::is_open) {
            JobStatus::Pending
        } else {
            JobStatus::Dead
        }
    }

    /// Saves the job's status where it is another one by now.
    pub fn refresh_job_status(&mut self, key: &JobKey, kind: &'static str) {
        let status = self.job_status(key);
        let Some(current) = self
            .jobs
            .get(key)
            .map(|job| &job.current)
            .filter(|current| current.status != status)
        else {
            return;
        };
        let changed = JobVersion {
            status,
            ..current.clone()
        };
        self.save_job(key, changed, kind);
    }

    /// How many allocations of each group are in which state: the job's summary.
    pub fn summary(&self, key: &JobKey) -> Option<serde_json::Value> {
        let job = self.jobs.get(key)?;
        let mut groups = serde_json::Map::new();
        for group in crate::spec::groups(&job.current.spec) {
            let name = crate::spec::text(group, "Name");
            let count = |status: ClientStatus| {
                self.allocations_of(key)
                    .filter(|allocation| {
                        allocation.group == name && allocation.client_status == status
                    })
                    .count()
            };
            let queued = job.queued.get(name).copied().unwrap_or_default();
            let summary = serde_json::json!({
                "Complete": count(ClientStatus::Complete), "Failed": count(ClientStatus::Failed), "Lost": 0, "Queued": queued,
                "Running": count(ClientStatus::Running), "Starting": count(ClientStatus::Pending), "Unknown": 0,
            });
            groups.insert(name.to_owned(), summary);
        }
        Some(serde_json::json!({
            "Children": {"Dead": 0, "Pending": 0, "Running": 0}, "CreateIndex": job.current.create_index, "JobID": key.id,
            "ModifyIndex": job.summary_index, "Namespace": key.namespace, "Summary": groups,
        }))
    }
}
