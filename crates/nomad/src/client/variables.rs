//! Nomad variables: small encrypted maps at a path, written with compare-and-set. Their items are secrets.

use std::collections::BTreeMap;

use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;

use super::{Indexed, NamespaceClient, Result, identifiers, nullable::null_as_default};

/// A variable without its items, as lists show it.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(default, rename_all = "PascalCase")]
pub struct VariableStub {
    /// Letters, digits and `-_~/`, at most 128.
    pub path: String,
    /// Its namespace.
    pub namespace: String,
    /// Its first index.
    pub create_index: u64,
    /// Its last index: what a later write enforces.
    pub modify_index: u64,
}

/// A variable.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Variable {
    /// Everything but the items.
    #[serde(flatten)]
    pub stub: VariableStub,
    /// The items; never printed.
    #[serde(deserialize_with = "null_as_default")]
    pub items: BTreeMap<String, SecretString>,
}

impl NamespaceClient {
    /// One variable.
    ///
    /// # Errors
    /// [`NotFound`](super::ErrorKind::NotFound), or another kind.
    pub async fn variable(&self, path: &str) -> Result<Indexed<Variable>> {
        let path = ["var", identifiers::segment("variable path", path)?];
        self.read(&path).json().await
    }

    /// The variables whose path begins with `prefix`, without their items.
    ///
    /// # Errors
    /// Any kind but [`NotFound`](super::ErrorKind::NotFound).
    pub async fn variables(&self, prefix: &str) -> Result<Indexed<Vec<VariableStub>>> {
        let call = self.read(&["vars"]).query("prefix", prefix);
        let list = call.json::<Option<Vec<VariableStub>>>().await?;
        Ok(list.map(Option::unwrap_or_default))
    }

    /// Writes a variable whole: at least one item, 64 KiB in all. With `enforce_index` only if the variable's modify
    /// index is that one; 0 means only if there is none.
    ///
    /// # Errors
    /// [`VariableConflict`](super::ErrorKind::VariableConflict), [`Invalid`](super::ErrorKind::Invalid), or another kind.
    pub async fn write_variable(
        &self,
        path: &str,
        items: &BTreeMap<String, SecretString>,
        enforce_index: Option<u64>,
    ) -> Result<VariableStub> {
        let segments = ["var", identifiers::segment("variable path", path)?];
        let exposed: BTreeMap<&str, &str> = items
            .iter()
            .map(|(key, value)| (key.as_str(), value.expose_secret()))
            .collect();
        let mut call = self.write(Method::PUT, &segments);
        if let Some(index) = enforce_index {
            call = call.query("cas", index);
        }
        Ok(call.body(json!({ "Items": exposed })).json().await?.value)
    }

    /// Deletes a variable; an absent one is no error. With `enforce_index` only if its modify index is that one.
    ///
    /// # Errors
    /// [`VariableConflict`](super::ErrorKind::VariableConflict), or another kind.
    pub async fn delete_variable(&self, path: &str, enforce_index: Option<u64>) -> Result<()> {
        let segments = ["var", identifiers::segment("variable path", path)?];
        let mut call = self.write(Method::DELETE, &segments);
        if let Some(index) = enforce_index {
            call = call.query("cas", index);
        }
        call.done().await
    }
}
