//! What every operation has because the contract says so for all of them, so that no handler has to repeat it.

use utoipa::{
    Modify,
    openapi::{
        Components, Content, Header, ObjectBuilder, OpenApi, Ref, RefOr, Required, Response,
        Schema,
        header::HeaderBuilder,
        path::{HttpMethod, Operation, Parameter, ParameterBuilder, ParameterIn, PathItem},
        schema::{AdditionalProperties, SchemaType, Type},
        security::{
            ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityRequirement, SecurityScheme,
        },
    },
};

use super::parameters;
use crate::paths::BASE;

/// An access token, or an API key.
const BEARER: &str = "bearer";

/// An API key where `Authorization` is taken.
const API_KEY: &str = "api_key";

const REQUEST_ID: (&str, &str) = ("X-Request-Id", "The request's id, as in the log.");

/// Statuses that bring a header of their own.
const STATUS_HEADERS: [(&str, &str, &str); 3] = [
    ("401", "WWW-Authenticate", "`Bearer`."),
    ("429", "Retry-After", "Seconds to wait."),
    ("503", "Retry-After", "Seconds to wait."),
];

/// Gives each operation an id of its own: its resource with what it does, `services_list`.
#[derive(Debug)]
pub(super) struct OperationIds;

impl Modify for OperationIds {
    fn modify(&self, document: &mut OpenApi) {
        for item in document.paths.paths.values_mut() {
            for (_, operation) in operations(item) {
                let tag = operation.tags.iter().flatten().next();
                let tag = tag.map(|tag| tag.replace(' ', "_")).unwrap_or_default();
                let own = operation.operation_id.take().unwrap_or_default();
                operation.operation_id = Some(format!("{tag}_{own}"));
            }
        }
    }
}

/// Completes a description.
#[derive(Debug)]
pub(super) struct Conventions;

impl Modify for Conventions {
    fn modify(&self, document: &mut OpenApi) {
        let components = document.components.get_or_insert_with(Components::new);
        components.add_security_scheme(
            BEARER,
            SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)),
        );
        components.add_security_scheme(
            API_KEY,
            SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("X-API-Key"))),
        );
        for schema in components.schemas.values_mut() {
            close(schema);
        }
        document.security = Some(vec![
            SecurityRequirement::new(BEARER, [""; 0]),
            SecurityRequirement::new(API_KEY, [""; 0]),
        ]);
        for (path, item) in &mut document.paths.paths {
            let in_api = path.starts_with(BASE);
            for (method, operation) in operations(item) {
                if in_api {
                    complete(path, &method, operation);
                }
                refusal(operation, "414", "The path with its query is too long.");
                refusal(
                    operation,
                    "431",
                    "The header fields are too many or too large.",
                );
                for (status, response) in &mut operation.responses.responses {
                    if let RefOr::T(response) = response {
                        describe(status, response);
                    }
                }
            }
        }
    }
}

/// An object of ours has the fields it says, and no others.
fn close(schema: &mut RefOr<Schema>) {
    if let RefOr::T(Schema::Object(object)) = schema
        && !object.properties.is_empty()
        && object.additional_properties.is_none()
    {
        object.additional_properties = Some(Box::new(AdditionalProperties::FreeForm(false)));
    }
}

fn complete(path: &str, method: &HttpMethod, operation: &mut Operation) {
    let public = operation.security.is_some();
    let has_id = path.contains('{');
    let if_match = parameters(operation)
        .find(|parameter| parameter.name == "If-Match")
        .map(|parameter| parameter.required == Required::True);
    if matches!(method, HttpMethod::Post) {
        operation
            .parameters
            .get_or_insert_default()
            .push(RefOr::T(idempotency_key()));
        refusal(
            operation,
            "409",
            "A request with this `Idempotency-Key` is under way.",
        );
    }
    refusal(
        operation,
        "422",
        "A field, parameter or header is not allowed; `errors[]` names each.",
    );
    refusal(operation, "500", "A defect on our side.");
    refusal(operation, "503", "Not now; worth trying again.");
    if !public {
        refusal(operation, "401", "Nobody is signed in, or not any more.");
        refusal(operation, "403", "The caller may not do this.");
    }
    if has_id {
        refusal(
            operation,
            "404",
            "It does not exist, or belongs to another tenant.",
        );
    }
    if matches!(method, HttpMethod::Get) && has_tag(operation) {
        operation
            .parameters
            .get_or_insert_default()
            .push(RefOr::T(if_none_match()));
        let mut known = Response::new("The client has this version already.");
        known
            .headers
            .insert("ETag".to_owned(), RefOr::T(header("The version it has.")));
        operation
            .responses
            .responses
            .insert("304".to_owned(), RefOr::T(known));
    }
    refusal(operation, "400", "The body or the query can't be read.");
    refusal(operation, "408", "The body did not arrive in time.");
    refusal(operation, "413", "The body is too large.");
    refusal(
        operation,
        "415",
        "The body is not `application/json`, or compressed.",
    );
    if let Some(required) = if_match {
        refusal(operation, "412", "It has changed since it was read.");
        if required {
            refusal(operation, "428", "`If-Match` is missing.");
        }
    }
}

/// Whether what is read says which version it is.
fn has_tag(operation: &Operation) -> bool {
    match operation.responses.responses.get("200") {
        Some(RefOr::T(response)) => response.headers.contains_key("ETag"),
        _ => false,
    }
}

fn if_none_match() -> Parameter {
    ParameterBuilder::new()
        .name("If-None-Match")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(
            "Each `ETag` the client has something of, separated by commas, or `*`: what it has is not sent again.",
        ))
        .schema(Some(text()))
        .build()
}

fn idempotency_key() -> Parameter {
    let schema = text()
        .min_length(Some(1))
        .max_length(Some(255))
        .pattern(Some("^[!-~]+$"));
    ParameterBuilder::new()
        .name("Idempotency-Key")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(
            "Makes the request take effect once: sent again with the same body within 24 hours, it is answered as the first time, with the header `Idempotent-Replayed`. Signing in and refreshing ignore it.",
        ))
        .schema(Some(schema))
        .build()
}

/// Adds a refusal, unless the handler describes it itself.
fn refusal(operation: &mut Operation, status: &str, description: &str) {
    operation
        .responses
        .responses
        .entry(status.to_owned())
        .or_insert_with(|| RefOr::T(Response::new(description)));
}

/// Gives a response its headers, and a refusal its body.
fn describe(status: &str, response: &mut Response) {
    let (name, meaning) = REQUEST_ID;
    response
        .headers
        .insert(name.to_owned(), RefOr::T(header(meaning)));
    for (_, name, meaning) in STATUS_HEADERS.iter().filter(|(of, _, _)| *of == status) {
        response
            .headers
            .insert((*name).to_owned(), RefOr::T(header(meaning)));
    }
    if status >= "400" && response.content.is_empty() {
        let content = Content::new(Some(Ref::from_schema_name("Problem")));
        response
            .content
            .insert("application/problem+json".to_owned(), RefOr::T(content));
    }
}

fn header(meaning: &str) -> Header {
    HeaderBuilder::new()
        .schema(Some(text().build()))
        .description(Some(meaning))
        .build()
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::Type(Type::String))
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (HttpMethod, &mut Operation)> {
    [
        (HttpMethod::Get, &mut item.get),
        (HttpMethod::Put, &mut item.put),
        (HttpMethod::Post, &mut item.post),
        (HttpMethod::Patch, &mut item.patch),
        (HttpMethod::Delete, &mut item.delete),
    ]
    .into_iter()
    .filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}
