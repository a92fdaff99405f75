//! The life of one task: start, end, restart by policy.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use chrono::Utc;
use serde_json::Value;
use tokio::time::Instant;
use uuid::Uuid;

use super::{Ending, Task};
use crate::logs::LogStore;
use crate::runtime::{self, TaskEvent, TaskReport, TaskSpec};
use crate::spec::{self, RestartPolicy, duration, list, text};
use crate::state::Cluster;
use crate::state::task::{TaskEventRecord, TaskPhase};
use crate::state::variable::Variable;
use crate::timers::Timer;

impl Cluster {
    fn task(&mut self, id: Uuid, name: &str) -> Option<&mut Task> {
        self.runners.get_mut(&id)?.tasks.get_mut(name)
    }

    pub(super) fn start_task(&mut self, id: Uuid, name: &str) {
        let Some(runner) = self.runners.get_mut(&id).filter(|runner| !runner.stopping) else {
            return;
        };
        let Some(group) = spec::group(&runner.job.spec, &runner.group) else {
            return;
        };
        let Some(task) = list(group, "Tasks")
            .iter()
            .find(|task| text(task, "Name") == name)
        else {
            return;
        };
        let kill_signal = text(task, "KillSignal");
        let absent = Value::Null;
        let resources = task.get("Resources").unwrap_or(&absent);
        let amount = |name: &str| u64::try_from(spec::number(resources, name)).unwrap_or_default();
        let logs = runner
            .tasks
            .get(name)
            .and_then(|task| task.logs.clone())
            .unwrap_or_else(|| LogStore::configured(task.get("LogConfig").unwrap_or(&absent)));
        let templates = list(task, "Templates").to_vec();
        let variables = if templates.is_empty() {
            BTreeMap::new()
        } else {
            readable_variables(&self.variables, &runner.key.namespace)
        };
        let specification = TaskSpec {
            allocation_id: id.to_string(),
            allocation_name: runner.name.clone(),
            job_id: runner.key.id.clone(),
            namespace: runner.key.namespace.clone(),
            group: runner.group.clone(),
            task: name.to_owned(),
            driver: text(task, "Driver").to_owned(),
            config: task.get("Config").cloned().unwrap_or(Value::Null),
            env: spec::strings(task, "Env"),
            meta: [&*runner.job.spec, group, task]
                .into_iter()
                .flat_map(|level| spec::strings(level, "Meta"))
                .collect(),
            templates,
            variables,
            node: self.node.facts(),
            kill_timeout: duration(task, "KillTimeout"),
            kill_signal: (!kill_signal.is_empty()).then(|| kill_signal.to_owned()),
            cpu: amount("CPU"),
            memory: amount("MemoryMB"),
            ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
            ports: runner.ports.clone(),
            logs,
        };
        let handle = runtime::start(specification, self.reports.clone());
        if let Some(task) = self.task(id, name) {
            task.logs = Some(handle.logs());
            task.handle = Some(handle);
        }
    }

    pub fn task_report(&mut self, report: TaskReport) {
        let Ok(id) = report.allocation_id.parse::<Uuid>() else {
            return;
        };
        match report.event {
            TaskEvent::Started => self.task_started(id, &report.task),
            TaskEvent::Waiting(missing) => {
                if let Some(task) = self.task(id, &report.task) {
                    task.waits_for_template = true;
                    task.state.record(TaskEventRecord::template(&missing));
                }
                self.news(id);
            }
            TaskEvent::ValidationFailure(error) => self.task_never_ran(
                id,
                &report.task,
                TaskEventRecord::failed_validation(&error),
                true,
            ),
            TaskEvent::TemplateFailure(error) => self.task_never_ran(
                id,
                &report.task,
                TaskEventRecord::killing_because(&error),
                true,
            ),
            TaskEvent::DriverFailure(error) => self.task_never_ran(
                id,
                &report.task,
                TaskEventRecord::driver_failure(&error),
                false,
            ),
            TaskEvent::Terminated { exit_code, signal } => {
                self.task_terminated(id, &report.task, exit_code, signal)
            }
        }
    }

    /// A task failed before it could run; where trying again can't help, it has failed for good.
    fn task_never_ran(&mut self, id: Uuid, name: &str, event: TaskEventRecord, for_good: bool) {
        let Some(task) = self.task(id, name) else {
            return;
        };
        task.handle = None;
        task.state.record(event);
        let stopping = std::mem::take(&mut task.ending) == Ending::Stop;
        match (stopping, for_good) {
            (true, _) => self.task_dead(id, name, false),
            (false, true) => self.task_dead(id, name, true),
            (false, false) => self.task_over(id, name, 1),
        }
    }

    /// Lets the tasks that wait for a variable look again.
    pub fn wake_waiting(&mut self) {
        let tasks = self
            .runners
            .values_mut()
            .flat_map(|runner| runner.tasks.values_mut());
        for task in tasks.filter(|task| task.waits_for_template && task.ending == Ending::No) {
            if let Some(handle) = &task.handle {
                task.waits_for_template = false;
                task.ending = Ending::Retry;
                handle.kill();
            }
        }
    }

    fn task_started(&mut self, id: Uuid, name: &str) {
        let Some(task) = self.task(id, name) else {
            return;
        };
        task.waits_for_template = false;
        task.state.record(TaskEventRecord::started());
        task.state.phase = TaskPhase::Running;
        task.state.started_at.get_or_insert_with(Utc::now);
        self.news(id);
        self.consider_health(id);
    }

    fn task_terminated(&mut self, id: Uuid, name: &str, exit_code: i32, signal: i32) {
        let Some(task) = self.task(id, name) else {
            return;
        };
        task.handle = None;
        if task.state.phase == TaskPhase::Running {
            task.state
                .record(TaskEventRecord::terminated(exit_code, signal));
        }
        for waiting in task.waiting.drain(..) {
            // Whoever asked may have gone away.
            let _ = waiting.send(());
        }
        match std::mem::take(&mut task.ending) {
            Ending::Stop => {
                task.state.record(TaskEventRecord::killed());
                self.task_dead(id, name, false);
            }
            Ending::Restart => {
                task.state
                    .record(TaskEventRecord::restarting("", Duration::ZERO));
                task.state.phase = TaskPhase::Pending;
                task.state.restarts += 1;
                task.state.last_restart = Some(Utc::now());
                self.start_task(id, name);
                self.news(id);
            }
            Ending::Retry => self.start_task(id, name),
            Ending::No => {
                self.task_over(id, name, if exit_code == 0 && signal == 0 { 0 } else { 1 })
            }
        }
    }

    /// A task has ended by itself: it has completed, is restarted, or has failed.
    fn task_over(&mut self, id: Uuid, name: &str, exit_code: i32) {
        let Some(runner) = self.runners.get_mut(&id) else {
            return;
        };
        let batch = runner.job.kind() == "batch";
        let group = spec::group(&runner.job.spec, &runner.group);
        let found = group.and_then(|group| {
            Some((
                group,
                list(group, "Tasks")
                    .iter()
                    .find(|task| text(task, "Name") == name)?,
            ))
        });
        let Some(policy) = found.map(|(group, task)| RestartPolicy::of(group, task)) else {
            return;
        };
        if runner.stopping || (batch && exit_code == 0) {
            return self.task_dead(id, name, false);
        }
        let interval = self.scaled(policy.interval);
        let Some(task) = self.task(id, name) else {
            return;
        };
        task.recent_restarts
            .retain(|time| time.elapsed() < interval);
        let within = task.recent_restarts.len() < policy.attempts;
        if !(within || policy.delays_for_ever && policy.attempts > 0) {
            let reason = if policy.attempts == 0 {
                "Policy allows no restarts".to_owned()
            } else {
                format!(
                    "Exceeded allowed attempts {} in interval {} and mode is \"fail\"",
                    policy.attempts,
                    go_duration(policy.interval)
                )
            };
            task.state.record(TaskEventRecord::not_restarting(&reason));
            return self.task_dead(id, name, true);
        }
        let delay = if within {
            policy.delay.mul_f64(1.0 + rand::random_range(0.0..0.25))
        } else {
            let oldest = task
                .recent_restarts
                .front()
                .map(Instant::elapsed)
                .unwrap_or_default();
            interval.saturating_sub(oldest)
        };
        let reason = if within {
            "Restart within policy"
        } else {
            "Exceeded allowed attempts; waiting for the interval to end"
        };
        task.state
            .record(TaskEventRecord::restarting(reason, delay));
        task.state.phase = TaskPhase::Pending;
        self.after(
            delay,
            Timer::RestartTask {
                allocation: id,
                task: name.to_owned(),
            },
        );
        self.news(id);
        self.consider_health(id);
    }

    pub fn restart_task(&mut self, id: Uuid, name: &str) {
        let Some(task) = self
            .task(id, name)
            .filter(|task| task.state.phase == TaskPhase::Pending && task.handle.is_none())
        else {
            return;
        };
        task.recent_restarts.push_back(Instant::now());
        task.state.restarts += 1;
        task.state.last_restart = Some(Utc::now());
        self.start_task(id, name);
    }

    fn task_dead(&mut self, id: Uuid, name: &str, failed: bool) {
        let Some(task) = self.task(id, name) else {
            return;
        };
        task.state.phase = TaskPhase::Dead;
        task.state.failed = failed;
        task.state.finished_at = Some(Utc::now());
        if failed {
            self.end_siblings(id, name);
        }
        self.news(id);
        self.consider_health(id);
    }

    fn end_siblings(&mut self, id: Uuid, name: &str) {
        let siblings: Vec<String> = self
            .runners
            .get(&id)
            .map(|runner| {
                runner
                    .tasks
                    .keys()
                    .filter(|other| *other != name)
                    .cloned()
                    .collect()
            })
            .unwrap_or_default();
        for sibling in siblings {
            if let Some(task) = self
                .task(id, &sibling)
                .filter(|task| task.state.phase != TaskPhase::Dead)
            {
                task.state
                    .record(TaskEventRecord::killing_because("Sibling Task Failed"));
            }
            self.stop_task(id, &sibling);
        }
    }

    pub(super) fn stop_task(&mut self, id: Uuid, name: &str) {
        let kill_timeout = self.kill_timeout(id, name);
        let Some(task) = self
            .task(id, name)
            .filter(|task| task.state.phase != TaskPhase::Dead && task.ending != Ending::Stop)
        else {
            return;
        };
        match &task.handle {
            Some(handle) => {
                task.ending = Ending::Stop;
                task.state.record(TaskEventRecord::killing(kill_timeout));
                handle.kill();
            }
            None => {
                task.state.record(TaskEventRecord::killed());
                self.task_dead(id, name, false);
            }
        }
    }

    fn kill_timeout(&self, id: Uuid, name: &str) -> Duration {
        let runner = self.runners.get(&id);
        let task = runner
            .and_then(|runner| spec::group(&runner.job.spec, &runner.group))
            .and_then(|group| {
                list(group, "Tasks")
                    .iter()
                    .find(|task| text(task, "Name") == name)
            });
        task.map(|task| duration(task, "KillTimeout"))
            .unwrap_or_default()
    }
}

/// What a task's templates can read: without ACLs that is every variable of every namespace, the others as `path@namespace`.
fn readable_variables(
    variables: &BTreeMap<(String, String), Variable>,
    own: &str,
) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut readable = BTreeMap::new();
    for ((namespace, path), variable) in variables {
        let items = variable.items.clone().unwrap_or_default();
        if namespace == own {
            readable.insert(path.clone(), items.clone());
        }
        readable.insert(format!("{path}@{namespace}"), items);
    }
    readable
}

/// A duration as Go prints it: `30m0s`.
fn go_duration(duration: Duration) -> String {
    let (hours, minutes) = (duration.as_secs() / 3600, duration.as_secs() / 60 % 60);
    let seconds = duration.as_secs_f64() % 60.0;
    match (hours, minutes) {
        (0, 0) => format!("{seconds}s"),
        (0, _) => format!("{minutes}m{seconds}s"),
        _ => format!("{hours}h{minutes}m{seconds}s"),
    }
}
