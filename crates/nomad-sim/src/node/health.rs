//! Health: when an allocation under deployment counts as up, and what the probes of its services say.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use chrono::Utc;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::Message;
use crate::checks::{self, CheckResult};
use crate::spec::{self, Update, duration, list, text};
use crate::state::Cluster;
use crate::state::allocation::Allocation;
use crate::state::task::{TaskEventRecord, TaskPhase};
use crate::timers::Timer;

/// From the start of an allocation to the first probe of its services.
const FIRST_PROBE: Duration = Duration::from_millis(400);

#[derive(Clone, Debug)]
pub struct CheckState {
    id: String,
    service: String,
    check: Value,
    port: u16,
    group: String,
    result: Option<CheckResult>,
    at: chrono::DateTime<Utc>,
}

impl CheckState {
    fn passes(&self) -> bool {
        self.result.as_ref().is_some_and(|result| result.success)
    }

    pub fn id(&self) -> &str {
        &self.id
    }

    pub fn to_json(&self) -> Value {
        let mut shown = json!({
            "Check": text(&self.check, "Name"), "Group": self.group, "ID": self.id,
            "Mode": if text(&self.check, "OnUpdate") == "ignore" { "readiness" } else { "healthiness" },
            "Output": self.result.as_ref().map_or("nomad: waiting to run", |result| result.output.as_str()),
            "Service": self.service,
            "Status": match &self.result {
                None => "pending",
                Some(result) if result.success => "success",
                Some(_) => "failure",
            },
            "Timestamp": self.at.timestamp(),
        });
        if let Some(code) = self.result.as_ref().and_then(|result| result.status_code) {
            shown["StatusCode"] = json!(code);
        }
        shown
    }
}

/// The checks of an allocation's own services, none of them probed yet.
pub fn checks_of(allocation: &Allocation) -> Vec<CheckState> {
    let Some(group) = allocation.group_spec() else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for service in spec::services(group).filter(|service| text(service, "Provider") == "nomad") {
        for check in list(service, "Checks") {
            let label = [text(check, "PortLabel"), text(service, "PortLabel")]
                .into_iter()
                .find(|label| !label.is_empty())
                .unwrap_or_default();
            let port = allocation
                .ports
                .iter()
                .find(|port| port.label == label)
                .map(|port| port.value)
                .or_else(|| label.parse().ok())
                .unwrap_or_default();
            let identity = format!(
                "{}/{}/{}/{}",
                allocation.id,
                allocation.group,
                text(service, "Name"),
                text(check, "Name")
            );
            found.push(CheckState {
                id: hex::encode(Sha256::digest(identity)),
                service: text(service, "Name").to_owned(),
                check: check.clone(),
                port,
                group: allocation.name(),
                result: None,
                at: Utc::now(),
            });
        }
    }
    found
}

impl Cluster {
    fn update_of(&self, id: Uuid) -> Option<Update> {
        let allocation = self
            .allocations
            .get(&id)
            .filter(|allocation| allocation.deployment.is_some())?;
        Update::of(allocation.group_spec()?)
    }

    /// Starts the wait for health anew: the allocation has come under another deployment.
    pub fn watch_health(&mut self, id: Uuid) {
        let update = self.update_of(id);
        let job = self
            .allocations
            .get(&id)
            .map(|allocation| allocation.job.clone());
        let Some(runner) = self.runners.get_mut(&id) else {
            return;
        };
        if let Some(job) = job {
            runner.job = job;
        }
        runner.watch += 1;
        runner.steady = false;
        runner.healthy = None;
        let watch = runner.watch;
        if let Some(update) = update {
            self.after(
                update.healthy_deadline,
                Timer::HealthyDeadline {
                    allocation: id,
                    watch,
                },
            );
            self.consider_health(id);
        }
    }

    /// Starts or ends the minimum healthy time, as tasks and checks come up or go down.
    pub(super) fn consider_health(&mut self, id: Uuid) {
        let Some(update) = self.update_of(id) else {
            return;
        };
        let Some(runner) = self
            .runners
            .get_mut(&id)
            .filter(|runner| runner.healthy.is_none())
        else {
            return;
        };
        let up = runner
            .tasks
            .values()
            .all(|task| task.state.phase == TaskPhase::Running)
            && (!update.by_checks || runner.checks.iter().all(CheckState::passes));
        if up && !runner.steady {
            runner.steady = true;
            let since = runner.tasks.values().map(|task| task.state.restarts).sum();
            let watch = runner.watch;
            self.after(
                update.min_healthy_time,
                Timer::Healthy {
                    allocation: id,
                    watch,
                    restarts: since,
                },
            );
        } else if !up {
            runner.steady = false;
        }
    }

    pub fn healthy(&mut self, id: Uuid, watch: u64, restarts: u64) {
        let Some(runner) = self.runners.get_mut(&id) else {
            return;
        };
        let same = runner
            .tasks
            .values()
            .map(|task| task.state.restarts)
            .sum::<u64>()
            == restarts;
        if runner.watch == watch && runner.steady && same && runner.healthy.is_none() {
            runner.healthy = Some(true);
            self.news(id);
        }
    }

    pub fn healthy_deadline(&mut self, id: Uuid, watch: u64) {
        let Some(update) = self.update_of(id) else {
            return;
        };
        let Some(runner) = self
            .runners
            .get_mut(&id)
            .filter(|runner| runner.watch == watch && runner.healthy.is_none() && !runner.stopping)
        else {
            return;
        };
        runner.healthy = Some(false);
        let deadline = update.healthy_deadline.as_secs_f64();
        let checks_fail = update.by_checks && !runner.checks.iter().all(CheckState::passes);
        for task in runner
            .tasks
            .values_mut()
            .filter(|task| task.state.phase != TaskPhase::Dead)
        {
            let message = if task.state.phase != TaskPhase::Running {
                format!("Task not running by healthy_deadline of {deadline}s")
            } else if checks_fail {
                format!("Services not healthy by deadline of {deadline}s")
            } else {
                format!(
                    "Task not running for min_healthy_time of {}s by healthy_deadline of {deadline}s",
                    update.min_healthy_time.as_secs_f64()
                )
            };
            task.state.record(TaskEventRecord::unhealthy(&message));
        }
        self.news(id);
    }

    pub(super) fn begin_checks(&mut self, id: Uuid) {
        let Some(runner) = self.runners.get(&id) else {
            return;
        };
        let first: Vec<Duration> = runner
            .checks
            .iter()
            .map(|check| FIRST_PROBE.min(duration(&check.check, "Interval")))
            .collect();
        for (check, wait) in first.into_iter().enumerate() {
            self.after(
                wait,
                Timer::Check {
                    allocation: id,
                    check,
                },
            );
        }
    }

    /// Probes a service; the answer comes back as a message.
    pub fn probe(&mut self, id: Uuid, check: usize) {
        let Some(state) = self
            .runners
            .get(&id)
            .and_then(|runner| runner.checks.get(check))
        else {
            return;
        };
        let runner = self.runners.get(&id);
        let tasks = runner.into_iter().flat_map(|runner| runner.tasks.values());
        let played = tasks
            .filter_map(|task| task.handle.as_ref())
            .find_map(|handle| handle.played_check(&state.check));
        if let Some(result) = played {
            return self.checked(id, check, result);
        }
        let (specification, address) = (
            state.check.clone(),
            SocketAddr::from((Ipv4Addr::LOCALHOST, state.port)),
        );
        let messages = self.messages.clone();
        tokio::spawn(async move {
            let result = checks::probe(&specification, address).await;
            // The simulator may have ended meanwhile.
            let _ = messages.send(Message::Checked {
                allocation: id,
                check,
                result,
            });
        });
    }

    pub fn checked(&mut self, id: Uuid, check: usize, result: CheckResult) {
        let Some(state) = self
            .runners
            .get_mut(&id)
            .and_then(|runner| runner.checks.get_mut(check))
        else {
            return;
        };
        state.result = Some(result);
        state.at = Utc::now();
        let interval = duration(&state.check, "Interval").max(Duration::from_secs(1));
        self.after(
            interval,
            Timer::Check {
                allocation: id,
                check,
            },
        );
        self.consider_health(id);
    }
}
