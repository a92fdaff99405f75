//! Services registered with Nomad itself, and the results of their checks.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Indexed, NamespaceClient, Result, identifiers, nullable::null_as_default};

/// The services of one namespace.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, rename_all = "PascalCase")]
pub struct NamespaceServices {
    /// The namespace.
    pub namespace: String,
    /// Its services.
    #[serde(deserialize_with = "null_as_default")]
    pub services: Vec<ServiceName>,
}

/// A service's name and tags.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(default, rename_all = "PascalCase")]
pub struct ServiceName {
    /// The name.
    pub service_name: String,
    /// The tags.
    #[serde(deserialize_with = "null_as_default")]
    pub tags: Vec<String>,
}

/// One instance of a service. It is registered before its task runs.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, rename_all = "PascalCase")]
pub struct ServiceInstance {
    /// Unique in the cluster; no UUID.
    #[serde(rename = "ID")]
    pub id: String,
    /// The service's name.
    pub service_name: String,
    /// Its namespace.
    pub namespace: String,
    /// The job behind it.
    #[serde(rename = "JobID")]
    pub job_id: String,
    /// The allocation behind it.
    #[serde(rename = "AllocID")]
    pub allocation_id: String,
    /// Where it answers.
    pub address: String,
    /// Where it answers; 0 without a port.
    pub port: u16,
    /// The tags.
    #[serde(deserialize_with = "null_as_default")]
    pub tags: Vec<String>,
    /// Its first index.
    pub create_index: u64,
}

/// How a check of a service stands.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum CheckStatus {
    /// Not probed yet.
    Pending,
    /// The last probe succeeded.
    Success,
    /// The last probe failed.
    Failure,
    /// A status this client does not know.
    #[default]
    #[serde(other)]
    Unknown,
}

/// The last result of a check.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, rename_all = "PascalCase")]
pub struct CheckResult {
    /// The check's name.
    pub check: String,
    /// The service's name.
    pub service: String,
    /// Empty for a check of the group.
    pub task: String,
    /// `healthiness`, or `readiness` where a failure says nothing of health.
    pub mode: String,
    /// How it stands.
    pub status: CheckStatus,
    /// The HTTP status of the probe; 0 for none.
    pub status_code: u16,
    /// What the probe said: after a failure the body it got, which is a tenant's text.
    pub output: String,
    /// Seconds since 1970.
    pub timestamp: i64,
}

impl CheckResult {
    /// Whether it says that what it looks at is not healthy.
    pub fn says_unhealthy(&self) -> bool {
        self.status == CheckStatus::Failure && self.mode != "readiness"
    }
}

impl NamespaceClient {
    /// The services of the namespace.
    ///
    /// # Errors
    /// Any kind but [`NotFound`](super::ErrorKind::NotFound).
    pub async fn services(&self) -> Result<Indexed<Vec<NamespaceServices>>> {
        let list = self
            .read(&["services"])
            .json::<Option<Vec<NamespaceServices>>>();
        Ok(list.await?.map(Option::unwrap_or_default))
    }

    /// The instances of a service; none for an unknown one.
    ///
    /// # Errors
    /// Any kind but [`NotFound`](super::ErrorKind::NotFound).
    pub async fn service(&self, name: &str) -> Result<Indexed<Vec<ServiceInstance>>> {
        let path = ["service", identifiers::segment("service name", name)?];
        let list = self.read(&path).json::<Option<Vec<ServiceInstance>>>();
        Ok(list.await?.map(Option::unwrap_or_default))
    }

    /// The instances of a job's services.
    ///
    /// # Errors
    /// [`NotFound`](super::ErrorKind::NotFound), or another kind.
    pub async fn job_services(&self, job: &str) -> Result<Indexed<Vec<ServiceInstance>>> {
        let path = ["job", identifiers::job(job)?, "services"];
        let list = self.read(&path).json::<Option<Vec<ServiceInstance>>>();
        Ok(list.await?.map(Option::unwrap_or_default))
    }

    /// The last results of an allocation's checks, by the checks' ids; none before the first probe and once it has
    /// stopped.
    ///
    /// # Errors
    /// [`NotFound`](super::ErrorKind::NotFound), or another kind.
    pub async fn checks(&self, allocation: &str) -> Result<BTreeMap<String, CheckResult>> {
        let id = identifiers::uuid("allocation id", allocation)?;
        let call = self.write(reqwest::Method::GET, &["allocation", id, "checks"]);
        let checks = call.json::<Option<BTreeMap<String, CheckResult>>>().await?;
        Ok(checks.value.unwrap_or_default())
    }
}
