//! The API's description, OpenAPI 3.1, made from the handlers themselves.
//!
//! A handler says in its `#[utoipa::path]` what is its own: method, path, body, the answer it gives, the refusals that only
//! it knows (a status and a description are enough). [`rules`] adds what may stand in a field, [`conventions`] what follows from the
//! contract, and [`inside_tenants`] what platform administrators read of the same. The URL map in
//! `routes/mod.rs` names the handler once, for the server and for this description. What is neither a JSON body that a
//! handler builds nor a type of it stands in [`schemas`](crate::schemas).

mod conventions;
mod inside_tenants;
mod keywords;
mod rules;

use utoipa::{
    Modify, OpenApi as _,
    openapi::{
        InfoBuilder, OpenApi, RefOr,
        path::{Operation, Parameter, ParameterIn, PathItem},
    },
};

use crate::{
    bounds::{Bounds, Operations},
    paths::BASE,
    routes::Routes,
};

/// The whole description.
pub fn document() -> OpenApi {
    let mut document = Routes::openapi();
    document.info = InfoBuilder::new()
        .title("Nomad Services")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(include_str!("description.md")))
        .license(Some(utoipa::openapi::License::new("MIT OR Apache-2.0")))
        .build();
    conventions::OperationIds.modify(&mut document);
    rules::Rules.modify(&mut document);
    inside_tenants::InsideTenants.modify(&mut document);
    conventions::Conventions.modify(&mut document);
    document
}

/// What the operations of a description take.
pub fn bounds(document: &OpenApi) -> Operations {
    let operations = document.paths.paths.iter().flat_map(|(path, item)| {
        operations(item).map(move |(method, operation)| {
            let query_parameters = parameters(operation)
                .filter(|parameter| parameter.parameter_in == ParameterIn::Query)
                .map(|parameter| parameter.name.clone())
                .collect();
            let bounds = Bounds {
                query_parameters,
                takes_body: operation.request_body.is_some(),
            };
            ((method.to_owned(), path.clone()), bounds)
        })
    });
    operations
        .filter(|((_, path), _)| path.starts_with(BASE))
        .collect()
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
