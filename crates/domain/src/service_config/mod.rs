//! What a service is to run: the configuration a tenant writes, stored as JSON beside the service. The types here hold it
//! as it was written, templates included; [`ServiceConfig::parse`] applies the rules, [`ServiceConfig::filled`] gives
//! what a job is built from.

mod bounds;
mod fill;
mod health_path;
mod image;
mod names;
mod parse;
mod secret_values;
mod volume;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use bounds::{
    CPU_MHZ, DISK_MB, MAX_CONFIG_BYTES, MAX_CUSTOM_VARIABLES, MAX_ENVIRONMENT, MAX_PORTS,
    MAX_RETRIES, MAX_SENSITIVE, MAX_VALUE_BYTES, MAX_VOLUMES, MEMORY_MB,
};
pub use health_path::{MAX_PATH, PATH_PATTERN};
pub use image::{MAX_REFERENCE, check_image, image_pattern};
pub use names::{
    ENVIRONMENT_NAME_PATTERN, JOB_FILE_PATTERN, JOB_FILE_VARIABLES, MAX_NAME,
    VARIABLE_NAME_PATTERN, check_environment_name, check_job_file, check_variable_name,
};
pub use parse::CHECK_DURATION_PATTERN;
pub use secret_values::SecretValues;
pub use volume::VolumeMount;

use crate::{
    PositiveDuration,
    secret::{Holder, mask},
};

/// A service's configuration. What was absent stays absent.
///
/// Deserialising checks types and names of fields alone, for what was stored after it had been checked; input from
/// outside goes through [`ServiceConfig::parse`].
///
/// ```
/// use nomad_services_domain::ServiceConfig;
/// use serde_json::json;
///
/// let document = json!({"image": "postgres:13", "ports": [5432]});
/// let config = ServiceConfig::parse(&document, "/config").expect("a valid configuration");
/// assert_eq!(config.ports, Some(vec![5432]));
/// assert_eq!(serde_json::to_value(&config)?, document);
///
/// let errors = ServiceConfig::parse(&json!({"image": "a b", "ports": [0]}), "/config").unwrap_err();
/// let pointers: Vec<_> = errors.iter().map(|error| error.pointer.as_str()).collect();
/// assert_eq!(pointers, ["/config/image", "/config/ports/0"]);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceConfig {
    /// The container image, as `docker pull` takes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The ports the service listens on, inside its own network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ports: Option<Vec<u16>>,
    /// Environment variables by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<SecretValues>,
    /// Volumes, each `source:target`, `source:target:ro` or `source:target:rw`; see [`VolumeMount`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volumes: Option<Vec<String>>,
    /// What the service reserves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// How to tell whether it works.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_check: Option<HealthCheck>,
    /// The name of the operator's job file that decides what runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nomad_job_file: Option<String>,
    /// With a job file, values of variables it declares; without one, what fills `{{NAME}}` in the texts above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custom_variables: Option<SecretValues>,
    /// Pointers of further secret values, such as `/custom_variables/PASSWORD`; those of the environment all are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sensitive: Option<Vec<String>>,
}

impl fmt::Debug for ServiceConfig {
    /// Without secret values, so that no log line can give one away.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = serde_json::to_value(self).map_err(|_| fmt::Error)?;
        mask(&mut shown, Holder::Service);
        // Whoever has forgotten to mark one should not read it in a log, either.
        if self.custom_variables.is_some() {
            shown["custom_variables"] = format!("{:?}", self.custom_variables).into();
        }
        write!(formatter, "ServiceConfig({shown})")
    }
}

/// What a service asks to reserve. What is absent counts as [`Reservation::default`] says.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Resources {
    /// Processor, in MHz.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<u32>,
    /// Memory, in MB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<u32>,
    /// Disk, in MB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk: Option<u32>,
}

/// How to tell whether a service works. The defaults of what is absent are the methods'.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct HealthCheck {
    /// Whether to check at all; see [`HealthCheck::is_enabled`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// The path to request from the first port; without one, the check only connects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// From one check to the next; see [`HealthCheck::interval`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<PositiveDuration>,
    /// How long an answer may take; see [`HealthCheck::timeout`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<PositiveDuration>,
    /// Failures in a row before the service counts as broken; see [`HealthCheck::retries`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<u32>,
}

/// What a service counts for within its tenant's limits, running or not.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Reservation {
    /// Processor, in MHz.
    pub cpu: u32,
    /// Memory, in MB.
    pub memory: u32,
    /// Disk, in MB.
    pub disk: u32,
}

impl Reservation {
    /// What counts for nothing.
    pub const NOTHING: Self = Self {
        cpu: 0,
        memory: 0,
        disk: 0,
    };

    /// The greater of two in each part.
    ///
    /// ```
    /// use nomad_services_domain::service_config::Reservation;
    ///
    /// let (small, large) = (Reservation { cpu: 1, memory: 9, disk: 5 }, Reservation { cpu: 2, memory: 8, disk: 5 });
    /// assert_eq!(small.or_greater(large), Reservation { cpu: 2, memory: 9, disk: 5 });
    /// ```
    #[must_use]
    pub fn or_greater(self, other: Self) -> Self {
        Self {
            cpu: self.cpu.max(other.cpu),
            memory: self.memory.max(other.memory),
            disk: self.disk.max(other.disk),
        }
    }
}

impl Default for Reservation {
    /// Nomad's own defaults.
    fn default() -> Self {
        Self {
            cpu: 100,
            memory: 300,
            disk: 300,
        }
    }
}

impl ServiceConfig {
    /// What the service counts for.
    ///
    /// ```
    /// use nomad_services_domain::{ServiceConfig, service_config::{Reservation, Resources}};
    ///
    /// let config = ServiceConfig {
    ///     resources: Some(Resources { memory: Some(1024), ..Resources::default() }),
    ///     ..ServiceConfig::default()
    /// };
    /// assert_eq!(config.reservation(), Reservation { cpu: 100, memory: 1024, disk: 300 });
    /// ```
    pub fn reservation(&self) -> Reservation {
        let written = self.resources.unwrap_or_default();
        let default = Reservation::default();
        Reservation {
            cpu: written.cpu.unwrap_or(default.cpu),
            memory: written.memory.unwrap_or(default.memory),
            disk: written.disk.unwrap_or(default.disk),
        }
    }
}

impl HealthCheck {
    const DEFAULT_INTERVAL: std::time::Duration = std::time::Duration::from_secs(30);
    const DEFAULT_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(5);
    const DEFAULT_RETRIES: u32 = 3;

    /// Whether to check at all: yes, unless it says no.
    pub fn is_enabled(&self) -> bool {
        self.enabled.unwrap_or(true)
    }

    /// From one check to the next: 30 s unless written otherwise.
    pub fn interval(&self) -> std::time::Duration {
        self.interval
            .map_or(Self::DEFAULT_INTERVAL, PositiveDuration::get)
    }

    /// How long an answer may take: 5 s unless written otherwise, and never longer than the interval.
    ///
    /// ```
    /// use std::time::Duration;
    /// use nomad_services_domain::service_config::HealthCheck;
    ///
    /// let check = HealthCheck { interval: "2s".parse().ok(), ..HealthCheck::default() };
    /// assert_eq!(check.timeout(), Duration::from_secs(2));
    /// ```
    pub fn timeout(&self) -> std::time::Duration {
        self.timeout
            .map_or(Self::DEFAULT_TIMEOUT, PositiveDuration::get)
            .min(self.interval())
    }

    /// Failures in a row before the service counts as broken: 3 unless written otherwise.
    pub fn retries(&self) -> u32 {
        self.retries.unwrap_or(Self::DEFAULT_RETRIES)
    }
}

#[cfg(test)]
mod tests;
