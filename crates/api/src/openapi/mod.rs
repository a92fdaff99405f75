//! The API's description, OpenAPI 3.1, made from the handlers themselves.
//!
//! A handler says in its `#[utoipa::path]` what is its own: method, path, body, the answer it gives, the refusals that only
//! it knows (a status and a description are enough). `rules` adds what may stand in a field, `conventions` what follows from
//! the contract, and `inside_tenants` what platform administrators read of the same. The URL map in `routes/mod.rs` names the
//! handler once, for the server and for this description. What is neither a JSON body that a handler builds nor a type of it
//! stands in [`schemas`](crate::schemas).

mod conventions;
mod inside_tenants;
mod keywords;
mod rules;

use std::collections::HashMap;

use actix_web::http::Method;
use utoipa::{
    Modify, OpenApi as _,
    openapi::{
        InfoBuilder, OpenApi, RefOr,
        path::{Operation, Parameter, ParameterIn, PathItem},
    },
};

use crate::{
    operations::{Bounds, Operations},
    paths::{BASE, DESCRIPTION, inside_tenant},
    routes::{IN_TENANT, Routes, URL_MAP},
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

/// The pages that show the description.
const PAGES: &str = "/docs/{*page}";

/// Every path that is served, with what is known of it from the description `document`.
///
/// # Errors
/// Two paths can't be told apart.
pub fn served(document: &OpenApi) -> Result<Operations, matchit::InsertError> {
    let own = URL_MAP.iter().map(|(path, _)| (*path).to_owned());
    let inside = IN_TENANT.iter().map(|path| inside_tenant(path));
    let others = [PAGES, "/docs", DESCRIPTION].map(str::to_owned);
    Operations::new(own.chain(inside).chain(others), bounds(document))
}

/// What the operations of a description take, by path and method.
fn bounds(document: &OpenApi) -> HashMap<String, HashMap<Method, Bounds>> {
    let paths = document.paths.paths.iter();
    let proper = paths.filter(|(path, _)| path.starts_with(BASE));
    let of_path = |item| {
        operations(item).map(|(method, operation)| {
            let query_parameters = parameters(operation)
                .filter(|parameter| parameter.parameter_in == ParameterIn::Query)
                .map(|parameter| parameter.name.clone())
                .collect();
            let bounds = Bounds {
                query_parameters,
                takes_body: operation.request_body.is_some(),
            };
            (method, bounds)
        })
    };
    proper
        .map(|(path, item)| (path.clone(), of_path(item).collect()))
        .collect()
}

/// The operations of a path, each with its method.
fn operations(item: &PathItem) -> impl Iterator<Item = (Method, &Operation)> {
    [
        (Method::GET, &item.get),
        (Method::PUT, &item.put),
        (Method::POST, &item.post),
        (Method::PATCH, &item.patch),
        (Method::DELETE, &item.delete),
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
