//! Metrics and logs.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{
    server::address,
    values::{bounded, choice},
};

/// Where Prometheus finds the metrics.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MetricsSettings {
    /// The address they listen on.
    #[serde(deserialize_with = "address")]
    pub host: IpAddr,
    /// The port; 0 turns them off.
    #[serde(deserialize_with = "bounded::<0, 65535, _, _>")]
    pub port: u16,
}

/// What is logged, and in which form.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LogSettings {
    /// The least severe level that is logged.
    #[serde(deserialize_with = "choice")]
    pub level: LogLevel,
    /// The form of a line.
    #[serde(deserialize_with = "choice")]
    pub format: LogFormat,
}

/// The least severe level that is logged.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// What failed.
    Error,
    /// What may fail soon.
    Warn,
    /// What happened.
    Info,
    /// How it happened.
    Debug,
    /// Every step.
    Trace,
}

/// The form of a line of the log.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines: one JSON object a line.
    Json,
}
