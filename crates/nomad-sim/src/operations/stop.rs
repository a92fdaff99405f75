//! Stopping and purging. A stop is a version of its own; a purge takes the job's record away at once, while its tasks may
//! still be busy dying.

use uuid::Uuid;

use crate::scheduler::deployments::next_version;
use crate::state::Cluster;
use crate::state::evaluation::Evaluation;
use crate::state::job::{JobKey, JobVersion};

/// The evaluation of a stop, and the index. A job that does not exist has none.
#[derive(Debug, Default)]
pub struct Deregistered {
    pub evaluation: Option<Uuid>,
    pub index: u64,
}

impl Cluster {
    pub fn deregister(&mut self, key: &JobKey, purge: bool) -> Deregistered {
        let Some(job) = self.jobs.get(key) else {
            return Deregistered::default();
        };
        let current = job.current.clone();
        let next = next_version(
            job,
            JobVersion {
                stop: true,
                ..current
            },
            self.index + 1,
        );
        self.advance();
        let evaluation = self.new_evaluation(key, "job-deregister");
        if purge {
            for allocation in self.purge(key) {
                self.abandon(allocation);
            }
        } else {
            self.save_job(key, next, "JobDeregistered");
        }
        let index = self.index;
        let evaluation = self.enqueue(
            Evaluation {
                job_modify_index: index,
                ..evaluation
            },
            "JobDeregistered",
        );
        Deregistered {
            evaluation: Some(evaluation),
            index,
        }
    }
}
