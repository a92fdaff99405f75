//! Variables: small maps of text at a path of a namespace.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::clock;

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Variable {
    pub create_index: u64,
    #[serde(serialize_with = "clock::serialize_nanoseconds")]
    pub create_time: Option<DateTime<Utc>>,
    /// Absent in lists and in the answer about a variable that does not exist.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub items: Option<BTreeMap<String, String>>,
    pub modify_index: u64,
    #[serde(serialize_with = "clock::serialize_nanoseconds")]
    pub modify_time: Option<DateTime<Utc>>,
    pub namespace: String,
    pub path: String,
}
