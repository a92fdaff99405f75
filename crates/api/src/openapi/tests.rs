mod bodies;

use std::collections::BTreeSet;

use serde_json::Value;

use super::*;
use crate::{
    edge::compression::SECRET_ANSWERS,
    paths::inside_tenant,
    routes::{IN_TENANT, URL_MAP},
};

/// `UPDATE_GOLDEN=1` writes it down anew.
#[test]
fn the_description_is_written_down() {
    let made = serde_json::to_string_pretty(&document()).unwrap() + "\n";
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/src/openapi/description.json");
        std::fs::write(file, made).unwrap();
        return;
    }
    let (mut written, mut lines) = (WRITTEN.lines(), made.lines());
    let differs = written.by_ref().zip(lines.by_ref()).find(|(a, b)| a != b);
    let how = "UPDATE_GOLDEN=1 cargo test --package nomad-services --lib written_down";
    assert_eq!(differs, None, "write it down anew: {how}");
    assert_eq!(WRITTEN.len(), made.len(), "write it down anew: {how}");
}

#[test]
fn what_is_served_is_what_is_written_without_white_space() {
    assert_eq!(compact(), serde_json::to_string(&document()).unwrap());
}

#[test]
fn the_description_names_exactly_the_routes_of_the_url_map() {
    let described: BTreeSet<_> = document()
        .paths
        .paths
        .iter()
        .flat_map(|(path, item)| {
            operations(item).map(move |(method, _)| (path.clone(), method.as_str().to_lowercase()))
        })
        .collect();
    let served: BTreeSet<_> = URL_MAP
        .iter()
        .flat_map(|(path, methods)| {
            methods
                .iter()
                .map(move |method| ((*path).to_owned(), (*method).to_owned()))
        })
        .chain(
            IN_TENANT
                .iter()
                .map(|path| (inside_tenant(path), "get".to_owned())),
        )
        .collect();
    assert_eq!(described, served);
}

#[test]
fn every_operation_has_an_id_of_its_own() {
    let document = document();
    let mut ids: Vec<_> = document
        .paths
        .paths
        .values()
        .flat_map(operations)
        .map(|(_, operation)| operation.operation_id.clone())
        .collect();
    let count = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), count);
}

/// Whether a schema has one of these properties, at any depth.
fn has_property(document: &Value, schema: &Value, names: &[&str]) -> bool {
    if let Some(reference) = schema["$ref"].as_str() {
        let referred = document.pointer(reference.trim_start_matches('#'));
        return referred.is_some_and(|schema| has_property(document, schema, names));
    }
    match schema {
        Value::Object(fields) => {
            let properties = fields.get("properties").and_then(Value::as_object);
            let named = properties.is_some_and(|properties| {
                let mut properties = properties.keys();
                properties.any(|name| names.contains(&name.as_str()))
            });
            let mut below = fields.iter().filter(|(name, _)| *name != "example");
            named || below.any(|(_, below)| has_property(document, below, names))
        }
        Value::Array(schemas) => {
            let mut schemas = schemas.iter();
            schemas.any(|schema| has_property(document, schema, names))
        }
        _ => false,
    }
}

#[test]
fn every_answer_that_tells_a_secret_is_known_as_one_that_is_not_compressed() {
    const SECRET: [&str; 4] = ["token", "refresh_token", "key", "values"];
    let document = serde_json::to_value(document()).unwrap();
    let mut telling = BTreeSet::new();
    // What is read never tells a secret, so only what is made can.
    for (path, item) in document["paths"].as_object().unwrap() {
        for status in ["200", "201", "202"] {
            let answer = &item["post"]["responses"][status]["content"];
            if has_property(&document, answer, &SECRET) {
                telling.insert(("POST", path.as_str()));
            }
        }
    }
    assert_eq!(telling, BTreeSet::from(SECRET_ANSWERS));
}
