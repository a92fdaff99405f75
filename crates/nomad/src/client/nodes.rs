//! Where work can run: nodes, node pools, and how the scheduler is set.

use std::collections::BTreeMap;

use reqwest::Method;
use serde::Deserialize;

use super::{Client, Indexed, Result, nullable::null_as_default};

/// A client node.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, rename_all = "PascalCase")]
pub struct Node {
    /// A UUID.
    #[serde(rename = "ID")]
    pub id: String,
    /// The host's name.
    pub name: String,
    /// Its datacenter.
    pub datacenter: String,
    /// Its pool.
    pub node_pool: String,
    /// `initializing`, `ready`, `disconnected` or `down`.
    pub status: String,
    /// `eligible` or `ineligible`.
    pub scheduling_eligibility: String,
    /// Whether its work is being moved away.
    pub drain: bool,
    /// The task drivers by name.
    #[serde(deserialize_with = "null_as_default")]
    pub drivers: BTreeMap<String, NodeDriver>,
    /// Nomad's version there.
    pub version: String,
}

impl Node {
    /// Whether work with this driver can be placed on it.
    pub fn can_run(&self, driver: &str) -> bool {
        let usable = |driver: &NodeDriver| driver.detected && driver.healthy;
        self.status == "ready"
            && self.scheduling_eligibility == "eligible"
            && self.drivers.get(driver).is_some_and(usable)
    }
}

/// A task driver on a node.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(default, rename_all = "PascalCase")]
pub struct NodeDriver {
    /// Whether it is there.
    pub detected: bool,
    /// Whether it works.
    pub healthy: bool,
    /// Why not.
    pub health_description: String,
}

/// A pool of nodes.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(default, rename_all = "PascalCase")]
pub struct NodePool {
    /// Unique in the region.
    pub name: String,
    /// For people.
    pub description: String,
}

/// How the scheduler is set.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(default, rename_all = "PascalCase")]
pub struct SchedulerConfiguration {
    /// Whether `MemoryMaxMB` has an effect.
    pub memory_oversubscription_enabled: bool,
    /// Whether registrations are refused without a management token.
    pub reject_job_registration: bool,
    /// Whether evaluations are held.
    pub pause_eval_broker: bool,
    /// `binpack` or `spread`.
    pub scheduler_algorithm: String,
}

/// The answer that holds a [`SchedulerConfiguration`].
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(default, rename_all = "PascalCase")]
pub struct SchedulerAnswer {
    /// How the scheduler is set.
    pub scheduler_config: SchedulerConfiguration,
}

impl Client {
    /// The client nodes.
    ///
    /// # Errors
    /// Any kind but [`NotFound`](super::ErrorKind::NotFound).
    pub async fn nodes(&self) -> Result<Indexed<Vec<Node>>> {
        let list = self
            .call(Method::GET, &["nodes"])
            .json::<Option<Vec<Node>>>();
        Ok(list.await?.map(Option::unwrap_or_default))
    }

    /// The node pools.
    ///
    /// # Errors
    /// Any kind but [`NotFound`](super::ErrorKind::NotFound).
    pub async fn node_pools(&self) -> Result<Indexed<Vec<NodePool>>> {
        let call = self.call(Method::GET, &["node", "pools"]);
        let list = call.json::<Option<Vec<NodePool>>>().await?;
        Ok(list.map(Option::unwrap_or_default))
    }

    /// How the scheduler is set; the token needs `operator:read`.
    ///
    /// # Errors
    /// [`PermissionDenied`](super::ErrorKind::PermissionDenied), or another kind.
    pub async fn scheduler_configuration(&self) -> Result<SchedulerConfiguration> {
        let path = ["operator", "scheduler", "configuration"];
        let answer = self.call(Method::GET, &path).json::<SchedulerAnswer>();
        Ok(answer.await?.value.scheduler_config)
    }
}
