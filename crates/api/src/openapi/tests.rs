use std::collections::BTreeSet;

use super::*;
use crate::routes::{IN_TENANT, URL_MAP, inside_tenant};

#[test]
fn the_description_names_exactly_the_routes_of_the_url_map() {
    let described: BTreeSet<_> = document()
        .paths
        .paths
        .iter()
        .flat_map(|(path, item)| {
            operations(item).map(move |(method, _)| (path.clone(), method.to_lowercase()))
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
