//! The cluster: every object, the index that counts its changes, and the way each change is written down. Whatever
//! happens under one index is one transaction: advance the index, then save what changed.

pub mod allocation;
pub mod deployment;
pub mod evaluation;
pub mod events;
pub mod job;
mod job_status;
pub mod namespace;
pub mod node;
mod save;
pub mod service;
pub mod task;
pub mod variable;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use chrono::Utc;
use tokio::sync::mpsc::UnboundedSender;
use uuid::Uuid;

use self::allocation::Allocation;
use self::deployment::Deployment;
use self::evaluation::{Evaluation, EvaluationStatus};
use self::events::{Changed, Event, Events};
use self::job::{Job, JobKey, JobStatus, JobVersion};
use self::namespace::Namespace;
use self::node::Node;
use self::service::ServiceRegistration;
use self::variable::Variable;
use crate::node::{Message, Runner};
use crate::runtime::TaskReport;
use crate::timers::{Timer, Timers};

/// The index of the last change of each kind of object. 0: there never was one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tables {
    pub jobs: u64,
    pub evaluations: u64,
    pub deployments: u64,
    pub allocations: u64,
    pub services: u64,
    pub namespaces: u64,
    pub variables: u64,
}

/// The ids of what belongs to a job.
#[derive(Debug, Default)]
struct Owned {
    evaluations: BTreeSet<Uuid>,
    deployments: BTreeSet<Uuid>,
    allocations: BTreeSet<Uuid>,
}

/// What is taken of the node.
#[derive(Clone, Copy, Debug, Default)]
pub struct Used {
    pub cpu_mhz: i64,
    pub memory_mb: i64,
    pub disk_mb: i64,
}

/// Where tasks and probes report to.
#[derive(Clone, Debug)]
pub struct Senders {
    pub messages: UnboundedSender<Message>,
    pub reports: UnboundedSender<TaskReport>,
}

#[derive(Debug)]
pub struct Cluster {
    pub index: u64,
    pub tables: Tables,
    pub node: Node,
    pub namespaces: BTreeMap<String, Namespace>,
    pub variables: BTreeMap<(String, String), Variable>,
    pub jobs: BTreeMap<JobKey, Job>,
    pub evaluations: BTreeMap<Uuid, Evaluation>,
    pub deployments: BTreeMap<Uuid, Deployment>,
    pub allocations: BTreeMap<Uuid, Allocation>,
    pub services: BTreeMap<String, ServiceRegistration>,
    pub blocked: BTreeSet<Uuid>,
    pub events: Events,
    pub timers: Timers,
    pub runners: HashMap<Uuid, Runner>,
    pub messages: UnboundedSender<Message>,
    pub reports: UnboundedSender<TaskReport>,
    pub used: Used,
    pub used_ports: BTreeSet<u16>,
    speed: f64,
    owned: HashMap<JobKey, Owned>,
}

impl Cluster {
    /// `speed` divides every wait that is the cluster's own.
    pub fn new(speed: f64, senders: Senders) -> Self {
        Self {
            // A fresh agent has counted its leader, its configuration and its node.
            index: 10,
            tables: Tables {
                namespaces: 1,
                ..Tables::default()
            },
            node: Node::default(),
            namespaces: BTreeMap::from([("default".to_owned(), Namespace::default_namespace())]),
            variables: BTreeMap::new(),
            jobs: BTreeMap::new(),
            evaluations: BTreeMap::new(),
            deployments: BTreeMap::new(),
            allocations: BTreeMap::new(),
            services: BTreeMap::new(),
            blocked: BTreeSet::new(),
            events: Events::default(),
            timers: Timers::default(),
            runners: HashMap::new(),
            messages: senders.messages,
            reports: senders.reports,
            used: Used::default(),
            used_ports: BTreeSet::new(),
            speed,
            owned: HashMap::new(),
        }
    }

    pub fn advance(&mut self) -> u64 {
        self.index += 1;
        self.index
    }

    pub fn scaled(&self, duration: Duration) -> Duration {
        duration.div_f64(self.speed)
    }

    pub fn after(&mut self, delay: Duration, timer: Timer) {
        self.timers.after(self.scaled(delay), timer);
    }

    fn record(&mut self, kind: &'static str, changed: Changed) {
        self.events.push(Event {
            index: self.index,
            kind,
            changed,
        });
    }

    /// Takes a job away with its versions, deployments and allocations. Evaluations stay. Returns the allocations.
    pub fn purge(&mut self, key: &JobKey) -> Vec<Uuid> {
        let Some(job) = self.jobs.remove(key) else {
            return Vec::new();
        };
        self.tables.jobs = self.index;
        self.record(
            "JobDeregistered",
            Changed::Job {
                key: key.clone(),
                job: job.current,
                deleted: true,
            },
        );
        let owned = self.owned.entry(key.clone()).or_default();
        let (deployments, allocations) = (
            std::mem::take(&mut owned.deployments),
            std::mem::take(&mut owned.allocations),
        );
        for id in &deployments {
            self.deployments.remove(id);
            self.tables.deployments = self.index;
        }
        for id in &allocations {
            self.release(*id);
            self.allocations.remove(id);
            self.tables.allocations = self.index;
        }
        allocations.into_iter().collect()
    }

    /// Gives back what a finished allocation took of the node, and lets evaluations try again that wait for capacity. Those
    /// that no node of a class fits do not wait for it.
    pub fn release(&mut self, id: Uuid) {
        let Some(allocation) = self
            .allocations
            .get(&id)
            .filter(|allocation| !allocation.client_status.is_terminal())
        else {
            return;
        };
        let taken = allocation
            .group_spec()
            .map(crate::scheduler::placement::demand)
            .unwrap_or_default();
        let ports: Vec<u16> = allocation.ports.iter().map(|port| port.value).collect();
        self.used.cpu_mhz -= taken.cpu_mhz;
        self.used.memory_mb -= taken.memory_mb;
        self.used.disk_mb -= taken.disk_mb;
        for port in ports {
            self.used_ports.remove(&port);
        }
        let waiting = self.blocked.iter().filter(|id| {
            let evaluation = self.evaluations.get(id);
            let classes = evaluation.and_then(|evaluation| evaluation.class_eligibility.as_ref());
            classes.is_none_or(|classes| classes.values().any(|eligible| *eligible))
        });
        for evaluation in waiting.copied().collect::<Vec<_>>() {
            self.timers
                .after(Duration::ZERO, Timer::Evaluate(evaluation));
        }
    }

    pub fn evaluations_of(&self, key: &JobKey) -> impl Iterator<Item = &Evaluation> {
        self.owned
            .get(key)
            .into_iter()
            .flat_map(|owned| &owned.evaluations)
            .filter_map(|id| self.evaluations.get(id))
    }

    pub fn deployments_of(&self, key: &JobKey) -> impl Iterator<Item = &Deployment> {
        self.owned
            .get(key)
            .into_iter()
            .flat_map(|owned| &owned.deployments)
            .filter_map(|id| self.deployments.get(id))
    }

    pub fn allocations_of(&self, key: &JobKey) -> impl Iterator<Item = &Allocation> {
        self.owned
            .get(key)
            .into_iter()
            .flat_map(|owned| &owned.allocations)
            .filter_map(|id| self.allocations.get(id))
    }

    pub fn latest_deployment(&self, key: &JobKey) -> Option<&Deployment> {
        self.deployments_of(key)
            .max_by_key(|deployment| deployment.create_index)
    }

    /// A new, pending evaluation of a job; not saved yet.
    pub fn new_evaluation(&self, key: &JobKey, triggered_by: &'static str) -> Evaluation {
        let job = self.jobs.get(key).map(|job| &job.current);
        Evaluation {
            blocked_eval: None,
            class_eligibility: None,
            create_index: self.index,
            create_time: Some(Utc::now()),
            deployment: None,
            failed_placements: BTreeMap::new(),
            id: Uuid::new_v4(),
            job_id: key.id.clone(),
            job_modify_index: 0,
            modify_index: self.index,
            modify_time: Some(Utc::now()),
            namespace: key.namespace.clone(),
            next_eval: None,
            plan_annotations: None,
            previous_eval: None,
            priority: job.map_or(50, JobVersion::priority),
            queued_allocations: None,
            snapshot_index: 0,
            status: EvaluationStatus::Pending,
            status_description: String::new(),
            triggered_by,
            kind: job.map_or("service", JobVersion::kind).to_owned(),
            wait_until: None,
        }
    }

    /// Forgets finished evaluations, and jobs that are dead with all that was theirs.
    pub fn collect_garbage(&mut self) {
        self.advance();
        let dead: Vec<JobKey> = self
            .jobs
            .iter()
            .filter(|(_, job)| job.current.status == JobStatus::Dead && job.current.stop)
            .map(|(key, _)| key.clone())
            .collect();
        for key in dead {
            for allocation in self.purge(&key) {
                self.abandon(allocation);
            }
        }
        let orphans: Vec<(Uuid, JobKey)> = self
            .evaluations
            .values()
            .filter(|evaluation| !evaluation.is_open())
            .map(|evaluation| (evaluation.id, evaluation.job_key()))
            .filter(|(_, key)| !self.jobs.contains_key(key))
            .collect();
        for (id, key) in orphans {
            self.evaluations.remove(&id);
            if let Some(owned) = self.owned.get_mut(&key) {
                owned.evaluations.remove(&id);
            }
            self.tables.evaluations = self.index;
        }
    }
}
