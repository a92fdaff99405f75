//! How the audit trail is sealed.

use std::path::PathBuf;

use secrecy::SecretString;
use serde::{Deserialize, Deserializer, Serialize, de};
use transparency_log::Origin;

use super::NonZeroDuration;
use crate::settings::values::{masked, optional, or_empty};

/// How the audit trail is sealed.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AuditSettings {
    /// The first part of the name of every log: what tells this installation from others.
    #[serde(deserialize_with = "host")]
    pub origin: String,
    /// A file with the keys that sign, a line each, the newest first.
    #[serde(deserialize_with = "optional", serialize_with = "or_empty")]
    pub signing_key_file: Option<PathBuf>,
    /// The one key that signs.
    #[serde(deserialize_with = "optional", serialize_with = "masked")]
    pub signing_key: Option<SecretString>,
    /// From one look at what waits to be sealed to the next.
    pub seal_interval: NonZeroDuration,
}

fn host<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    if Origin::is_host(&text) {
        return Ok(text);
    }
    Err(de::Error::custom(Origin::HOST))
}
