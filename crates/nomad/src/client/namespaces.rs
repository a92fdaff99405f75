//! Namespaces. A write replaces the whole namespace, so fields this client does not know are carried along.

use std::collections::BTreeMap;

use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Client, Indexed, Result, identifiers, nullable::null_as_default};

/// One namespace.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Namespace {
    /// Letters, digits and hyphens, at most 128.
    pub name: String,
    /// For people.
    pub description: String,
    /// For programs.
    #[serde(deserialize_with = "null_as_default")]
    pub meta: BTreeMap<String, String>,
    /// What its jobs may use; without it, everything.
    pub capabilities: Option<Capabilities>,
    /// Every other field, so that writing back what was read loses nothing.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// What the jobs of a namespace may use. An empty list restricts nothing.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Capabilities {
    /// Only these drivers.
    #[serde(deserialize_with = "null_as_default")]
    pub enabled_task_drivers: Vec<String>,
    /// All but these drivers.
    #[serde(deserialize_with = "null_as_default")]
    pub disabled_task_drivers: Vec<String>,
    /// Only these network modes.
    #[serde(deserialize_with = "null_as_default")]
    pub enabled_network_modes: Vec<String>,
    /// All but these network modes.
    #[serde(deserialize_with = "null_as_default")]
    pub disabled_network_modes: Vec<String>,
}

impl Client {
    /// The namespaces the token may see, by name.
    ///
    /// # Errors
    /// Any kind but [`NotFound`](super::ErrorKind::NotFound).
    pub async fn namespaces(&self) -> Result<Indexed<Vec<Namespace>>> {
        let call = self.call(Method::GET, &["namespaces"]);
        let list = call.json::<Option<Vec<Namespace>>>().await?;
        Ok(list.map(Option::unwrap_or_default))
    }

    /// One namespace.
    ///
    /// # Errors
    /// [`NotFound`](super::ErrorKind::NotFound), or another kind.
    pub async fn namespace(&self, name: &str) -> Result<Indexed<Namespace>> {
        let path = ["namespace", identifiers::segment("namespace", name)?];
        self.call(Method::GET, &path).json().await
    }

    /// Creates a namespace or replaces it whole.
    ///
    /// # Errors
    /// [`Invalid`](super::ErrorKind::Invalid), [`PermissionDenied`](super::ErrorKind::PermissionDenied) (only a
    /// management token may), or another kind.
    pub async fn write_namespace(&self, namespace: &Namespace) -> Result<()> {
        let path = [
            "namespace",
            identifiers::segment("namespace", &namespace.name)?,
        ];
        self.call(Method::PUT, &path)
            .body(json!(namespace))
            .done()
            .await
    }

    /// Deletes a namespace. Its dead jobs stay behind for whoever takes the name next: purge them first.
    ///
    /// # Errors
    /// [`NotFound`](super::ErrorKind::NotFound), [`NamespaceInUse`](super::ErrorKind::NamespaceInUse), or another kind.
    pub async fn delete_namespace(&self, name: &str) -> Result<()> {
        let path = ["namespace", identifiers::segment("namespace", name)?];
        self.call(Method::DELETE, &path).done().await
    }
}
