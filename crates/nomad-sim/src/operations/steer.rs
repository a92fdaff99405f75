//! Steering a deployment by hand: fail, pause, resume, promote.

use chrono::Utc;
use uuid::Uuid;

use crate::state::Cluster;
use crate::state::deployment::{Deployment, DeploymentStatus};

#[derive(Debug)]
pub struct Steered {
    pub index: u64,
    pub evaluation: Option<Uuid>,
    pub reverted_to: Option<u64>,
}

impl Cluster {
    fn steerable(&self, id: Uuid, verb: &str) -> Result<Deployment, String> {
        let deployment = self.deployments.get(&id).ok_or("deployment not found")?;
        if deployment.is_active() {
            Ok(deployment.clone())
        } else {
            Err(format!("can't {verb} terminal deployment"))
        }
    }

    pub fn fail_by_hand(&mut self, id: Uuid) -> Result<Steered, String> {
        self.steerable(id, "fail")?;
        let (evaluation, reverted_to) = self
            .fail_deployment(id, "Deployment marked as failed", "deployment-watcher")
            .ok_or("deployment not found")?;
        Ok(Steered {
            index: self.index,
            evaluation: Some(evaluation),
            reverted_to,
        })
    }

    pub fn pause_deployment(&mut self, id: Uuid, pause: bool) -> Result<Steered, String> {
        let mut deployment = self.steerable(id, if pause { "pause" } else { "resume" })?;
        self.advance();
        let (status, description) = if pause {
            (DeploymentStatus::Paused, "Deployment is paused")
        } else {
            (DeploymentStatus::Running, "Deployment is running")
        };
        deployment.status = status;
        deployment.status_description = description.to_owned();
        deployment.modify_time = Some(Utc::now());
        let key = deployment.job_key();
        if !pause {
            self.arm(&deployment);
        }
        self.save_deployment(deployment, "DeploymentUpdate");
        let evaluation = (!pause).then(|| {
            let evaluation = self.new_evaluation(&key, "deployment-watcher");
            self.enqueue(evaluation, "DeploymentUpdate")
        });
        Ok(Steered {
            index: self.index,
            evaluation,
            reverted_to: None,
        })
    }

    pub fn promote_deployment(&mut self, id: Uuid) -> Result<Steered, String> {
        let deployment = self.steerable(id, "promote")?;
        let mut findings = crate::admission::Findings::default();
        for (name, group) in &deployment.groups {
            let healthy = group
                .placed_canaries
                .iter()
                .filter_map(|id| self.allocations.get(id))
                .filter(|canary| canary.healthy() == Some(true))
                .count();
            if group.desired_canaries > 0 && healthy < group.desired_canaries {
                findings.0.push(format!(
                    "Task group {name:?} has {healthy}/{} healthy allocations",
                    group.desired_canaries
                ));
            }
        }
        if !findings.0.is_empty() {
            return Err(findings.text());
        }
        let key = deployment.job_key();
        self.advance();
        self.mark_promoted(deployment);
        let mut evaluation = self.new_evaluation(&key, "deployment-watcher");
        evaluation.deployment = Some(id);
        let evaluation = self.enqueue(evaluation, "DeploymentPromotion");
        Ok(Steered {
            index: self.index,
            evaluation: Some(evaluation),
            reverted_to: None,
        })
    }
}
