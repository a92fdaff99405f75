//! The API's description, OpenAPI 3.1, made from the handlers themselves.
//!
//! A handler says in its `#[utoipa::path]` what is its own: method, path, body, the answer it gives, the refusals that only
//! it knows (a status and a description are enough). [`conventions`] adds what follows from the contract. The URL map in
//! `routes/mod.rs` names the handler once, for the server and for this description. What is neither a JSON body that a
//! handler builds nor a type of it stands in [`schemas`].

mod conventions;
pub mod schemas;

use std::{collections::HashMap, sync::LazyLock};

use utoipa::{
    Modify, OpenApi as _,
    openapi::{
        InfoBuilder, OpenApi, RefOr,
        path::{Operation, Parameter, ParameterIn, PathItem},
    },
};

use crate::routes::Routes;

/// The base of every path of the API proper.
pub const BASE: &str = "/api/v1";

/// Where the description is served.
pub const DOCUMENT_PATH: &str = "/api/v1/openapi.json";

static QUERY_PARAMETERS: LazyLock<HashMap<(String, String), Vec<String>>> = LazyLock::new(|| {
    let document = document();
    let operations = document.paths.paths.iter().flat_map(|(path, item)| {
        operations(item).map(move |(method, operation)| {
            let names = parameters(operation)
                .filter(|parameter| parameter.parameter_in == ParameterIn::Query)
                .map(|parameter| parameter.name.clone())
                .collect();
            ((method.to_owned(), path.clone()), names)
        })
    });
    operations
        .filter(|((_, path), _)| path.starts_with(BASE))
        .collect()
});

/// The whole description.
pub fn document() -> OpenApi {
    let mut document = Routes::openapi();
    document.info = InfoBuilder::new()
        .title("Nomad Services")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(include_str!("description.md")))
        .license(Some(utoipa::openapi::License::new("MIT OR Apache-2.0")))
        .build();
    conventions::Conventions.modify(&mut document);
    document
}

/// The names of the query parameters of an operation, where the contract bounds them.
pub(crate) fn query_parameters(method: &str, path: &str) -> Option<&'static [String]> {
    // HEAD is GET without the body.
    let method = if method == "HEAD" { "GET" } else { method };
    let key = (method.to_owned(), path.to_owned());
    QUERY_PARAMETERS.get(&key).map(Vec::as_slice)
}

/// The operations of a path, each with its method.
fn operations(item: &PathItem) -> impl Iterator<Item = (&'static str, &Operation)> {
    [
        ("GET", &item.get),
        ("PUT", &item.put),
        ("POST", &item.post),
        ("PATCH", &item.patch),
        ("DELETE", &item.delete),
    ]
    .into_iter()
    .filter_map(|(method, operation)| Some((method, operation.as_ref()?)))
}

/// The parameters of an operation; ours are never references.
fn parameters(operation: &Operation) -> impl Iterator<Item = &Parameter> {
    let parameters = operation.parameters.iter().flatten();
    parameters.filter_map(|parameter| match parameter {
        RefOr::T(parameter) => Some(parameter),
        RefOr::Ref(_) => None,
    })
}

#[cfg(test)]
mod tests;
