//! The event stream's buffer: what changed at which index. Events keep the object itself, which shares its large parts,
//! and become JSON only when somebody reads them.

use std::collections::VecDeque;
use std::sync::Arc;

use serde_json::{Value, json};

use super::allocation::Allocation;
use super::deployment::Deployment;
use super::evaluation::Evaluation;
use super::job::{JobKey, JobVersion};
use super::node::Node;
use super::service::ServiceRegistration;

/// How many events are kept for those who come late.
const KEPT_EVENTS: usize = 100;

#[derive(Clone, Debug)]
pub enum Changed {
    Job {
        key: JobKey,
        job: JobVersion,
        deleted: bool,
    },
    Evaluation(Evaluation),
    Deployment(Deployment),
    Allocation(Allocation),
    Service(ServiceRegistration),
}

#[derive(Debug)]
pub struct Event {
    pub index: u64,
    pub kind: &'static str,
    pub changed: Changed,
}

impl Event {
    pub fn topic(&self) -> &'static str {
        match self.changed {
            Changed::Job { .. } => "Job",
            Changed::Evaluation(_) => "Evaluation",
            Changed::Deployment(_) => "Deployment",
            Changed::Allocation(_) => "Allocation",
            Changed::Service(_) => "Service",
        }
    }

    pub fn namespace(&self) -> &str {
        match &self.changed {
            Changed::Job { key, .. } => &key.namespace,
            Changed::Evaluation(evaluation) => &evaluation.namespace,
            Changed::Deployment(deployment) => &deployment.namespace,
            Changed::Allocation(allocation) => &allocation.key.namespace,
            Changed::Service(service) => &service.key.namespace,
        }
    }

    pub fn key(&self) -> String {
        match &self.changed {
            Changed::Job { key, .. } => key.id.clone(),
            Changed::Evaluation(evaluation) => evaluation.id.to_string(),
            Changed::Deployment(deployment) => deployment.id.to_string(),
            Changed::Allocation(allocation) => allocation.id.to_string(),
            Changed::Service(service) => service.id.clone(),
        }
    }

    pub fn filter_keys(&self) -> Option<Vec<String>> {
        let deployment = |id: Option<uuid::Uuid>| id.map(|id| id.to_string()).unwrap_or_default();
        match &self.changed {
            Changed::Job { .. } => None,
            Changed::Evaluation(evaluation) => Some(vec![
                evaluation.job_id.clone(),
                deployment(evaluation.deployment),
            ]),
            Changed::Deployment(found) => Some(vec![found.job_id.clone()]),
            Changed::Allocation(allocation) => Some(vec![
                allocation.key.id.clone(),
                deployment(allocation.deployment),
            ]),
            Changed::Service(service) => Some(vec![service.key.id.clone(), service.name.clone()]),
        }
    }

    pub fn to_json(&self, node: &Node) -> Value {
        let mut payload = json!({});
        payload[self.topic()] = match &self.changed {
            Changed::Job { job, deleted, .. } => {
                if *deleted {
                    payload["Deleted"] = json!(true);
                }
                job.to_json()
            }
            Changed::Evaluation(evaluation) => json!(evaluation),
            Changed::Deployment(deployment) => json!(deployment),
            Changed::Allocation(allocation) => allocation.to_json(node, false),
            Changed::Service(service) => service.to_json(node),
        };
        json!({
            "FilterKeys": self.filter_keys(), "Index": self.index, "Key": self.key(), "Namespace": self.namespace(),
            "Payload": payload, "Topic": self.topic(), "Type": self.kind,
        })
    }
}

/// The buffer. Each event has a number of its own, because several share an index.
#[derive(Debug, Default)]
pub struct Events {
    kept: VecDeque<(u64, Arc<Event>)>,
    next: u64,
}

impl Events {
    pub fn push(&mut self, event: Event) {
        self.kept.push_back((self.next, Arc::new(event)));
        self.next += 1;
        if self.kept.len() > KEPT_EVENTS {
            self.kept.pop_front();
        }
    }

    /// The number from which a reader who asks for `index` gets events: everything from that index on, the whole buffer
    /// for 0 or one that is too old, and the last event again for one that has not come yet.
    pub fn start(&self, index: u64) -> u64 {
        let last = self.next.saturating_sub(1);
        self.kept
            .iter()
            .find(|(_, event)| event.index >= index)
            .map_or(last, |(number, _)| *number)
    }

    /// The events from `number` on, and the number to go on with.
    pub fn since(&self, number: u64) -> (Vec<Arc<Event>>, u64) {
        let events = self
            .kept
            .iter()
            .filter(|(own, _)| *own >= number)
            .map(|(_, event)| event.clone())
            .collect();
        (events, self.next)
    }
}
