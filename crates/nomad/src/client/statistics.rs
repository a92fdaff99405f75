//! What a running allocation uses. A counter means something only where the node says that it measures it.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{NamespaceClient, Result, identifiers, nullable::null_as_default};

/// What an allocation uses. Before the first sample and after the stop everything is empty.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, rename_all = "PascalCase")]
pub struct AllocationStatistics {
    /// Over all tasks.
    #[serde(deserialize_with = "null_as_default")]
    pub resource_usage: ResourceUsage,
    /// By task.
    #[serde(deserialize_with = "null_as_default")]
    pub tasks: BTreeMap<String, TaskStatistics>,
    /// Nanoseconds since 1970; 0 if there is no sample.
    #[serde(rename = "Timestamp")]
    pub timestamp_nanos: i64,
}

/// What a task uses.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, rename_all = "PascalCase")]
pub struct TaskStatistics {
    /// Over all its processes.
    #[serde(deserialize_with = "null_as_default")]
    pub resource_usage: ResourceUsage,
    /// Nanoseconds since 1970.
    #[serde(rename = "Timestamp")]
    pub timestamp_nanos: i64,
}

/// Processor and memory.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, rename_all = "PascalCase")]
pub struct ResourceUsage {
    /// Processor.
    #[serde(rename = "CpuStats", deserialize_with = "null_as_default")]
    pub cpu: CpuUsage,
    /// Memory.
    #[serde(rename = "MemoryStats", deserialize_with = "null_as_default")]
    pub memory: MemoryUsage,
}

/// Processor use.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, rename_all = "PascalCase")]
pub struct CpuUsage {
    #[serde(deserialize_with = "null_as_default")]
    measured: Vec<String>,
    percent: f64,
    total_ticks: f64,
    throttled_periods: u64,
}

impl CpuUsage {
    /// Percent of one core, if measured.
    pub fn percent(&self) -> Option<f64> {
        measured(&self.measured, "Percent", self.percent)
    }

    /// MHz, once Nomad has computed it.
    pub fn megahertz(&self) -> Option<f64> {
        measured(&self.measured, "Percent", self.total_ticks)
    }

    /// How often the task was held back, if measured.
    pub fn throttled_periods(&self) -> Option<u64> {
        measured(&self.measured, "Throttled Periods", self.throttled_periods)
    }
}

/// Memory use.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, rename_all = "PascalCase")]
pub struct MemoryUsage {
    #[serde(deserialize_with = "null_as_default")]
    measured: Vec<String>,
    #[serde(rename = "RSS")]
    rss: u64,
    usage: u64,
    max_usage: u64,
}

impl MemoryUsage {
    /// Resident bytes, if measured.
    pub fn resident(&self) -> Option<u64> {
        measured(&self.measured, "RSS", self.rss)
    }

    /// Bytes in use, page cache included, if measured.
    pub fn usage(&self) -> Option<u64> {
        measured(&self.measured, "Usage", self.usage)
    }

    /// The most bytes that were in use, if measured.
    pub fn peak(&self) -> Option<u64> {
        measured(&self.measured, "Max Usage", self.max_usage)
    }
}

fn measured<T>(names: &[String], name: &str, value: T) -> Option<T> {
    names
        .iter()
        .any(|measured| measured == name)
        .then_some(value)
}

impl NamespaceClient {
    /// What an allocation uses.
    ///
    /// # Errors
    /// [`NotFound`](super::ErrorKind::NotFound), or another kind.
    pub async fn stats(&self, allocation: &str) -> Result<AllocationStatistics> {
        let id = identifiers::uuid("allocation id", allocation)?;
        let path = ["client", "allocation", id, "stats"];
        let call = self.write(reqwest::Method::GET, &path);
        Ok(call.json().await?.value)
    }
}
