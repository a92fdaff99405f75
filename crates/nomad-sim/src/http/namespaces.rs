//! `/v1/namespaces` and `/v1/namespace/…`.

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::answer::{Answer, ApiError};
use super::blocking;
use super::call::Call;
use crate::admission::Findings;
use crate::state::Cluster;
use crate::state::namespace::Namespace;

pub async fn list(call: &Call) -> Result<Answer, ApiError> {
    call.only(&["GET"])?;
    let prefix = call.query("prefix").unwrap_or_default();
    blocking::read(call, |cluster| {
        let found = cluster
            .namespaces
            .values()
            .filter(|namespace| namespace.name.starts_with(prefix));
        (
            cluster.tables.namespaces,
            Ok(found.cloned().collect::<Vec<_>>()),
        )
    })
    .await
}

pub async fn route(call: &Call, name: &str) -> Result<Answer, ApiError> {
    match call.method.as_str() {
        "GET" if !name.is_empty() => {
            blocking::read(call, |cluster| match cluster.namespaces.get(name) {
                Some(namespace) => (namespace.modify_index, Ok(namespace.clone())),
                None => (
                    cluster.tables.namespaces,
                    Err("Namespace not found".to_owned()),
                ),
            })
            .await
        }
        "PUT" | "POST" => put(call, name),
        "DELETE" if !name.is_empty() => {
            let index = call
                .agent
                .write(|cluster| delete(cluster, name))
                .map_err(ApiError::Failed)?;
            Ok(Answer::empty(index))
        }
        _ => Err(ApiError::InvalidMethod),
    }
}

/// Replaces the namespace as a whole, or makes it.
fn put(call: &Call, name: &str) -> Result<Answer, ApiError> {
    let body: Value = call.json()?;
    let mut namespace: Namespace =
        serde_json::from_value(body).map_err(|error| ApiError::Bad(format!("json: {error}")))?;
    if !name.is_empty() && namespace.name != name {
        return Err(ApiError::Bad(
            "Namespace name does not match request path".to_owned(),
        ));
    }
    let valid = (1..=128).contains(&namespace.name.len())
        && namespace
            .name
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || letter == '-');
    if !valid {
        let finding = Findings(vec![format!(
            "invalid name {:?}. Must match regex ^[a-zA-Z0-9-]{{1,128}}$",
            namespace.name
        )]);
        return Err(ApiError::Failed(format!(
            "Invalid namespace {:?}: {}",
            namespace.name,
            finding.text()
        )));
    }
    let index = call.agent.write(|cluster| {
        let index = cluster.advance();
        cluster.tables.namespaces = index;
        namespace.create_index = cluster
            .namespaces
            .get(&namespace.name)
            .map_or(index, |existing| existing.create_index);
        namespace.modify_index = index;
        let digest = Sha256::digest(format!(
            "{}\0{}\0{:?}\0{:?}",
            namespace.name, namespace.description, namespace.meta, namespace.capabilities
        ));
        namespace.hash = hex::encode(digest);
        cluster.namespaces.insert(namespace.name.clone(), namespace);
        index
    });
    Ok(Answer::empty(index))
}

/// Deletes a namespace in which nothing lives. Its dead jobs stay, and belong to whoever takes the name next.
fn delete(cluster: &mut Cluster, name: &str) -> Result<u64, String> {
    if name == "default" {
        return Err("can not delete default namespace".to_owned());
    }
    if !cluster.namespaces.contains_key(name) {
        return Err("namespace not found".to_owned());
    }
    let mut findings = Findings::default();
    let alive = |status: crate::state::job::JobStatus| status != crate::state::job::JobStatus::Dead;
    if cluster
        .jobs
        .iter()
        .any(|(key, job)| key.namespace == name && alive(job.current.status))
    {
        findings.0.push(format!(
            "namespace {name:?} has non-terminal jobs in regions: [global]"
        ));
    }
    if cluster
        .allocations
        .values()
        .any(|allocation| allocation.key.namespace == name && !allocation.is_terminal())
    {
        findings.0.push(format!(
            "namespace {name:?} has non-terminal allocations in regions: [global]"
        ));
    }
    if cluster
        .variables
        .keys()
        .any(|(namespace, _)| namespace == name)
    {
        findings.0.push(format!(
            "namespace {name:?} has variables associated with it in regions: [global]"
        ));
    }
    if !findings.0.is_empty() {
        return Err(findings.text());
    }
    let index = cluster.advance();
    cluster.tables.namespaces = index;
    cluster.namespaces.remove(name);
    Ok(index)
}
