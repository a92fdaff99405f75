//! XChaCha20-Poly1305 under one key: its nonces are long enough to be random, however many values a key encrypts.

use std::fmt;

use chacha20poly1305::{
    Key, XChaCha20Poly1305, XNonce,
    aead::{Aead, KeyInit, Payload},
};

const NONCE: usize = 24;

/// The length of every key, in bytes.
pub(super) const KEY: usize = 32;

/// What was to be decrypted was not encrypted under this key, for this place, or not at all.
#[derive(Debug, thiserror::Error)]
#[error("its authentication tag does not fit")]
pub(super) struct NotAuthentic;

/// A key, ready to be used. It is wiped from memory when it is dropped.
pub(super) struct SecretKey(XChaCha20Poly1305);

impl fmt::Debug for SecretKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SecretKey(..)")
    }
}

impl SecretKey {
    pub(super) fn new(bytes: &[u8; KEY]) -> Self {
        Self(XChaCha20Poly1305::new(&Key::from(*bytes)))
    }

    /// The nonce and the ciphertext with its tag.
    pub(super) fn encrypt(
        &self,
        text: &[u8],
        associated_data: &[u8],
    ) -> Result<([u8; NONCE], Vec<u8>), NotAuthentic> {
        let nonce: [u8; NONCE] = rand::random();
        let payload = Payload {
            msg: text,
            aad: associated_data,
        };
        let encrypted = self.0.encrypt(&XNonce::from(nonce), payload);
        Ok((nonce, encrypted.map_err(|_| NotAuthentic)?))
    }

    /// The text, if it was encrypted with these very associated data.
    pub(super) fn decrypt(
        &self,
        nonce: &[u8],
        encrypted: &[u8],
        associated_data: &[u8],
    ) -> Result<Vec<u8>, NotAuthentic> {
        let nonce: [u8; NONCE] = nonce.try_into().map_err(|_| NotAuthentic)?;
        let payload = Payload {
            msg: encrypted,
            aad: associated_data,
        };
        let decrypted = self.0.decrypt(&XNonce::from(nonce), payload);
        decrypted.map_err(|_| NotAuthentic)
    }
}
