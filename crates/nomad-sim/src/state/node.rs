//! The one node of the cluster: what it offers and what it tells of itself.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::clock;

pub const VERSION: &str = "2.0.6-dev";

#[derive(Clone, Debug)]
pub struct Node {
    pub id: Uuid,
    pub name: String,
    pub datacenter: &'static str,
    pub pool: &'static str,
    pub cpu_mhz: i64,
    pub memory_mb: i64,
    pub disk_mb: i64,
    pub signing_key: Uuid,
    pub since: DateTime<Utc>,
}

impl Default for Node {
    fn default() -> Self {
        Self {
            id: Uuid::new_v4(),
            name: "node-1".to_owned(),
            datacenter: "dc1",
            pool: "default",
            cpu_mhz: 4_000_000,
            memory_mb: 8_000_000,
            disk_mb: 8_000_000,
            signing_key: Uuid::new_v4(),
            since: Utc::now(),
        }
    }
}

/// The drivers of the node: `raw_exec` runs processes, `docker` plays.
pub const DRIVERS: [&str; 2] = ["raw_exec", "docker"];

impl Node {
    pub fn class(&self) -> String {
        "v1:7751660223971596872".to_owned()
    }

    /// What interpolation and constraints may ask of the node.
    pub fn facts(&self) -> BTreeMap<String, String> {
        let architecture = if cfg!(target_arch = "aarch64") {
            "arm64"
        } else {
            "amd64"
        };
        [
            ("node.unique.id", self.id.to_string().as_str()),
            ("node.unique.name", &self.name),
            ("node.datacenter", self.datacenter),
            ("node.pool", self.pool),
            ("node.class", ""),
            ("node.region", "global"),
            ("attr.unique.hostname", &self.name),
            ("attr.kernel.name", "linux"),
            ("attr.cpu.arch", architecture),
            ("attr.nomad.service_discovery", "true"),
            ("attr.nomad.version", VERSION),
            ("attr.driver.raw_exec", "1"),
            ("attr.driver.docker", "1"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }

    /// The metric of a placement that worked.
    pub fn placement_metric(&self) -> Value {
        let mut metric = self.empty_metric();
        metric["ScoreMetaData"] = json!([{
            "NodeID": self.id,
            "NormScore": 0.0,
            "Scores": {"binpack": 0.0, "job-anti-affinity": 0.0, "node-affinity": 0.0, "node-reschedule-penalty": 0.0},
        }]);
        metric
    }

    /// A metric in which the node was looked at and nothing has been found wrong with it yet.
    pub fn empty_metric(&self) -> Value {
        json!({
            "AllocationTime": 10_000,
            "ClassExhausted": null, "ClassFiltered": null, "CoalescedFailures": 0, "ConstraintFiltered": null, "DimensionExhausted": null,
            "NodePool": self.pool, "NodesAvailable": {self.datacenter: 1}, "NodesEvaluated": 1, "NodesExhausted": 0, "NodesFiltered": 0,
            "NodesInPool": 1, "QuotaExhausted": null, "ResourcesExhausted": null, "ScoreMetaData": null, "Scores": null,
        })
    }

    pub fn stub(&self) -> Value {
        let mut drivers = serde_json::Map::new();
        for name in DRIVERS {
            let driver = json!({
                "Attributes": {format!("driver.{name}"): "true"},
                "Detected": true, "HealthDescription": "Healthy", "Healthy": true, "UpdateTime": clock::rfc3339(self.since),
            });
            drivers.insert(name.to_owned(), driver);
        }
        json!({
            "Address": "127.0.0.1", "CreateIndex": 8, "Datacenter": self.datacenter, "Drain": false, "Drivers": drivers, "HostVolumes": {},
            "ID": self.id, "LastDrain": null, "ModifyIndex": 10, "Name": self.name, "NodeClass": "", "NodePool": self.pool,
            "SchedulingEligibility": "eligible", "Status": "ready", "StatusDescription": "", "Version": VERSION,
        })
    }
}
