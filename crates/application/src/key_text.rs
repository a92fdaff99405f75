//! The text of API keys: made from the system's random numbers, kept as a hash, and found by it. A key has 256 random bits, so a
//! fast hash is enough.

use domain::api_key::ApiKeyText;
use sha2::{Digest, Sha256};

/// A new key.
pub(crate) fn generate() -> ApiKeyText {
    ApiKeyText::from_random(rand::random(), rand::random())
}

/// What the database keeps of a key: it is found by this, and can't be made from it.
pub(crate) fn stored(key: &ApiKeyText) -> String {
    let digest = Sha256::digest(key.expose().as_bytes());
    format!("{}${}", key.public_id(), hex::encode(digest))
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
