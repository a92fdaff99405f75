//! What a task has been through, as the agent tells it: state, restarts and the last ten events.

use std::collections::VecDeque;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::clock;

const KEPT_EVENTS: usize = 10;

/// Fields every event still carries and nobody should read, with their zero values.
const DEPRECATED: [(&str, Zero); 20] = [
    ("DiskLimit", Zero::Number),
    ("DownloadError", Zero::Text),
    ("DriverError", Zero::Text),
    ("DriverMessage", Zero::Text),
    ("ExitCode", Zero::Number),
    ("FailedSibling", Zero::Text),
    ("FailsTask", Zero::Flag),
    ("GenericSource", Zero::Text),
    ("KillError", Zero::Text),
    ("KillReason", Zero::Text),
    ("KillTimeout", Zero::Number),
    ("Message", Zero::Text),
    ("RestartReason", Zero::Text),
    ("SetupError", Zero::Text),
    ("Signal", Zero::Number),
    ("StartDelay", Zero::Number),
    ("TaskSignal", Zero::Text),
    ("TaskSignalReason", Zero::Text),
    ("ValidationError", Zero::Text),
    ("VaultError", Zero::Text),
];

#[derive(Clone, Copy)]
enum Zero {
    Number,
    Text,
    Flag,
}

#[derive(Clone, Debug)]
pub struct TaskEventRecord {
    pub kind: &'static str,
    pub time: DateTime<Utc>,
    pub message: String,
    pub details: Vec<(&'static str, String)>,
    /// The deprecated fields that are not zero.
    pub fields: Vec<(&'static str, Value)>,
}

impl TaskEventRecord {
    fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Self {
            kind,
            time: Utc::now(),
            message: message.into(),
            details: Vec::new(),
            fields: Vec::new(),
        }
    }

    fn detail(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.details.push((name, value.into()));
        self
    }

    fn field(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.fields.push((name, value.into()));
        self
    }

    pub fn received() -> Self {
        Self::new("Received", "Task received by client")
    }

    pub fn setup(message: &str) -> Self {
        Self::new("Task Setup", message)
            .detail("message", message)
            .field("Message", message)
    }

    pub fn started() -> Self {
        Self::new("Started", "Task started by client")
    }

    pub fn driver_failure(error: &str) -> Self {
        Self::new("Driver Failure", error)
            .detail("driver_error", error)
            .field("DriverError", error)
    }

    pub fn failed_validation(error: &str) -> Self {
        Self::new("Failed Validation", error)
            .detail("validation_error", error)
            .field("ValidationError", error)
    }

    pub fn template(message: &str) -> Self {
        Self::new("Template", message)
            .detail("message", message)
            .field("Message", message)
    }

    pub fn terminated(exit_code: i32, signal: i32) -> Self {
        let mut message = format!("Exit Code: {exit_code}");
        if signal != 0 {
            message.push_str(&format!(", Signal: {signal}"));
        }
        Self::new("Terminated", message)
            .detail("exit_code", exit_code.to_string())
            .detail("signal", signal.to_string())
            .detail("oom_killed", "false")
            .field("ExitCode", exit_code)
            .field("Signal", signal)
    }

    pub fn restarting(reason: &str, delay: Duration) -> Self {
        Self::new(
            "Restarting",
            format!("Task restarting in {}s", seconds(delay)),
        )
        .detail("restart_reason", reason)
        .detail("start_delay", delay.as_nanos().to_string())
        .field("RestartReason", reason)
        .field(
            "StartDelay",
            u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX),
        )
    }

    pub fn not_restarting(reason: &str) -> Self {
        Self::new("Not Restarting", reason)
            .detail("restart_reason", reason)
            .detail("fails_task", "true")
            .field("RestartReason", reason)
            .field("FailsTask", true)
    }

    pub fn killing(kill_timeout: Duration) -> Self {
        let nanoseconds = u64::try_from(kill_timeout.as_nanos()).unwrap_or(u64::MAX);
        Self::new(
            "Killing",
            format!(
                "Sent interrupt. Waiting {}s before force killing",
                seconds(kill_timeout)
            ),
        )
        .detail("kill_timeout", format!("{}s", seconds(kill_timeout)))
        .field("KillTimeout", nanoseconds)
    }

    pub fn killing_because(reason: &str) -> Self {
        Self::new("Killing", reason)
            .detail("kill_reason", reason)
            .field("KillReason", reason)
    }

    pub fn killed() -> Self {
        Self::new("Killed", "Task successfully killed")
    }

    pub fn restart_signaled(reason: &str) -> Self {
        Self::new("Restart Signaled", reason)
            .detail("restart_reason", reason)
            .field("RestartReason", reason)
    }

    pub fn signaling(name: &str) -> Self {
        Self::new("Signaling", format!("Task being sent signal {name}"))
            .detail("signal", name)
            .field("TaskSignal", name)
    }

    pub fn unhealthy(message: &str) -> Self {
        Self::new("Alloc Unhealthy", message)
            .detail("message", message)
            .field("Message", message)
    }

    fn to_json(&self) -> Value {
        let mut event = Map::new();
        for (name, zero) in DEPRECATED {
            let value = match zero {
                Zero::Number => json!(0),
                Zero::Text => json!(""),
                Zero::Flag => json!(false),
            };
            event.insert(name.to_owned(), value);
        }
        event.extend(
            self.fields
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.clone())),
        );
        let details: Map<String, Value> = self
            .details
            .iter()
            .map(|(name, value)| ((*name).to_owned(), json!(value)))
            .collect();
        event.insert("Type".to_owned(), json!(self.kind));
        event.insert("Time".to_owned(), json!(clock::nanoseconds(self.time)));
        event.insert("DisplayMessage".to_owned(), json!(self.message));
        event.insert("Details".to_owned(), Value::Object(details));
        Value::Object(event)
    }
}

/// Seconds without a needless fraction, as Go prints them.
fn seconds(duration: Duration) -> String {
    duration.as_secs_f64().to_string()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TaskPhase {
    Pending,
    Running,
    Dead,
}

#[derive(Clone, Debug)]
pub struct TaskState {
    pub phase: TaskPhase,
    pub failed: bool,
    pub restarts: u64,
    pub last_restart: Option<DateTime<Utc>>,
    pub started_at: Option<DateTime<Utc>>,
    pub finished_at: Option<DateTime<Utc>>,
    pub events: VecDeque<TaskEventRecord>,
}

impl Default for TaskState {
    fn default() -> Self {
        Self {
            phase: TaskPhase::Pending,
            failed: false,
            restarts: 0,
            last_restart: None,
            started_at: None,
            finished_at: None,
            events: VecDeque::new(),
        }
    }
}

impl TaskState {
    pub fn record(&mut self, event: TaskEventRecord) {
        self.events.push_back(event);
        if self.events.len() > KEPT_EVENTS {
            self.events.pop_front();
        }
    }

    pub fn to_json(&self) -> Value {
        json!({
            "Events": self.events.iter().map(TaskEventRecord::to_json).collect::<Vec<_>>(),
            "Failed": self.failed,
            "FinishedAt": self.finished_at.map(clock::rfc3339),
            "LastRestart": self.last_restart.map(clock::rfc3339),
            "Paused": "",
            "Restarts": self.restarts,
            "StartedAt": self.started_at.map(clock::rfc3339),
            "State": self.phase,
        })
    }
}
