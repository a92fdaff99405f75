//! The orchestrator, and what a deployment may take of its time.

use std::path::PathBuf;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::values::{NonZeroDuration, bounded, choices, masked, optional, or_empty};

/// How Nomad is reached, and what jobs may use.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct NomadSettings {
    /// `http(s)://host:port`.
    #[serde(deserialize_with = "optional", serialize_with = "or_empty")]
    pub addr: Option<String>,
    /// The ACL token.
    #[serde(deserialize_with = "optional", serialize_with = "masked")]
    pub token: Option<SecretString>,
    /// The region, otherwise the agent's own.
    #[serde(deserialize_with = "optional", serialize_with = "or_empty")]
    pub region: Option<String>,
    /// Where all jobs go; otherwise the product chooses.
    #[serde(deserialize_with = "optional", serialize_with = "or_empty")]
    pub namespace: Option<String>,
    /// The authority that signed the agent's certificate (PEM).
    #[serde(deserialize_with = "optional", serialize_with = "or_empty")]
    pub ca_cert: Option<PathBuf>,
    /// Our certificate (PEM).
    #[serde(deserialize_with = "optional", serialize_with = "or_empty")]
    pub client_cert: Option<PathBuf>,
    /// Its key (PEM).
    #[serde(deserialize_with = "optional", serialize_with = "or_empty")]
    pub client_key: Option<PathBuf>,
    /// The name the agent's certificate must have, where that is not the address's host.
    #[serde(deserialize_with = "optional", serialize_with = "or_empty")]
    pub tls_server_name: Option<String>,
    /// The folder of the job files that services may name.
    pub jobs_path: PathBuf,
    /// The task drivers a job may use.
    #[serde(deserialize_with = "choices")]
    pub allowed_drivers: Vec<TaskDriver>,
    /// How long connecting may take.
    pub connect_timeout: NonZeroDuration,
    /// How long one call may take.
    pub request_timeout: NonZeroDuration,
    /// Logs that may be followed at once; each holds a connection to Nomad.
    #[serde(deserialize_with = "bounded::<0, 1024, _, _>")]
    pub max_log_followers: usize,
    /// Connections kept open while idle.
    #[serde(deserialize_with = "bounded::<0, 1024, _, _>")]
    pub max_idle_connections: usize,
}

/// A task driver that jobs of tenants can be checked for.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskDriver {
    /// Containers.
    Docker,
    /// Commands on the node, without isolation.
    RawExec,
}

impl TaskDriver {
    /// As a job names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::RawExec => "raw_exec",
        }
    }
}

/// The worker that makes Nomad match the database.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DeploymentSettings {
    /// How long a claim holds without being renewed.
    pub lease: NonZeroDuration,
    /// How often a worker looks.
    pub poll_interval: NonZeroDuration,
    /// A deployment that is not healthy after this long has failed.
    pub deadline: NonZeroDuration,
    /// Deployments one server works on at once.
    #[serde(deserialize_with = "bounded::<1, 1024, _, _>")]
    pub concurrency: u32,
}
