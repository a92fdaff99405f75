//! Namespaces, and what they forbid.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Capabilities {
    pub disabled_network_modes: Option<Vec<String>>,
    pub disabled_task_drivers: Option<Vec<String>>,
    pub enabled_network_modes: Option<Vec<String>>,
    pub enabled_task_drivers: Option<Vec<String>>,
}

fn allows(name: &str, enabled: Option<&Vec<String>>, disabled: Option<&Vec<String>>) -> bool {
    let contains = |names: Option<&Vec<String>>| {
        names.is_some_and(|names| names.iter().any(|listed| listed == name))
    };
    !contains(disabled) && (enabled.is_none_or(Vec::is_empty) || contains(enabled))
}

impl Capabilities {
    pub fn allows_driver(&self, name: &str) -> bool {
        allows(
            name,
            self.enabled_task_drivers.as_ref(),
            self.disabled_task_drivers.as_ref(),
        )
    }

    pub fn allows_network_mode(&self, name: &str) -> bool {
        allows(
            name,
            self.enabled_network_modes.as_ref(),
            self.disabled_network_modes.as_ref(),
        )
    }
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Namespace {
    pub capabilities: Option<Capabilities>,
    pub consul_configuration: Option<Value>,
    pub create_index: u64,
    pub description: String,
    pub hash: String,
    pub meta: Option<BTreeMap<String, String>>,
    pub modify_index: u64,
    pub name: String,
    pub node_pool_configuration: Option<Value>,
    pub optional_extra_claims: Option<Value>,
    pub quota: String,
    pub required_extra_claims: Option<Value>,
    pub vault_configuration: Option<Value>,
}

impl Namespace {
    pub fn default_namespace() -> Self {
        Self {
            create_index: 1,
            modify_index: 1,
            description: "Default shared namespace".to_owned(),
            name: "default".to_owned(),
            ..Self::default()
        }
    }
}
