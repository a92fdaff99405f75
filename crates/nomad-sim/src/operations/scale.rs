//! Scaling: another count for one group. It makes a version in any case, which keeps the mark of stability.

use std::sync::Arc;

use chrono::Utc;
use serde_json::{Value, json};

use super::Registered;
use crate::scheduler::deployments::next_version;
use crate::spec;
use crate::state::Cluster;
use crate::state::evaluation::Evaluation;
use crate::state::job::{JobKey, JobVersion, ScalingEvent};

#[derive(Debug)]
pub struct Scaling {
    pub group: String,
    /// None records the message only.
    pub count: Option<u64>,
    pub message: String,
    pub error: bool,
    pub meta: Option<Value>,
}

/// Why a job was not scaled: the caller's mistake, or the job does not exist.
#[derive(Debug)]
pub enum ScaleError {
    Bad(String),
    NotFound(String),
}

impl Cluster {
    pub fn scale(
        &mut self,
        key: &JobKey,
        scaling: Scaling,
    ) -> Result<Option<Registered>, ScaleError> {
        let job = self
            .jobs
            .get(key)
            .ok_or_else(|| ScaleError::NotFound(format!("job {:?} not found", key.id)))?;
        let current = job.current.clone();
        let previous = spec::group(&current.spec, &scaling.group).map(spec::count);
        let previous = previous.ok_or_else(|| {
            ScaleError::Bad(format!(
                "task group {:?} specified for scaling does not exist in job",
                scaling.group
            ))
        })?;
        if scaling.count.is_some()
            && self
                .latest_deployment(key)
                .is_some_and(|deployment| deployment.is_active())
        {
            return Err(ScaleError::Bad(
                "job scaling blocked due to active deployment".to_owned(),
            ));
        }
        self.advance();
        let mut registered = None;
        if let Some(count) = scaling.count {
            let mut changed = (*current.spec).clone();
            let groups = changed
                .get_mut("TaskGroups")
                .and_then(Value::as_array_mut)
                .into_iter()
                .flatten();
            for group in groups.filter(|group| spec::text(group, "Name") == scaling.group) {
                group["Count"] = json!(count);
            }
            let next = self.jobs.get(key).map(|job| {
                next_version(
                    job,
                    JobVersion {
                        spec: Arc::new(changed),
                        ..current
                    },
                    self.index,
                )
            });
            if let Some(next) = next {
                self.save_job(key, next, "JobRegistered");
            }
            let job_modify_index = self.index;
            self.advance();
            let evaluation = Evaluation {
                job_modify_index,
                ..self.new_evaluation(key, "job-scaling")
            };
            let evaluation = self.enqueue(evaluation, "JobRegistered");
            let evaluation_index = self.index;
            self.advance();
            registered = Some(Registered {
                evaluation,
                evaluation_index,
                job_modify_index,
                index: self.index,
            });
        }
        let event = ScalingEvent {
            count: scaling.count,
            create_index: self.index,
            error: scaling.error,
            evaluation: registered.as_ref().map(|registered| registered.evaluation),
            message: scaling.message,
            meta: scaling.meta,
            previous_count: u64::try_from(previous).unwrap_or_default(),
            time: Some(Utc::now()),
            group: scaling.group,
        };
        if let Some(job) = self.jobs.get_mut(key) {
            job.record_scaling(event);
        }
        Ok(registered)
    }
}
