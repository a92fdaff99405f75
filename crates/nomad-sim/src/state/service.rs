//! Nomad's own service discovery: who serves what where.

use serde_json::{Value, json};
use uuid::Uuid;

use super::job::JobKey;
use super::node::Node;

#[derive(Clone, Debug)]
pub struct ServiceRegistration {
    pub id: String,
    pub name: String,
    pub key: JobKey,
    pub allocation: Uuid,
    pub port: u16,
    pub tags: Vec<String>,
    pub index: u64,
}

impl ServiceRegistration {
    pub fn to_json(&self, node: &Node) -> Value {
        json!({
            "Address": "127.0.0.1", "AllocID": self.allocation, "CreateIndex": self.index, "Datacenter": node.datacenter, "ID": self.id,
            "JobID": self.key.id, "ModifyIndex": self.index, "Namespace": self.key.namespace, "NodeID": node.id, "Port": self.port,
            "ServiceName": self.name, "Tags": self.tags,
        })
    }
}
