//! API keys: made from the system's random numbers, kept as a hash, and found by it. A key has 256 random bits, so a fast hash
//! is enough.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use domain::{Error, api_key::ApiKeyText};
use persistence::{Acting, Database, Origin, SystemPurpose, api_keys::KeyOwner};
use sha2::{Digest, Sha256};

/// How often the use of a key is noted at most, and how long its owner is remembered.
const PAUSE: Duration = Duration::from_secs(300);

/// More keys than are used at once; a bound all the same.
const REMEMBERED: usize = 10_000;

/// A new key.
pub fn generate() -> ApiKeyText {
    ApiKeyText::from_random(rand::random(), rand::random())
}

/// What the database keeps of a key: it is found by this, and can't be made from it.
pub fn stored(key: &ApiKeyText) -> String {
    let digest = Sha256::digest(key.expose().as_bytes());
    format!("{}${}", key.public_id(), hex::encode(digest))
}

/// Whose the keys are that were used here lately. Neither a key's owner nor its tenant ever changes, so this says only in
/// which tenant's context to ask; whether the key is good is asked at every request, with the request's own statements.
#[derive(Debug, Default)]
pub struct KnownKeys(Mutex<HashMap<String, (KeyOwner, Instant)>>);

impl KnownKeys {
    /// Whose key this is, in its stored form. Asks the database now and then, which notes that the key is used.
    ///
    /// # Errors
    /// `unauthenticated` where there is no such key.
    pub async fn owner(
        &self,
        database: &Database,
        origin: &Origin,
        stored: &str,
    ) -> Result<KeyOwner, Error> {
        if let Some(owner) = self.remembered(stored) {
            return Ok(owner);
        }
        let nobody = Acting::nobody(origin.clone());
        let transaction = database.system(SystemPurpose::ApiKey, &nobody).await?;
        let owner = transaction.find_key_owner(stored, PAUSE).await?;
        let owner = owner.ok_or_else(Error::unauthenticated)?;
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.len() >= REMEMBERED {
            keys.clear();
        }
        keys.insert(stored.to_owned(), (owner, Instant::now()));
        Ok(owner)
    }

    fn remembered(&self, stored: &str) -> Option<KeyOwner> {
        let keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (owner, since) = keys.get(stored)?;
        (since.elapsed() < PAUSE).then_some(*owner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_names_the_key_and_holds_nothing_of_its_secret() {
        let key = generate();
        let stored = stored(&key);
        let (public_id, digest) = stored.split_once('$').unwrap();
        assert_eq!((public_id, digest.len()), (key.public_id(), 64));
        let secret = &key.expose()[21..64];
        assert!(!stored.contains(&secret[..8]));
    }

    #[test]
    fn no_two_keys_are_alike() {
        assert_ne!(generate(), generate());
    }
}
