//! Tokens that work once, refresh tokens and invitations: 256 random bits that mean something to the database alone, which
//! keeps their hash.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

/// Such a token, as its owner holds it.
#[derive(Clone, Debug)]
pub struct OneTimeToken(SecretString);

impl OneTimeToken {
    /// A new one, from the system's random numbers.
    pub fn generate() -> Self {
        let bytes: [u8; 32] = rand::random();
        Self(URL_SAFE_NO_PAD.encode(bytes).into())
    }

    /// What the database keeps: it is found by this, and can't be made from it.
    pub fn hash(&self) -> Vec<u8> {
        Sha256::digest(self.0.expose_secret().as_bytes()).to_vec()
    }

    /// The text its owner gets, once.
    pub fn reveal(&self) -> &str {
        self.0.expose_secret()
    }
}

impl From<String> for OneTimeToken {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}
