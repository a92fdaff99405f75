//! How each kind of object is saved under the current index, and told of.

use chrono::Utc;
use uuid::Uuid;

use super::Cluster;
use super::allocation::Allocation;
use super::deployment::Deployment;
use super::evaluation::{Evaluation, EvaluationStatus};
use super::events::Changed;
use super::job::{Job, JobKey, JobVersion};
use super::service::ServiceRegistration;

impl Cluster {
    /// Saves a version as the job's current one, under the current index.
    pub fn save_job(&mut self, key: &JobKey, mut version: JobVersion, kind: &'static str) {
        version.modify_index = self.index;
        self.tables.jobs = self.index;
        self.record(
            kind,
            Changed::Job {
                key: key.clone(),
                job: version.clone(),
                deleted: false,
            },
        );
        match self.jobs.get_mut(key) {
            Some(job) => job.put(version),
            None => {
                self.jobs.insert(key.clone(), Job::new(version));
            }
        }
    }

    pub fn save_evaluation(&mut self, mut evaluation: Evaluation, kind: &'static str) {
        evaluation.modify_index = self.index;
        evaluation.modify_time = Some(Utc::now());
        self.tables.evaluations = self.index;
        if evaluation.status == EvaluationStatus::Blocked {
            self.blocked.insert(evaluation.id);
        } else {
            self.blocked.remove(&evaluation.id);
        }
        self.owned
            .entry(evaluation.job_key())
            .or_default()
            .evaluations
            .insert(evaluation.id);
        self.record(kind, Changed::Evaluation(evaluation.clone()));
        self.evaluations.insert(evaluation.id, evaluation);
    }

    pub fn save_deployment(&mut self, mut deployment: Deployment, kind: &'static str) {
        deployment.modify_index = self.index;
        self.tables.deployments = self.index;
        self.owned
            .entry(deployment.job_key())
            .or_default()
            .deployments
            .insert(deployment.id);
        self.record(kind, Changed::Deployment(deployment.clone()));
        self.deployments.insert(deployment.id, deployment);
    }

    pub fn save_allocation(&mut self, mut allocation: Allocation, kind: &'static str) {
        allocation.modify_index = self.index;
        allocation.modify_time = Utc::now();
        self.tables.allocations = self.index;
        self.owned
            .entry(allocation.key.clone())
            .or_default()
            .allocations
            .insert(allocation.id);
        if let Some(job) = self.jobs.get_mut(&allocation.key) {
            job.summary_index = self.index;
        }
        self.record(kind, Changed::Allocation(allocation.clone()));
        self.allocations.insert(allocation.id, allocation);
    }

    pub fn save_service(&mut self, service: ServiceRegistration) {
        self.tables.services = self.index;
        self.record("ServiceRegistration", Changed::Service(service.clone()));
        self.services.insert(service.id.clone(), service);
    }

    pub fn remove_services(&mut self, allocation: Uuid) {
        let ids: Vec<String> = self
            .services
            .values()
            .filter(|service| service.allocation == allocation)
            .map(|service| service.id.clone())
            .collect();
        if ids.is_empty() {
            return;
        }
        self.tables.services = self.advance();
        for id in ids {
            if let Some(service) = self.services.remove(&id) {
                self.record("ServiceDeregistration", Changed::Service(service));
            }
        }
    }
}
