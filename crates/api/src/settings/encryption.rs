//! What secret values are encrypted with.

use std::path::PathBuf;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::{Environment, Settings};
use crate::settings::values::{masked, optional, or_empty};

/// What secret values are encrypted with.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct EncryptionSettings {
    /// A file with key-encryption keys, a line each, the newest first.
    #[serde(deserialize_with = "optional", serialize_with = "or_empty")]
    pub key_file: Option<PathBuf>,
    /// The one key-encryption key.
    #[serde(deserialize_with = "optional", serialize_with = "masked")]
    pub key: Option<SecretString>,
}

impl Settings {
    /// The file that holds the key-encryption keys, where one does; development's own may not be there yet.
    pub fn encryption_key_file(&self) -> Option<PathBuf> {
        let encryption = &self.encryption;
        let own = self.environment == Environment::Development && encryption.key.is_none();
        let own = own.then(|| self.data.encryption_key());
        encryption.key_file.clone().or(own)
    }
}
