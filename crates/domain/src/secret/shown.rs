//! A service's configuration as an answer shows it. Most of what is asked for is configurations that nobody changes or
//! computes with, so that they go from the store to the answer as text, of which only what holds a secret is made anew.

use std::borrow::Cow;

use serde::{Deserialize, Serialize, de::MapAccess, ser::SerializeMap};
use serde_json::{Value, value::RawValue};

use super::{Holder, MARKER, SEALED, marker::mask_sealed, mask};
use crate::{Error, Result, ServiceConfig};

/// The configuration of a service as JSON, with the [marker](MARKER) in place of every secret value.
///
/// ```
/// use nomad_services_domain::secret::ShownConfig;
///
/// let stored = r#"{"image": "postgres:17", "environment": {"PASSWORD": "hunter2"}}"#;
/// let shown = ShownConfig::of_stored(stored)?;
/// assert_eq!(shown.as_str(), r#"{"image":"postgres:17","environment":{"PASSWORD":"**********"}}"#);
/// assert_eq!(shown.read()?.image.as_deref(), Some("postgres:17"));
/// # Ok::<(), nomad_services_domain::Error>(())
/// ```
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct ShownConfig(Box<RawValue>);

impl ShownConfig {
    /// Of the JSON that is stored for a service.
    ///
    /// # Errors
    /// It is no JSON object.
    pub fn of_stored(stored: &str) -> Result<Self> {
        let fields: Fields = serde_json::from_str(stored).map_err(Error::internal)?;
        // What is marked stands anywhere, and a name that is written with escapes could be any.
        if fields.has("sensitive") || fields.has(SEALED) || stored.contains("\\u") {
            let mut config = serde_json::from_str(stored).map_err(Error::internal)?;
            mask(&mut config, Holder::Service);
            return raw(&config);
        }
        raw(&Masked(&fields))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        self.0.get()
    }

    /// What it says. The secret values are not in it.
    ///
    /// # Errors
    /// It was stored by somebody who checks less.
    pub fn read(&self) -> Result<ServiceConfig> {
        serde_json::from_str(self.0.get()).map_err(Error::internal)
    }
}

impl PartialEq for ShownConfig {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

fn raw(shown: &impl Serialize) -> Result<ShownConfig> {
    let shown = serde_json::value::to_raw_value(shown);
    shown.map(ShownConfig).map_err(Error::internal)
}

/// The fields of an object, in order, each value as text.
struct Fields<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl Fields<'_> {
    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(field, _)| field == name)
    }
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Fields<'de>;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Fields<'de>, M::Error> {
                let mut fields = Vec::with_capacity(8);
                while let Some((Name(name), value)) = map.next_entry()? {
                    fields.push((name, value));
                }
                Ok(Fields(fields))
            }
        }

        deserializer.deserialize_map(Visitor)
    }
}

#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// A configuration, masked.
struct Masked<'a>(&'a Fields<'a>);

impl Serialize for Masked<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::Error as _;
        let mut map = serializer.serialize_map(Some(self.0.0.len()))?;
        for (name, value) in &self.0.0 {
            if name == "environment" && value.get().starts_with('{') {
                let values: Fields = serde_json::from_str(value.get()).map_err(S::Error::custom)?;
                match values.has(SEALED) {
                    true => map.serialize_entry(name, MARKER)?,
                    false => map.serialize_entry(name, &Environment(&values))?,
                }
            } else {
                map.serialize_entry(name, &Unsealed(value))?;
            }
        }
        map.end()
    }
}

/// An environment, each text of which is secret.
struct Environment<'a>(&'a Fields<'a>);

impl Serialize for Environment<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.0.len()))?;
        for (name, value) in &self.0.0 {
            if value.get().starts_with('"') {
                map.serialize_entry(name, MARKER)?;
            } else {
                map.serialize_entry(name, &Unsealed(value))?;
            }
        }
        map.end()
    }
}

/// A value of which nothing is secret but what is sealed.
struct Unsealed<'a>(&'a RawValue);

impl Serialize for Unsealed<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::Error as _;
        let text = self.0.get();
        if text.starts_with(r#"{"$enc""#) {
            return MARKER.serialize(serializer);
        }
        if !text.contains(SEALED) {
            return self.0.serialize(serializer);
        }
        let mut value: Value = serde_json::from_str(text).map_err(S::Error::custom)?;
        mask_sealed(&mut value);
        value.serialize(serializer)
    }
}
