//! The node: runs the tasks of its allocations through `runtime`, restarts them by policy, probes their checks, decides
//! whether they are healthy, and tells the server with a node's usual delay.

mod health;
mod requests;
mod tasks;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;
use uuid::Uuid;

pub use self::health::CheckState;
pub use self::requests::TaskError;
use crate::checks::CheckResult;
use crate::logs::LogStore;
use crate::runtime::{TaskHandle, Usage, forget};
use crate::spec::{self, list, text};
use crate::state::Cluster;
use crate::state::allocation::{Allocation, AllocationHealth, ClientStatus, DesiredStatus};
use crate::state::job::{JobKey, JobVersion};
use crate::state::service::ServiceRegistration;
use crate::state::task::{TaskEventRecord, TaskPhase, TaskState};
use crate::timers::Timer;

/// Ordinary news waits for the next of these ticks, counted from the allocation's start.
const ORDINARY_TICK: Duration = Duration::from_secs(1);
/// News of an end goes out with the next of these.
const URGENT_TICK: Duration = Duration::from_millis(200);

const CLIENT_UPDATE: &str = "AllocationUpdated";

/// What reaches the simulator from outside its lock, besides the reports of tasks.
#[derive(Debug)]
pub enum Message {
    Checked {
        allocation: Uuid,
        check: usize,
        result: CheckResult,
    },
    /// There is something new among the timers.
    Wake,
}

/// Why a running task is being ended.
#[derive(Debug, Default, PartialEq, Eq)]
enum Ending {
    #[default]
    No,
    Stop,
    Restart,
    /// It has not started yet, and what it waited for may be there now.
    Retry,
}

#[derive(Debug, Default)]
pub struct Task {
    pub state: TaskState,
    pub handle: Option<TaskHandle>,
    pub logs: Option<LogStore>,
    recent_restarts: VecDeque<Instant>,
    ending: Ending,
    waits_for_template: bool,
    waiting: Vec<oneshot::Sender<()>>,
}

/// One allocation on the node. It outlives the server's record of it while its tasks are being killed.
#[derive(Debug)]
pub struct Runner {
    key: JobKey,
    name: String,
    job: JobVersion,
    group: String,
    ports: BTreeMap<String, u16>,
    pub tasks: BTreeMap<String, Task>,
    pub checks: Vec<CheckState>,
    began: Instant,
    stopping: bool,
    watch: u64,
    steady: bool,
    healthy: Option<bool>,
}

impl Runner {
    fn new(allocation: &Allocation) -> Self {
        let tasks = allocation
            .group_spec()
            .map(|group| list(group, "Tasks"))
            .unwrap_or_default();
        Self {
            key: allocation.key.clone(),
            name: allocation.name(),
            job: allocation.job.clone(),
            group: allocation.group.clone(),
            ports: allocation
                .ports
                .iter()
                .map(|port| (port.label.clone(), port.value))
                .collect(),
            tasks: tasks
                .iter()
                .map(|task| (text(task, "Name").to_owned(), Task::default()))
                .collect(),
            checks: Vec::new(),
            began: Instant::now(),
            stopping: false,
            watch: 0,
            steady: false,
            healthy: None,
        }
    }

    fn status(&self) -> ClientStatus {
        let any = |phase: TaskPhase| self.tasks.values().any(|task| task.state.phase == phase);
        if self.tasks.values().any(|task| task.state.failed) {
            ClientStatus::Failed
        } else if any(TaskPhase::Running) {
            ClientStatus::Running
        } else if any(TaskPhase::Pending) {
            ClientStatus::Pending
        } else {
            ClientStatus::Complete
        }
    }

    fn is_over(&self) -> bool {
        self.tasks
            .values()
            .all(|task| task.state.phase == TaskPhase::Dead)
    }
}

impl Cluster {
    /// The node takes an allocation up: registers its services, then starts its tasks.
    pub fn begin(&mut self, id: Uuid) {
        let Some(allocation) = self
            .allocations
            .get(&id)
            .filter(|allocation| allocation.desired_status == DesiredStatus::Run)
            .cloned()
        else {
            return;
        };
        let mut runner = Runner::new(&allocation);
        for task in runner.tasks.values_mut() {
            task.state.record(TaskEventRecord::received());
            task.state
                .record(TaskEventRecord::setup("Building Task Directory"));
        }
        runner.checks = health::checks_of(&allocation);
        let names: Vec<String> = runner.tasks.keys().cloned().collect();
        self.runners.insert(id, runner);
        self.register_services(&allocation);
        for task in names {
            self.start_task(id, &task);
        }
        self.watch_health(id);
        self.begin_checks(id);
    }

    fn register_services(&mut self, allocation: &Allocation) {
        let Some(group) = allocation.group_spec() else {
            return;
        };
        let services: Vec<&serde_json::Value> = spec::services(group)
            .filter(|service| text(service, "Provider") == "nomad")
            .collect();
        if services.is_empty() {
            return;
        }
        self.advance();
        for service in services {
            let (name, label) = (text(service, "Name"), text(service, "PortLabel"));
            let port = allocation
                .ports
                .iter()
                .find(|port| port.label == label)
                .map_or(0, |port| port.value);
            let owner = if text(service, "TaskName").is_empty() {
                format!("group-{}", allocation.group)
            } else {
                text(service, "TaskName").to_owned()
            };
            self.save_service(ServiceRegistration {
                id: format!("_nomad-task-{}-{owner}-{name}-{label}", allocation.id),
                name: name.to_owned(),
                key: allocation.key.clone(),
                allocation: allocation.id,
                port,
                tags: list(service, "Tags")
                    .iter()
                    .filter_map(serde_json::Value::as_str)
                    .map(str::to_owned)
                    .collect(),
                index: self.index,
            });
        }
    }

    /// The node ends an allocation: its tasks get their signal, and what has not begun never will.
    pub fn end(&mut self, id: Uuid) {
        self.remove_services(id);
        let Some(runner) = self.runners.get_mut(&id) else {
            // It was stopped before the node had taken it up.
            return self.publish(id);
        };
        runner.stopping = true;
        runner.watch += 1;
        runner.checks.clear();
        let names: Vec<String> = runner.tasks.keys().cloned().collect();
        for task in names {
            self.stop_task(id, &task);
        }
        self.news(id);
    }

    /// Lets the server know, in a while, that something about an allocation is new.
    fn news(&mut self, id: Uuid) {
        let Some(runner) = self.runners.get(&id) else {
            return;
        };
        let urgent = runner.status().is_terminal() || (runner.stopping && runner.is_over());
        let tick = self.scaled(if urgent { URGENT_TICK } else { ORDINARY_TICK });
        let age = runner.began.elapsed();
        let since_tick = Duration::from_nanos(
            u64::try_from(age.as_nanos() % tick.as_nanos().max(1)).unwrap_or_default(),
        );
        self.timers
            .after(tick.saturating_sub(since_tick), Timer::Publish(id));
    }

    /// The server learns what the node knows of an allocation.
    pub fn publish(&mut self, id: Uuid) {
        let Some(mut allocation) = self.allocations.get(&id).cloned() else {
            if self.runners.get(&id).is_some_and(Runner::is_over) {
                self.runners.remove(&id);
                forget(&id.to_string());
            }
            return;
        };
        let status = self
            .runners
            .get(&id)
            .map_or(ClientStatus::Complete, Runner::status);
        let (tasks, healthy) = match self.runners.get(&id) {
            Some(runner) => (
                runner
                    .tasks
                    .iter()
                    .map(|(name, task)| (name.clone(), task.state.clone()))
                    .collect(),
                runner.healthy,
            ),
            None => (BTreeMap::new(), None),
        };
        let was = allocation.client_status;
        if status.is_terminal() {
            self.release(id);
        }
        self.advance();
        allocation.tasks = tasks;
        allocation.client_status = status;
        allocation.client_description = status.description();
        let judged = self.judge_health(&mut allocation, healthy);
        self.save_allocation(allocation.clone(), CLIENT_UPDATE);
        if judged {
            self.count_health(&allocation, CLIENT_UPDATE);
        }
        if status == ClientStatus::Failed
            && was != ClientStatus::Failed
            && allocation.desired_status == DesiredStatus::Run
            && self.wants_failure_evaluation(&allocation)
        {
            let evaluation = self.new_evaluation(&allocation.key, "alloc-failure");
            self.enqueue(evaluation, CLIENT_UPDATE);
        }
        self.refresh_job_status(&allocation.key, CLIENT_UPDATE);
        if status.is_terminal() {
            self.remove_services(id);
        }
    }

    /// Settles the health of an allocation under deployment; true if it is news.
    fn judge_health(&self, allocation: &mut Allocation, healthy: Option<bool>) -> bool {
        let Some(deployment) = allocation.deployment else {
            return false;
        };
        if allocation.healthy().is_some() || !self.deployments.contains_key(&deployment) {
            return false;
        }
        let failed = allocation.client_status == ClientStatus::Failed;
        let Some(verdict) = healthy.or(failed.then_some(false)) else {
            return false;
        };
        let canary = allocation.is_canary();
        // The server's own verdict on a failed allocation carries no time.
        let timestamp = healthy.map(|_| chrono::Utc::now());
        allocation.health = Some(AllocationHealth {
            canary,
            healthy: Some(verdict),
            modify_index: self.index,
            timestamp,
        });
        true
    }

    /// What the running tasks of an allocation use.
    pub fn usage(&self, id: Uuid, only: Option<&str>) -> BTreeMap<String, Usage> {
        let tasks = self
            .runners
            .get(&id)
            .map(|runner| &runner.tasks)
            .into_iter()
            .flatten();
        tasks
            .filter(|(name, _)| only.is_none_or(|only| only.is_empty() || only == name.as_str()))
            .filter_map(|(name, task)| Some((name.clone(), task.handle.as_ref()?.usage())))
            .collect()
    }

    /// Kills what is left of a purged allocation, unseen.
    pub fn abandon(&mut self, id: Uuid) {
        self.remove_services(id);
        self.end(id);
    }
}
