//! The key-encryption key: nothing is written before it is known to fit what the database holds.

use std::time::Duration;

use domain::Error;
use persistence::{
    Database,
    encryption::{Keyring, Readiness},
};
use tokio::time::sleep;

use super::bounded_read::bounded_read;
use crate::{
    readiness::Encryption,
    settings::{Environment, Settings, kept_secret},
};

/// From one look at a key that is missing or wrong to the next: it may be put right meanwhile.
const PAUSE: Duration = Duration::from_secs(2);

/// The keys that `settings` name, read when they are needed.
pub fn keyring(settings: &Settings) -> Keyring {
    let settings = settings.clone();
    Keyring::new(move || settings.encryption_keys())
}

/// The same, beside requests: none of them waits for a disk that hangs.
pub fn keyring_of_server(settings: &Settings) -> Keyring {
    let settings = settings.clone();
    Keyring::new(bounded_read(move || settings.encryption_keys()))
}

/// Waits until there is a key, and it fits. Before, it only reads. `is_migrated` says whether the database has the tables
/// that say so.
pub async fn wait(
    settings: &Settings,
    database: &Database,
    encryption: &Encryption,
    is_migrated: bool,
) {
    loop {
        let reason = match readiness(settings, database, is_migrated).await {
            Ok(Readiness::Ready) => break,
            Ok(Readiness::Unready(reason)) => reason,
            Err(error) => {
                tracing::warn!(cause = ?error, "the data keys can't be looked at");
                "the database can't be asked for its data keys".to_owned()
            }
        };
        if encryption.refuse(&reason) {
            tracing::error!(reason, "not ready: secret values can't be encrypted");
        }
        sleep(PAUSE).await;
    }
    encryption.accept();
}

async fn readiness(
    settings: &Settings,
    database: &Database,
    is_migrated: bool,
) -> Result<Readiness, Error> {
    if let Some(reason) = missing_own_key(settings, database, is_migrated).await? {
        return Ok(Readiness::Unready(reason));
    }
    if is_migrated {
        return database.encryption_readiness().await;
    }
    Ok(match database.keyring().reload() {
        Ok(()) => Readiness::Ready,
        Err(reason) => Readiness::Unready(reason),
    })
}

/// Makes the key that development keeps for itself, but never a second one: what is encrypted would be lost.
async fn missing_own_key(
    settings: &Settings,
    database: &Database,
    is_migrated: bool,
) -> Result<Option<String>, Error> {
    let own = settings.data.encryption_key();
    let uses_own = settings.environment == Environment::Development
        && settings.encryption_key_file().as_ref() == Some(&own);
    if !uses_own || own.exists() {
        return Ok(None);
    }
    if is_migrated && database.has_data_keys().await? {
        return Ok(Some(format!(
            "{} is gone, and the database holds values that are encrypted with it: put it back",
            own.display()
        )));
    }
    Ok(kept_secret(&own).err().map(|error| error.to_string()))
}
