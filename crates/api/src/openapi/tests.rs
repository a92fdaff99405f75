use std::collections::BTreeSet;

use super::*;
use crate::routes::URL_MAP;

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
        .collect();
    assert_eq!(described, served);
}
