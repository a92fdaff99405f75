//! The checks a job must pass, in the agent's words: a list of findings, each of which may hold a list of its own.

use serde_json::Value;

use crate::spec::{duration, list, number, services, text};

/// The smallest share of a processor and of memory a task may ask for.
const LEAST_CPU: i64 = 1;
const LEAST_MEMORY_MB: i64 = 10;

/// What is wrong with a job.
#[derive(Debug, Default)]
pub struct Findings(pub Vec<String>);

impl Findings {
    fn note(&mut self, finding: impl Into<String>) {
        self.0.push(finding.into());
    }

    fn require(&mut self, holds: bool, finding: impl Into<String>) {
        if !holds {
            self.note(finding);
        }
    }

    /// All findings as one text; empty if there are none.
    pub fn text(&self) -> String {
        let noun = match self.0.len() {
            0 => return String::new(),
            1 => "error",
            _ => "errors",
        };
        let lines: Vec<String> = self
            .0
            .iter()
            .map(|finding| format!("* {finding}"))
            .collect();
        format!(
            "{} {noun} occurred:\n\t{}\n\n",
            self.0.len(),
            lines.join("\n\t")
        )
    }

    fn nested(&mut self, what: String, inner: &Findings) {
        if !inner.0.is_empty() {
            self.note(format!("{what} validation failed: {}", inner.text()));
        }
    }
}

/// Checks a job that has its defaults, for the namespace it goes to; `exists` says which namespaces there are.
pub fn validate(job: &Value, namespace: &str, exists: bool) -> Findings {
    let mut found = Findings::default();
    let id = text(job, "ID");
    found.require(!id.is_empty(), "Missing job ID");
    found.require(!id.contains(' '), "Job ID contains a space");
    found.require(!id.contains('\0'), "Job ID contains a null character");
    let kind = text(job, "Type");
    found.require(
        matches!(kind, "" | "service" | "batch" | "system" | "sysbatch"),
        format!("Invalid job type: {kind:?}"),
    );
    let priority = number(job, "Priority");
    found.require(
        (0..=100).contains(&priority),
        "job priority must be between [1, 100]",
    );
    let groups = list(job, "TaskGroups");
    found.require(!groups.is_empty(), "Missing job task groups");
    for (position, group) in groups.iter().enumerate() {
        let name = text(group, "Name");
        found.require(
            !name.is_empty(),
            format!("Job task group {} missing name", position + 1),
        );
        found.nested(format!("Task group {name}"), &validate_group(group));
    }
    found.require(
        exists,
        format!("job {id:?} is in nonexistent namespace {namespace:?}"),
    );
    let pool = text(job, "NodePool");
    found.require(
        matches!(pool, "" | "default" | "all"),
        format!("job {id:?} is in nonexistent node pool {pool:?}"),
    );
    found
}

fn validate_group(group: &Value) -> Findings {
    let mut found = Findings::default();
    let tasks = list(group, "Tasks");
    found.require(!tasks.is_empty(), "Missing tasks for task group");
    found.require(
        number(group, "Count") >= 0,
        "Task group count can't be negative",
    );
    if let Some(update) = group
        .get("Update")
        .filter(|update| number(update, "MaxParallel") > 0)
    {
        validate_update(update, &mut found);
    }
    let disk = group
        .get("EphemeralDisk")
        .map_or(300, |disk| number(disk, "SizeMB"));
    for task in tasks {
        let name = text(task, "Name");
        found.require(!name.is_empty(), "Task missing name");
        found.nested(format!("Task {name}"), &validate_task(task, disk));
    }
    for service in services(group) {
        validate_service(service, &mut found);
    }
    found
}

fn validate_update(update: &Value, found: &mut Findings) {
    let (minimum, healthy, progress) = (
        duration(update, "MinHealthyTime"),
        duration(update, "HealthyDeadline"),
        duration(update, "ProgressDeadline"),
    );
    let seconds = |duration: std::time::Duration| format!("{}s", duration.as_secs_f64());
    found.require(
        minimum < healthy,
        format!(
            "Minimum healthy time must be less than healthy deadline: {} > {}",
            seconds(minimum),
            seconds(healthy)
        ),
    );
    found.require(
        progress.is_zero() || healthy < progress,
        format!(
            "Healthy deadline must be less than progress deadline: {} > {}",
            seconds(healthy),
            seconds(progress)
        ),
    );
}

fn validate_task(task: &Value, disk: i64) -> Findings {
    let mut found = Findings::default();
    found.require(
        !text(task, "Name").contains('/'),
        "Task name cannot include slashes",
    );
    found.require(!text(task, "Driver").is_empty(), "Missing task driver");
    if let Some(resources) = task
        .get("Resources")
        .filter(|resources| resources.is_object())
    {
        let (cpu, memory) = (number(resources, "CPU"), number(resources, "MemoryMB"));
        found.require(
            cpu >= LEAST_CPU || number(resources, "Cores") > 0,
            format!("minimum CPU value is {LEAST_CPU}; got {cpu}"),
        );
        found.require(
            memory >= LEAST_MEMORY_MB,
            format!("minimum MemoryMB value is {LEAST_MEMORY_MB}; got {memory}"),
        );
    }
    if let Some(log_config) = task
        .get("LogConfig")
        .filter(|log_config| log_config.is_object())
    {
        let storage = number(log_config, "MaxFiles") * number(log_config, "MaxFileSizeMB");
        found.require(
            storage < disk,
            format!(
                "log storage ({storage} MB) must be less than requested disk capacity ({disk} MB)"
            ),
        );
    }
    found
}

fn validate_service(service: &Value, found: &mut Findings) {
    let name = text(service, "Name");
    let native = text(service, "Provider") == "nomad";
    let valid = !name.is_empty()
        && name.len() <= 63
        && !name.starts_with('-')
        && !name.ends_with('-')
        && name
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || letter == '-');
    // Variables are replaced later, so a name that holds one can't be judged yet.
    found.require(
        valid || name.contains("${"),
        format!("Service name must be valid per RFC 1123 and can contain only alphanumeric characters or dashes and must be no longer than 63 characters: {name:?}"),
    );
    for check in list(service, "Checks") {
        let kind = text(check, "Type");
        if native {
            found.require(
                matches!(kind, "tcp" | "http"),
                format!("invalid check type ({kind:?}), must be one of tcp, http"),
            );
        }
        found.require(
            kind != "http" || !text(check, "Path").is_empty(),
            "http type must have http path",
        );
    }
}
