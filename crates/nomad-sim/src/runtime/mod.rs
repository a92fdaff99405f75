//! Runs the tasks of an allocation and reports what becomes of them: `raw_exec` tasks are real child processes, tasks of
//! every other driver are played after a script that their image names.

mod directory;
mod environment;
mod interpolation;
mod played;
mod raw_exec;
mod template;
mod usage;
mod watchdog;

use std::{
    collections::BTreeMap,
    fmt,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Duration,
};

use serde_json::Value;
use tokio::sync::mpsc;

use crate::{checks::CheckResult, logs::LogStore};

pub use directory::forget;
pub use played::{STORIES, Story};
pub use usage::{ProcessUsage, Usage};

/// What is needed to start a task of an allocation.
#[derive(Clone)]
pub struct TaskSpec {
    /// The allocation.
    pub allocation_id: String,
    /// `<job>.<group>[<index>]`; where it is empty, index 0 is taken.
    pub allocation_name: String,
    /// Its job.
    pub job_id: String,
    /// Its job's namespace.
    pub namespace: String,
    /// Its task group.
    pub group: String,
    /// The task's name.
    pub task: String,
    /// The task's driver.
    pub driver: String,
    /// The task's `Config`.
    pub config: Value,
    /// The task's `Env`, as it stands in the job.
    pub env: BTreeMap<String, String>,
    /// The metadata of job, group and task, merged.
    pub meta: BTreeMap<String, String>,
    /// The task's `Templates`.
    pub templates: Vec<Value>,
    /// What the templates may read: path of a Nomad variable to its items.
    pub variables: BTreeMap<String, BTreeMap<String, String>>,
    /// What interpolation knows of the node: `node.unique.name`, `attr.kernel.name`, `meta.rack` and so on.
    pub node: BTreeMap<String, String>,
    /// How long the task may take to obey its kill signal.
    pub kill_timeout: Duration,
    /// The signal that asks it to end; SIGINT where it is absent or empty.
    pub kill_signal: Option<String>,
    /// MHz reserved for it.
    pub cpu: u64,
    /// MiB reserved for it.
    pub memory: u64,
    /// The address its ports are bound to.
    pub ip: IpAddr,
    /// The ports of its group, by label.
    pub ports: BTreeMap<String, u16>,
    /// Where its output goes; the same store again when it is restarted.
    pub logs: LogStore,
}

impl Default for TaskSpec {
    fn default() -> Self {
        Self {
            allocation_id: String::new(),
            allocation_name: String::new(),
            job_id: String::new(),
            namespace: "default".into(),
            group: String::new(),
            task: String::new(),
            driver: String::new(),
            config: Value::Null,
            env: BTreeMap::new(),
            meta: BTreeMap::new(),
            templates: Vec::new(),
            variables: BTreeMap::new(),
            node: BTreeMap::new(),
            kill_timeout: Duration::from_secs(5),
            kill_signal: None,
            cpu: 100,
            memory: 300,
            ip: Ipv4Addr::LOCALHOST.into(),
            ports: BTreeMap::new(),
            logs: LogStore::default(),
        }
    }
}

/// Leaves out what may hold secrets: configuration, environment, templates and variables.
impl fmt::Debug for TaskSpec {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("TaskSpec")
            .field("allocation_id", &self.allocation_id)
            .field("job_id", &self.job_id)
            .field("task", &self.task)
            .field("driver", &self.driver)
            .finish_non_exhaustive()
    }
}

/// Something that happened to a task.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TaskReport {
    /// The allocation.
    pub allocation_id: String,
    /// The task's name.
    pub task: String,
    /// What happened.
    pub event: TaskEvent,
}

/// What can happen to a task. Everything but `Waiting` and `Started` is the last that is heard of this start of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum TaskEvent {
    /// It waits for what a template needs; Nomad's event `Template`.
    Waiting(String),
    /// It runs.
    Started,
    /// Its configuration is not acceptable; Nomad's event `Failed Validation`.
    ValidationFailure(String),
    /// A template can't be rendered; Nomad's event `Killing`.
    TemplateFailure(String),
    /// Its driver can't start it; Nomad's event `Driver Failure`.
    DriverFailure(String),
    /// It ended, by itself or killed.
    Terminated {
        /// Its exit code; 128 and the signal's number where a signal ended it.
        exit_code: i32,
        /// The signal that ended it, or 0.
        signal: i32,
    },
}

impl TaskEvent {
    /// Whether nothing follows it.
    pub fn is_last(&self) -> bool {
        !matches!(self, Self::Waiting(_) | Self::Started)
    }
}

/// A started task. When the last handle of a task is dropped, the task is killed at once.
#[derive(Clone, Debug)]
pub struct TaskHandle(Arc<Handle>);

#[derive(Debug)]
struct Handle {
    commands: mpsc::UnboundedSender<Command>,
    logs: LogStore,
    body: Body,
}

#[derive(Debug)]
enum Body {
    Process(usage::Sampler),
    Played(&'static Story, usage::Reserved),
}

/// What a handle asks of its task.
#[derive(Debug)]
enum Command {
    Kill,
    Signal(String),
}

/// Starts a task; what becomes of it is told to `report`. Needs a tokio runtime.
pub fn start(spec: TaskSpec, report: mpsc::UnboundedSender<TaskReport>) -> TaskHandle {
    let (commands, received) = mpsc::unbounded_channel();
    let logs = spec.logs.clone();
    let reporter = Reporter {
        allocation_id: spec.allocation_id.clone(),
        task: spec.task.clone(),
        report,
    };
    let body = if spec.driver == "raw_exec" {
        let sampler = usage::Sampler::default();
        tokio::spawn(raw_exec::run(spec, reporter, received, sampler.clone()));
        Body::Process(sampler)
    } else {
        let (story, argument) = Story::of(&spec.config);
        let reserved = usage::Reserved::new(spec.cpu, spec.memory);
        tokio::spawn(played::run(
            spec,
            (story, argument),
            reporter,
            received,
            reserved.clone(),
        ));
        Body::Played(story, reserved)
    };
    TaskHandle(Arc::new(Handle {
        commands,
        logs,
        body,
    }))
}

impl TaskHandle {
    /// Asks the task to end: its kill signal, and after its kill timeout SIGKILL to all its processes. `Terminated` follows,
    /// also (with exit code 0) where the task had not started yet.
    pub fn kill(&self) {
        // Nobody listens any more once the task has ended, and then there is nothing to kill.
        let _ = self.0.commands.send(Command::Kill);
    }

    /// Sends a signal such as `SIGHUP` to the task; a name that is none is ignored, as Nomad's raw_exec does.
    pub fn signal(&self, signal: &str) {
        let _ = self.0.commands.send(Command::Signal(signal.to_owned()));
    }

    /// The task's output.
    pub fn logs(&self) -> LogStore {
        self.0.logs.clone()
    }

    /// What the task uses now: measured for a process, plausible for a played task.
    pub fn usage(&self) -> Usage {
        match &self.0.body {
            Body::Process(sampler) => sampler.sample(),
            Body::Played(_, reserved) => reserved.sample(),
        }
    }

    /// What a check of a played task finds, as its story goes; nothing where the check must really be probed.
    pub fn played_check(&self, check: &Value) -> Option<CheckResult> {
        match &self.0.body {
            Body::Process(_) => None,
            Body::Played(story, reserved) => Some(story.check(check, reserved.is_running())),
        }
    }
}

/// Tells what happens to one task.
#[derive(Clone, Debug)]
struct Reporter {
    allocation_id: String,
    task: String,
    report: mpsc::UnboundedSender<TaskReport>,
}

impl Reporter {
    /// A receiver that is gone wants to know no more.
    fn tell(&self, event: TaskEvent) {
        let _ = self.report.send(TaskReport {
            allocation_id: self.allocation_id.clone(),
            task: self.task.clone(),
            event,
        });
    }
}
