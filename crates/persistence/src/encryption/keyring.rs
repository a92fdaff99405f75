//! The key-encryption keys this process has, and the data keys it has unwrapped with them.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use base64::{
    Engine,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use domain::{
    Error, TenantId,
    secret::{KeyId, Place, Row},
};
use entity::tenant_key;
use sea_orm::prelude::Uuid;
use secrecy::{ExposeSecret, SecretString, zeroize::Zeroizing};
use sha2::{Digest, Sha256};

use super::keys::{KEY, SecretKey};

/// Data keys kept unwrapped: more than tenants are busy at once.
const UNWRAPPED: usize = 4096;

const RETRY_AFTER: std::time::Duration = std::time::Duration::from_secs(5);

/// As `openssl rand -base64 32` writes it, or with the URL's alphabet, with or without padding.
const ALPHABETS: [GeneralPurpose; 2] = {
    let config =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    [
        GeneralPurpose::new(&base64::alphabet::STANDARD, config),
        GeneralPurpose::new(&base64::alphabet::URL_SAFE, config),
    ]
};

/// A key that wraps data keys.
#[derive(Clone)]
pub struct KeyEncryptionKey {
    id: String,
    key: Arc<SecretKey>,
    audit_signing_seed: SecretString,
}

impl KeyEncryptionKey {
    /// The key in `text`: base64 of 32 bytes.
    ///
    /// # Errors
    /// What is allowed, where it holds something else.
    pub fn parse(text: &SecretString) -> Result<Self, &'static str> {
        const ALLOWED: &str =
            "must be 32 bytes in base64, for example from: openssl rand -base64 32";
        let text = text.expose_secret().trim();
        let decoded = ALPHABETS.iter().find_map(|base64| base64.decode(text).ok());
        let bytes = Zeroizing::new(decoded.ok_or(ALLOWED)?);
        let bytes = Zeroizing::new(<[u8; KEY]>::try_from(bytes.as_slice()).map_err(|_| ALLOWED)?);
        // Of 32 random bytes nothing can be guessed from a digest.
        let mut digest = Sha256::new_with_prefix("nomad-services key-encryption key");
        digest.update(bytes.as_slice());
        let digest = digest.finalize();
        let mut seed = Sha256::new_with_prefix("nomad-services audit signing key 1");
        seed.update(bytes.as_slice());
        let seed = Zeroizing::new(<[u8; KEY]>::from(seed.finalize()));
        Ok(Self {
            id: hex::encode(&digest[..8]),
            key: Arc::new(SecretKey::new(&bytes)),
            audit_signing_seed: ALPHABETS[0].encode(seed.as_slice()).into(),
        })
    }

    /// What the key that signs the audit trail's heads is made from where it has no setting of its own: 32 bytes in base64,
    /// which follow from this key and tell nothing of it.
    pub fn audit_signing_seed(&self) -> &SecretString {
        &self.audit_signing_seed
    }

    /// Names the key, in 16 hexadecimal digits, and says nothing else of it.
    pub fn id(&self) -> &str {
        &self.id
    }
}

impl fmt::Debug for KeyEncryptionKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("KeyEncryptionKey")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

type Source = Box<dyn Fn() -> Result<Vec<KeyEncryptionKey>, String> + Send + Sync>;

/// What a process can decrypt with. It is shared by all that use a database.
#[derive(Clone)]
pub struct Keyring(Arc<Inner>);

struct Inner {
    source: Source,
    loaded: RwLock<Vec<KeyEncryptionKey>>,
    unwrapped: Mutex<HashMap<KeyId, Arc<SecretKey>>>,
}

/// A data key to be stored.
pub(crate) struct NewKey {
    pub(super) id: KeyId,
    pub(super) owner: Option<TenantId>,
    pub(super) wrapped: Vec<u8>,
    pub(super) wrapped_by: String,
}

impl fmt::Debug for Keyring {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Keyring")
            .field("loaded", &self.ids())
            .finish_non_exhaustive()
    }
}

impl Default for Keyring {
    /// One without keys: nothing can be encrypted or decrypted.
    fn default() -> Self {
        Self::new(|| Err("there is no key-encryption key".to_owned()))
    }
}

impl Keyring {
    /// One whose key-encryption keys `source` reads, the newest first: now and then, so that a new one is found without a
    /// restart.
    pub fn new(
        source: impl Fn() -> Result<Vec<KeyEncryptionKey>, String> + Send + Sync + 'static,
    ) -> Self {
        let keyring = Self(Arc::new(Inner {
            source: Box::new(source),
            loaded: RwLock::default(),
            unwrapped: Mutex::default(),
        }));
        // Whoever needs a key finds out why there is none.
        let _ = keyring.reload();
        keyring
    }

    /// Reads the key-encryption keys again. Those that were read stay where that fails.
    ///
    /// # Errors
    /// Why there are none, for the operator.
    pub fn reload(&self) -> Result<(), String> {
        let keys = (self.0.source)()?;
        if keys.is_empty() {
            return Err("there is no key-encryption key".to_owned());
        }
        *self
            .0
            .loaded
            .write()
            .unwrap_or_else(PoisonError::into_inner) = keys;
        Ok(())
    }

    /// The ids of the key-encryption keys, the newest first.
    pub fn ids(&self) -> Vec<String> {
        let loaded = self.0.loaded.read().unwrap_or_else(PoisonError::into_inner);
        loaded.iter().map(|key| key.id.clone()).collect()
    }

    pub(super) fn has(&self, id: &str) -> bool {
        self.find(id).is_some()
    }

    fn find(&self, id: &str) -> Option<KeyEncryptionKey> {
        let find = || {
            let loaded = self.0.loaded.read().unwrap_or_else(PoisonError::into_inner);
            loaded.iter().find(|key| key.id == id).cloned()
        };
        find().or_else(|| {
            self.reload().ok()?;
            find()
        })
    }

    /// The key that wraps from now on.
    pub(super) fn newest(&self) -> Result<KeyEncryptionKey, Error> {
        let reloaded = self.reload();
        let loaded = self.0.loaded.read().unwrap_or_else(PoisonError::into_inner);
        loaded.first().cloned().ok_or_else(|| {
            unavailable("there is no key to encrypt with")
                .with_source(reloaded.err().unwrap_or_default())
        })
    }

    /// A data key for a tenant, or for the platform.
    pub(crate) fn generate(&self, owner: Option<TenantId>) -> Result<NewKey, Error> {
        let (id, bytes) = (
            KeyId(Uuid::new_v4()),
            Zeroizing::new(rand::random::<[u8; KEY]>()),
        );
        let (wrapped_by, wrapped) = self.wrap(owner, id, &bytes)?;
        self.keep(id, Arc::new(SecretKey::new(&bytes)));
        Ok(NewKey {
            id,
            owner,
            wrapped,
            wrapped_by,
        })
    }

    /// The data key of a row.
    pub(super) fn unwrap(&self, row: &tenant_key::Model) -> Result<Arc<SecretKey>, Error> {
        let id = KeyId(row.id);
        let known = self.unwrapped().get(&id).cloned();
        if let Some(key) = known {
            return Ok(key);
        }
        let key = Arc::new(SecretKey::new(&*self.open(row)?));
        self.keep(id, key.clone());
        Ok(key)
    }

    /// The data key of a row, wrapped by the newest key-encryption key where it is not yet.
    pub(super) fn wrap_again(
        &self,
        row: &tenant_key::Model,
    ) -> Result<Option<(String, Vec<u8>)>, Error> {
        if self.newest()?.id == row.wrapped_by {
            return Ok(None);
        }
        let owner = row.tenant_id.map(TenantId);
        self.wrap(owner, KeyId(row.id), &*self.open(row)?).map(Some)
    }

    fn wrap(
        &self,
        owner: Option<TenantId>,
        id: KeyId,
        bytes: &[u8; KEY],
    ) -> Result<(String, Vec<u8>), Error> {
        let wrapping = self.newest()?;
        let data = associated_data(owner, id, &wrapping.id);
        let encrypted = wrapping.key.encrypt(bytes, &data);
        let (nonce, encrypted) = encrypted.map_err(Error::internal)?;
        Ok((wrapping.id, [&nonce[..], &encrypted].concat()))
    }

    fn open(&self, row: &tenant_key::Model) -> Result<Zeroizing<[u8; KEY]>, Error> {
        let wrapping = self.find(&row.wrapped_by).ok_or_else(|| {
            let detail = format!("the key-encryption key {} is not there", row.wrapped_by);
            unavailable("the key of this tenant can't be used now").with_source(detail)
        })?;
        let wrapped = row.wrapped.as_deref().unwrap_or_default();
        let data = associated_data(row.tenant_id.map(TenantId), KeyId(row.id), &wrapping.id);
        let bytes = wrapped
            .split_at_checked(24)
            .and_then(|(nonce, encrypted)| wrapping.key.decrypt(nonce, encrypted, &data).ok())
            .map(Zeroizing::new);
        bytes
            .and_then(|bytes| <[u8; KEY]>::try_from(bytes.as_slice()).ok())
            .map(Zeroizing::new)
            .ok_or_else(|| {
                let detail = format!("the data key {} is not what was wrapped", row.id);
                Error::decryption_failed(detail)
            })
    }

    fn keep(&self, id: KeyId, key: Arc<SecretKey>) {
        let mut unwrapped = self.unwrapped();
        if unwrapped.len() >= UNWRAPPED {
            unwrapped.clear();
        }
        unwrapped.insert(id, key);
    }

    fn unwrapped(&self) -> std::sync::MutexGuard<'_, HashMap<KeyId, Arc<SecretKey>>> {
        let unwrapped = self.0.unwrapped.lock();
        unwrapped.unwrap_or_else(PoisonError::into_inner)
    }
}

/// Binds a wrapped key to its tenant, its row and the key that wraps it.
fn associated_data(owner: Option<TenantId>, id: KeyId, wrapped_by: &str) -> Vec<u8> {
    let row = Row {
        tenant: owner,
        table: "tenant_keys",
        id: id.0,
    };
    let pointer = &format!("/wrapped/{wrapped_by}");
    Place { row, pointer }.associated_data(id)
}

pub(super) fn unavailable(detail: &str) -> Error {
    Error::unavailable("encryption_unavailable", detail, RETRY_AFTER)
}

#[cfg(test)]
mod tests;
