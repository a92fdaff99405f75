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
use serde::{Deserialize, de::IgnoredAny};
use utoipa::{
    Modify, OpenApi as _,
    openapi::{
        InfoBuilder, OpenApi, RefOr,
        path::{Operation, Parameter, PathItem},
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

/// The description as it is written down, which a test keeps the same as [`document`]. A server makes none of its own:
/// the structure takes far more memory than the text.
pub const WRITTEN: &str = include_str!("description.json");

/// The description as it is served: as it is written down, without the white space.
pub fn compact() -> String {
    let (mut compact, mut is_text, mut is_escaped) = (String::new(), false, false);
    for character in WRITTEN.chars() {
        if is_text || !character.is_ascii_whitespace() {
            compact.push(character);
        }
        is_text ^= character == '"' && !is_escaped;
        is_escaped = is_text && character == '\\' && !is_escaped;
    }
    compact.shrink_to_fit();
    compact
}

/// Every path that is served, with what is known of it from the description.
///
/// # Errors
/// Two paths can't be told apart, or the description can't be read.
pub fn served() -> Result<Operations, Box<dyn std::error::Error>> {
    let own = URL_MAP.iter().map(|(path, _)| (*path).to_owned());
    let inside = IN_TENANT.iter().map(|path| inside_tenant(path));
    let others = [PAGES, "/docs", DESCRIPTION].map(str::to_owned);
    let Described { paths } = serde_json::from_str(WRITTEN)?;
    let proper = paths
        .into_iter()
        .filter(|(path, _)| path.starts_with(BASE))
        .map(|(path, item)| (path, item.bounds()));
    let patterns = own.chain(inside).chain(others);
    Ok(Operations::new(patterns, proper.collect())?)
}

/// What a server needs of the description.
#[derive(Deserialize)]
struct Described {
    paths: HashMap<String, DescribedPath>,
}

#[derive(Deserialize)]
struct DescribedPath {
    get: Option<DescribedOperation>,
    put: Option<DescribedOperation>,
    post: Option<DescribedOperation>,
    patch: Option<DescribedOperation>,
    delete: Option<DescribedOperation>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DescribedOperation {
    #[serde(default)]
    parameters: Vec<DescribedParameter>,
    request_body: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct DescribedParameter {
    name: String,
    r#in: String,
}

impl DescribedPath {
    fn bounds(self) -> HashMap<Method, Bounds> {
        let operations = [
            (Method::GET, self.get),
            (Method::PUT, self.put),
            (Method::POST, self.post),
            (Method::PATCH, self.patch),
            (Method::DELETE, self.delete),
        ];
        let operations = operations.into_iter();
        operations
            .filter_map(|(method, operation)| Some((method, operation?.bounds())))
            .collect()
    }
}

impl DescribedOperation {
    fn bounds(self) -> Bounds {
        let parameters = self.parameters.into_iter();
        let of_query = parameters.filter(|parameter| parameter.r#in == "query");
        Bounds {
            query_parameters: of_query.map(|parameter| parameter.name).collect(),
            takes_body: self.request_body.is_some(),
        }
    }
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
