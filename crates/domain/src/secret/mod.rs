//! Secret values of a configuration: which ones they are, what an answer shows in their place, what it means to send that
//! back, and where a ciphertext belongs. A configuration is JSON here, because templates are no
//! [`ServiceConfig`](crate::ServiceConfig) before they are filled. Encryption itself stands behind [`Cipher`].

mod marker;
mod places;
mod redact;
mod sealed;
mod shown;
#[cfg(test)]
mod tests;

pub(crate) use marker::restore;
pub use marker::{MARKER, mask};
pub use places::{Holder, in_config, secret_pointers};
pub(crate) use places::{may_be_secret, refuse_sealed};
pub use redact::redact;
pub use sealed::{
    Cipher, KeyId, Place, Row, SEALED, Sealed, open, open_all, open_text, seal, seal_all,
    sealed_keys,
};

pub use shown::ShownConfig;

use crate::Result;

/// The values a configuration has at this moment, by their pointers within it.
pub trait CurrentValues {
    /// The text at `pointer` (`/environment/PASSWORD`), where there is one.
    ///
    /// # Errors
    /// `decryption_failed`.
    fn value(&self, pointer: &str) -> Result<Option<String>>;
}

/// What is being made has no values yet.
#[derive(Clone, Copy, Debug)]
pub struct NoValues;

impl CurrentValues for NoValues {
    fn value(&self, _: &str) -> Result<Option<String>> {
        Ok(None)
    }
}
