//! Nomad writes an empty list, map or object as `null`, or leaves it out; both read as the empty value.

use serde::{Deserialize, Deserializer};

/// For `#[serde(deserialize_with)]`: `null` becomes the default value.
pub fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
