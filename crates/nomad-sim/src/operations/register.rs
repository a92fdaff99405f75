//! Registering a job: compare and set, a new version where anything is new, and an evaluation in any case.

use std::sync::Arc;

use chrono::Utc;
use serde_json::Value;
use uuid::Uuid;

use crate::scheduler::deployments::next_version;
use crate::spec;
use crate::state::Cluster;
use crate::state::job::{JobKey, JobStatus, JobVersion};

/// A job that has been checked and normalised.
#[derive(Debug)]
pub struct Registration {
    pub spec: Value,
    pub stop: bool,
    /// The job modify index the job must have, 0 if it must not exist.
    pub enforced_index: Option<u64>,
}

#[derive(Debug)]
pub struct Registered {
    pub evaluation: Uuid,
    pub evaluation_index: u64,
    pub job_modify_index: u64,
    pub index: u64,
}

impl Cluster {
    pub fn register(
        &mut self,
        key: &JobKey,
        registration: Registration,
    ) -> Result<Registered, String> {
        let existing = self.jobs.get(key).map(|job| job.current.clone());
        if let Some(wanted) = registration.enforced_index {
            enforce(wanted, existing.as_ref())?;
        }
        if let Some(existing) = &existing {
            let (old, new) = (existing.kind(), spec::text(&registration.spec, "Type"));
            if old != new {
                return Err(format!("cannot update job from type {old:?} to {new:?}"));
            }
        }
        self.check_capabilities(key, &registration.spec)?;
        self.advance();
        let version = match existing {
            Some(existing)
                if *existing.spec == registration.spec && existing.stop == registration.stop =>
            {
                let evaluation = self.new_evaluation(key, "job-register");
                let evaluation = self.enqueue(
                    crate::state::evaluation::Evaluation {
                        job_modify_index: existing.job_modify_index,
                        ..evaluation
                    },
                    "JobRegistered",
                );
                return Ok(Registered {
                    evaluation,
                    evaluation_index: self.index,
                    job_modify_index: existing.modify_index,
                    index: self.index,
                });
            }
            Some(_) | None => self.version_of(key, registration),
        };
        self.save_job(key, version, "JobRegistered");
        let evaluation = self.new_evaluation(key, "job-register");
        let evaluation = self.enqueue(
            crate::state::evaluation::Evaluation {
                job_modify_index: self.index,
                ..evaluation
            },
            "JobRegistered",
        );
        Ok(Registered {
            evaluation,
            evaluation_index: self.index,
            job_modify_index: self.index,
            index: self.index,
        })
    }

    fn version_of(&self, key: &JobKey, registration: Registration) -> JobVersion {
        let fresh = JobVersion {
            spec: Arc::new(registration.spec),
            version: 0,
            stable: false,
            stop: registration.stop,
            status: JobStatus::Pending,
            create_index: self.index,
            modify_index: self.index,
            job_modify_index: self.index,
            submit_time: Utc::now(),
        };
        match self.jobs.get(key) {
            Some(job) => {
                let status = if job.current.status == JobStatus::Dead {
                    JobStatus::Pending
                } else {
                    job.current.status
                };
                JobVersion {
                    status,
                    ..next_version(job, fresh, self.index)
                }
            }
            None => fresh,
        }
    }

    /// Whether the job's namespace allows its drivers and network modes.
    pub fn check_capabilities(&self, key: &JobKey, job: &Value) -> Result<(), String> {
        let Some(capabilities) = self
            .namespaces
            .get(&key.namespace)
            .and_then(|namespace| namespace.capabilities.as_ref())
        else {
            return Ok(());
        };
        let mut refused = Vec::new();
        for group in spec::groups(job) {
            for driver in spec::list(group, "Tasks")
                .iter()
                .map(|task| spec::text(task, "Driver"))
                .filter(|driver| !capabilities.allows_driver(driver))
            {
                refused.push(format!(
                    "used task driver {driver:?} is not allowed in namespace {:?}",
                    key.namespace
                ));
            }
            for network in spec::list(group, "Networks") {
                let mode = Some(spec::text(network, "Mode"))
                    .filter(|mode| !mode.is_empty())
                    .unwrap_or("host");
                if !capabilities.allows_network_mode(mode) {
                    refused.push(format!(
                        "used group network mode {mode:?} is not allowed in namespace {:?}",
                        key.namespace
                    ));
                }
            }
        }
        let findings = crate::admission::Findings(refused);
        if findings.0.is_empty() {
            Ok(())
        } else {
            Err(findings.text())
        }
    }
}

fn enforce(wanted: u64, existing: Option<&JobVersion>) -> Result<(), String> {
    match existing {
        Some(_) if wanted == 0 => {
            Err("Enforcing job modify index 0: job already exists".to_owned())
        }
        Some(existing) if existing.job_modify_index != wanted => Err(format!(
            "Enforcing job modify index {wanted}: job exists with conflicting job modify index: {}",
            existing.job_modify_index
        )),
        None if wanted > 0 => Err(format!(
            "Enforcing job modify index {wanted}: job does not exist"
        )),
        _ => Ok(()),
    }
}
