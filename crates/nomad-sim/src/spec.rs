//! Typed views of a job's JSON: the parts a scheduler and a node act on. Everything else passes through untouched.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

pub fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

pub fn number(value: &Value, key: &str) -> i64 {
    value.get(key).and_then(Value::as_i64).unwrap_or_default()
}

pub fn flag(value: &Value, key: &str) -> bool {
    value.get(key).and_then(Value::as_bool).unwrap_or_default()
}

pub fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value
        .get(key)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// A duration kept as integer nanoseconds, as jobs keep them.
pub fn duration(value: &Value, key: &str) -> Duration {
    Duration::from_nanos(u64::try_from(number(value, key)).unwrap_or_default())
}

/// A map of strings; values of another type are left out.
pub fn strings(value: &Value, key: &str) -> BTreeMap<String, String> {
    let entries = value.get(key).and_then(Value::as_object);
    entries
        .into_iter()
        .flatten()
        .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
        .collect()
}

pub fn groups(job: &Value) -> &[Value] {
    list(job, "TaskGroups")
}

pub fn group<'a>(job: &'a Value, name: &str) -> Option<&'a Value> {
    groups(job).iter().find(|group| text(group, "Name") == name)
}

pub fn count(group: &Value) -> usize {
    group
        .get("Count")
        .and_then(Value::as_u64)
        .map_or(1, |count| usize::try_from(count).unwrap_or(usize::MAX))
}

/// The services of a group and of its tasks.
pub fn services(group: &Value) -> impl Iterator<Item = &Value> {
    let of_tasks = list(group, "Tasks")
        .iter()
        .flat_map(|task| list(task, "Services"));
    list(group, "Services").iter().chain(of_tasks)
}

/// How a group is brought from one version of its job to the next.
#[derive(Clone, Copy, Debug)]
pub struct Update {
    pub max_parallel: usize,
    pub canaries: usize,
    pub by_checks: bool,
    pub min_healthy_time: Duration,
    pub healthy_deadline: Duration,
    pub progress_deadline: Duration,
    pub auto_revert: bool,
    pub auto_promote: bool,
}

impl Update {
    /// None where the group has no update strategy, or one that allows no update at all: then there are no deployments.
    pub fn of(group: &Value) -> Option<Self> {
        let update = group
            .get("Update")
            .filter(|update| number(update, "MaxParallel") > 0)?;
        Some(Self {
            max_parallel: usize::try_from(number(update, "MaxParallel")).unwrap_or(1),
            canaries: usize::try_from(number(update, "Canary")).unwrap_or_default(),
            by_checks: text(update, "HealthCheck") == "checks",
            min_healthy_time: duration(update, "MinHealthyTime"),
            healthy_deadline: duration(update, "HealthyDeadline"),
            progress_deadline: duration(update, "ProgressDeadline"),
            auto_revert: flag(update, "AutoRevert"),
            auto_promote: flag(update, "AutoPromote"),
        })
    }
}

/// How often a task that ended is started again on the spot.
#[derive(Clone, Copy, Debug)]
pub struct RestartPolicy {
    pub attempts: usize,
    pub delay: Duration,
    pub interval: Duration,
    pub delays_for_ever: bool,
}

impl RestartPolicy {
    pub fn of(group: &Value, task: &Value) -> Self {
        let absent = Value::Null;
        let policy = task
            .get("RestartPolicy")
            .filter(|policy| policy.is_object())
            .or_else(|| group.get("RestartPolicy"))
            .unwrap_or(&absent);
        Self {
            attempts: usize::try_from(number(policy, "Attempts")).unwrap_or_default(),
            delay: duration(policy, "Delay"),
            interval: duration(policy, "Interval"),
            delays_for_ever: text(policy, "Mode") == "delay",
        }
    }
}

/// How often a failed allocation is replaced by another.
#[derive(Clone, Debug)]
pub struct ReschedulePolicy {
    pub attempts: usize,
    pub interval: Duration,
    pub delay: Duration,
    pub max_delay: Duration,
    pub function: String,
    pub unlimited: bool,
}

impl ReschedulePolicy {
    pub fn of(group: &Value) -> Self {
        let absent = Value::Null;
        let policy = group.get("ReschedulePolicy").unwrap_or(&absent);
        Self {
            attempts: usize::try_from(number(policy, "Attempts")).unwrap_or_default(),
            interval: duration(policy, "Interval"),
            delay: duration(policy, "Delay"),
            max_delay: duration(policy, "MaxDelay"),
            function: text(policy, "DelayFunction").to_owned(),
            unlimited: flag(policy, "Unlimited"),
        }
    }

    pub fn enabled(&self) -> bool {
        self.unlimited || self.attempts > 0
    }

    /// The wait before replacement number `made + 1`.
    pub fn wait(&self, made: usize) -> Duration {
        let factor = match self.function.as_str() {
            "exponential" => 2_u32.saturating_pow(u32::try_from(made).unwrap_or(u32::MAX)),
            "fibonacci" => {
                (0..made)
                    .fold((1_u32, 1_u32), |(last, next), _| {
                        (next, last.saturating_add(next))
                    })
                    .0
            }
            _ => 1,
        };
        let wait = self.delay.saturating_mul(factor);
        if self.max_delay > self.delay {
            wait.min(self.max_delay)
        } else {
            wait
        }
    }
}
