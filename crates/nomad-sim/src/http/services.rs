//! `/v1/services` and `/v1/service/…`: who offers what.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::answer::{Answer, ApiError};
use super::blocking;
use super::call::Call;

pub async fn list(call: &Call) -> Result<Answer, ApiError> {
    call.only(&["GET"])?;
    blocking::read(call, |cluster| {
        let mut namespaces: BTreeMap<&str, BTreeMap<&str, BTreeSet<&str>>> = BTreeMap::new();
        for service in cluster
            .services
            .values()
            .filter(|service| call.covers(&service.key.namespace))
        {
            let tags = namespaces
                .entry(&service.key.namespace)
                .or_default()
                .entry(&service.name)
                .or_default();
            tags.extend(service.tags.iter().map(String::as_str));
        }
        let found = namespaces.into_iter().map(|(namespace, services)| {
            let services: Vec<Value> = services
                .into_iter()
                .map(|(name, tags)| json!({"ServiceName": name, "Tags": tags}))
                .collect();
            json!({"Namespace": namespace, "Services": services})
        });
        (cluster.tables.services, Ok(found.collect::<Vec<_>>()))
    })
    .await
}

pub async fn read(call: &Call, name: &str) -> Result<Answer, ApiError> {
    call.only(&["GET"])?;
    blocking::read(call, |cluster| {
        let found = cluster
            .services
            .values()
            .filter(|service| service.name == name && call.covers(&service.key.namespace));
        (
            cluster.tables.services,
            Ok(found
                .map(|service| service.to_json(&cluster.node))
                .collect::<Vec<_>>()),
        )
    })
    .await
}
