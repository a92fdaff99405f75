//! What tells requests and specifications apart without keeping them: an HMAC under a key of the server, because a body can
//! hold a password, and the database must not help to guess it.

use domain::Error;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use sha2::Sha256;

/// Tells requests apart without keeping them.
#[derive(Clone, Debug)]
pub struct Fingerprints(SecretString);

impl Fingerprints {
    /// Made with `secret`, which every replica shares.
    pub fn new(secret: SecretString) -> Self {
        Self(secret)
    }

    /// Tells a request from every other.
    ///
    /// # Errors
    /// Only for a defect of the library.
    pub fn of_request(&self, method: &str, path: &str, body: &Value) -> Result<Vec<u8>, Error> {
        self.of_parts(["idempotency", method, path, &body.to_string()])
    }

    /// Tells apart what decides what runs, in 64 hexadecimal digits: secret values are part of it, so nobody may guess them
    /// from it.
    pub(crate) fn of_spec(&self, spec: &Value) -> Result<String, Error> {
        let fingerprint = self.of_parts(["spec", "", "", &spec.to_string()])?;
        Ok(hex::encode(fingerprint))
    }

    fn of_parts(&self, parts: [&str; 4]) -> Result<Vec<u8>, Error> {
        let key = self.0.expose_secret().as_bytes();
        let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(Error::internal)?;
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        Ok(mac.finalize().into_bytes().to_vec())
    }
}
