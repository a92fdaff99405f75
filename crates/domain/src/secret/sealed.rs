//! Encrypted values: what takes their place in JSON, and what binds each to its place.

use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Holder, secret_pointers};
use crate::{Error, Result, TenantId, pointer::child};

/// The name that makes an object an encrypted value: `{"$enc": {"v", "kid", "n", "ct"}}`.
pub const SEALED: &str = "$enc";

const VERSION: u8 = 1;

/// Names a data key.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct KeyId(pub Uuid);

impl fmt::Display for KeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// An encrypted value.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Sealed {
    /// The form of it all: 1.
    pub v: u8,
    /// The data key.
    pub kid: KeyId,
    /// The nonce, in base64.
    pub n: String,
    /// The ciphertext with its tag, in base64.
    pub ct: String,
}

impl Sealed {
    /// Encrypted under `kid`.
    pub fn new(kid: KeyId, n: String, ct: String) -> Self {
        let v = VERSION;
        Self { v, kid, n, ct }
    }

    /// What `value` holds, where it is an encrypted value of a form that is known.
    pub fn of(value: &Value) -> Option<Self> {
        let sealed: Self = serde_json::from_value(value.get(SEALED)?.clone()).ok()?;
        (sealed.v == VERSION).then_some(sealed)
    }

    fn into_value(self) -> Value {
        json!({SEALED: self})
    }
}

/// A row with encrypted values.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Row {
    /// Whose it is; the platform's own has no tenant.
    pub tenant: Option<TenantId>,
    /// Its table.
    pub table: &'static str,
    /// Its identifier.
    pub id: Uuid,
}

/// Where an encrypted value stands.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Place<'a> {
    /// The row.
    pub row: Row,
    /// A JSON pointer whose first segment is the column: `/config/environment/PASSWORD`.
    pub pointer: &'a str,
}

impl Place<'_> {
    /// What is authenticated along with a value that stands here and is encrypted under `kid`: two places never have the
    /// same, because the length of each part stands before it.
    ///
    /// ```
    /// use nomad_services_domain::secret::{KeyId, Place, Row};
    /// use uuid::Uuid;
    ///
    /// let row = Row { tenant: None, table: "services", id: Uuid::nil() };
    /// let of = |pointer| Place { row, pointer }.associated_data(KeyId(Uuid::nil()));
    /// assert_ne!(of("/config/environment/A"), of("/config/environment/B"));
    /// ```
    pub fn associated_data(&self, kid: KeyId) -> Vec<u8> {
        let Row { tenant, table, id } = self.row;
        let tenant = tenant.map(|tenant| *tenant.0.as_bytes());
        let parts: [&[u8]; 6] = [
            &[VERSION],
            tenant.as_ref().map_or(&[], |tenant| &tenant[..]),
            table.as_bytes(),
            id.as_bytes(),
            self.pointer.as_bytes(),
            kid.0.as_bytes(),
        ];
        let mut data = Vec::new();
        for part in parts {
            data.extend((part.len() as u64).to_be_bytes());
            data.extend(part);
        }
        data
    }
}

/// Encrypts and decrypts the values of one tenant, or of the platform.
pub trait Cipher {
    /// Encrypts `text`, which is to stand at `place`.
    ///
    /// # Errors
    /// `encryption_unavailable` where there is no key.
    fn seal(&self, place: &Place<'_>, text: &str) -> Result<Sealed>;

    /// Decrypts what stands at `place`.
    ///
    /// # Errors
    /// `decryption_failed` for whatever was not encrypted to stand there.
    fn open(&self, place: &Place<'_>, sealed: &Sealed) -> Result<String>;
}

/// Encrypts a whole value, which is to stand in the column at `pointer`.
///
/// # Errors
/// As [`Cipher::seal`].
pub fn seal(value: &Value, row: Row, pointer: &str, cipher: &impl Cipher) -> Result<Value> {
    let place = Place { row, pointer };
    Ok(cipher.seal(&place, &value.to_string())?.into_value())
}

/// What [`seal`] has encrypted; a value from before there was encryption is taken as it stands.
///
/// # Errors
/// As [`Cipher::open`].
pub fn open(value: &Value, row: Row, pointer: &str, cipher: &impl Cipher) -> Result<Value> {
    if value.get(SEALED).is_none() {
        return Ok(value.clone());
    }
    let text = open_text(value, &Place { row, pointer }, cipher)?;
    serde_json::from_str(&text).map_err(Error::internal)
}

/// Encrypts every secret value of a configuration, which is to stand in the column `config`.
///
/// # Errors
/// As [`Cipher::seal`].
pub fn seal_all(config: &mut Value, holder: Holder, row: Row, cipher: &impl Cipher) -> Result<()> {
    for pointer in secret_pointers(config, holder) {
        let Some(value) = config.pointer_mut(&pointer) else {
            continue;
        };
        if let Value::String(text) = value {
            let pointer = &format!("/config{pointer}");
            let sealed = cipher.seal(&Place { row, pointer }, text)?;
            *value = sealed.into_value();
        }
    }
    Ok(())
}

/// Decrypts every value of a configuration that is encrypted. What is not, is from before there was encryption.
///
/// # Errors
/// As [`Cipher::open`].
pub fn open_all(config: &mut Value, row: Row, cipher: &impl Cipher) -> Result<()> {
    open_within(config, row, "/config", cipher)
}

fn open_within(value: &mut Value, row: Row, pointer: &str, cipher: &impl Cipher) -> Result<()> {
    match value {
        Value::Object(fields) if fields.contains_key(SEALED) => {
            *value = open_text(value, &Place { row, pointer }, cipher)?.into();
        }
        Value::Object(fields) => {
            for (name, value) in fields {
                open_within(value, row, &child(pointer, name), cipher)?;
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                open_within(item, row, &format!("{pointer}/{index}"), cipher)?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// Decrypts the one value that stands at `place`.
///
/// # Errors
/// As [`Cipher::open`]; also where `value` is not encrypted.
pub fn open_text(value: &Value, place: &Place<'_>, cipher: &impl Cipher) -> Result<String> {
    let unknown = || Error::decryption_failed("an encrypted value has no form that is known");
    cipher.open(place, &Sealed::of(value).ok_or_else(unknown)?)
}

/// The keys that values within `value` are encrypted under.
pub fn sealed_keys(value: &Value) -> BTreeSet<KeyId> {
    let within = |values: &mut dyn Iterator<Item = &Value>| values.flat_map(sealed_keys).collect();
    match value {
        Value::Object(fields) if fields.contains_key(SEALED) => Sealed::of(value)
            .map(|sealed| sealed.kid)
            .into_iter()
            .collect(),
        Value::Object(fields) => within(&mut fields.values()),
        Value::Array(items) => within(&mut items.iter()),
        _ => BTreeSet::new(),
    }
}
