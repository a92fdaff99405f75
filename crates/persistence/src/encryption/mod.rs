//! Encryption of secret values. Each tenant has a data key of its own, wrapped by a key-encryption key that is never in the
//! database; the platform has one for what belongs to no tenant. Whoever writes encrypted values holds the tenant's key
//! lock, shared, from before it reads the keys until it commits; a rotation takes it exclusively to change them. So nothing
//! is ever encrypted under a key that has ceased to be the active one.

mod keyring;
mod keys;
mod readiness;
mod rotation;
mod standing;
mod tenant_keys;

pub use keyring::{KeyEncryptionKey, Keyring};
pub use readiness::Readiness;
pub use rotation::Rotated;
pub use standing::{KeyCount, KeyStanding, Retired};
pub use tenant_keys::StoredConfig;
pub(crate) use tenant_keys::{
    TenantKeys, insert_keys, key_statements, keys_of_tenants, service_row, task_row,
};
