//! Who calls: by an access token, or an API key, which is the same to everything that follows.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use domain::{
    Acting, Caller, Credential, Error, Origin, SystemPurpose,
    api_key::{ApiKeyText, KeyOwner, ports::KeyOwners},
    ports::SystemStore,
    session::ports::AccessTokens,
};

use crate::key_text;

/// How often the use of a key is noted at most, and how long its owner is remembered.
const PAUSE: Duration = Duration::from_secs(300);

/// More keys than are used at once; a bound all the same.
const REMEMBERED: usize = 10_000;

/// Finds out who calls. Whether their token or key still counts is asked at every request, with the request's own statements.
#[derive(Debug)]
pub struct Authentication<S, T> {
    store: S,
    access_tokens: T,
    keys: Mutex<HashMap<String, (KeyOwner, Instant)>>,
}

impl<S, T> Authentication<S, T> {
    /// Access tokens are verified by `access_tokens`.
    pub fn new(store: S, access_tokens: T) -> Self {
        Self {
            store,
            access_tokens,
            keys: Mutex::default(),
        }
    }
}

impl<S, T> Authentication<S, T>
where
    S: SystemStore<Transaction: KeyOwners>,
    T: AccessTokens,
{
    /// Whoever an access token was issued to.
    ///
    /// # Errors
    /// `unauthenticated`, whatever is wrong with it.
    pub fn by_token(&self, token: &str, origin: Origin) -> Result<Caller, Error> {
        let claims = self.access_tokens.verify(token)?;
        Ok(Caller {
            user: claims.user,
            tenant: claims.tenant,
            credential: Credential::Session(claims.session),
            valid_until: Some(claims.expires_at),
            origin,
        })
    }

    /// The owner of an API key.
    ///
    /// # Errors
    /// `unauthenticated` where there is no such key.
    pub async fn by_key(&self, key: &ApiKeyText, origin: Origin) -> Result<Caller, Error> {
        let stored = key_text::stored(key);
        let owner = self.owner(&origin, &stored).await?;
        Ok(Caller {
            user: owner.user,
            tenant: Some(owner.tenant),
            credential: Credential::ApiKey {
                id: owner.id,
                stored,
            },
            valid_until: None,
            origin,
        })
    }

    /// Neither a key's owner nor its tenant ever changes, so what was asked lately says in which tenant's context to ask on.
    /// The store is asked now and then, which notes that the key is used.
    async fn owner(&self, origin: &Origin, stored: &str) -> Result<KeyOwner, Error> {
        if let Some(owner) = self.remembered(stored) {
            return Ok(owner);
        }
        let nobody = Acting::nobody(origin.clone());
        let transaction = self.store.system(SystemPurpose::ApiKey, &nobody).await?;
        let owner = transaction.find_key_owner(stored, PAUSE).await?;
        let owner = owner.ok_or_else(Error::unauthenticated)?;
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.len() >= REMEMBERED {
            keys.clear();
        }
        keys.insert(stored.to_owned(), (owner, Instant::now()));
        Ok(owner)
    }

    fn remembered(&self, stored: &str) -> Option<KeyOwner> {
        let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let (owner, since) = keys.get(stored)?;
        (since.elapsed() < PAUSE).then_some(*owner)
    }
}
