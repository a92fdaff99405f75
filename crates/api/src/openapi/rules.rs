//! What may stand in a field, said in the description by the very constants that stand beside the rules in `domain`. JSON
//! Schema can't say all of it: nothing of what depends on another field's value or on what is stored, and lengths in
//! characters alone, where some of ours are in bytes.

use std::collections::BTreeSet;

use domain::{
    PositiveDuration, api_key, password,
    secret::MARKER,
    service,
    service_config::{self, VolumeMount},
    tenant, user,
};
use serde_json::{Value, json};
use utoipa::{
    Modify,
    openapi::{
        Object, OpenApi, RefOr, Schema,
        path::ParameterIn,
        schema::{AdditionalProperties, SchemaType, Type},
    },
};

use super::keywords::{also, field_of, item, items_are, list, number, string, text, within};

/// No text holds NUL, which PostgreSQL can't store.
const TEXT: &str = r"^[^\x00]*$";

/// A text without what Nomad would interpret; `{{` is a template of ours.
const TEMPLATE: &str = r"^(?:[^$%\x00]|[$%]+(?:[^$%{\x00]|\{\{|$))*$";

/// The same without templates.
const LITERAL: &str = r"^(?:\{?[$%]*[^$%{\x00])*\{?[$%]*$";

/// A JSON pointer of a value that can be secret, in a configuration or in what has it.
const SENSITIVE: &str =
    "^(?:/config)?/(?:image|(?:environment|custom_variables|volumes)/[^/]+|health_check/path)$";

/// The `next_cursor` of an answer.
const CURSOR: &str = "^[A-Za-z0-9_-]+$";

/// Adds the rules to a description.
#[derive(Debug)]
pub(super) struct Rules;

impl Modify for Rules {
    fn modify(&self, document: &mut OpenApi) {
        people(document);
        tenants_and_keys(document);
        services(document);
        configurations(document);
        without_nul(document);
        parameters(document);
        also(
            document,
            "SignIn",
            json!([one_is_there(["username", "email"])]),
        );
        let config = json!([one_is_there(["image", "nomad_job_file"]), with_job_file()]);
        also(document, "ServiceConfig", config);
    }
}

fn people(document: &mut OpenApi) {
    let names = (0, user::MAX_NAME, user::PERSON_NAME_PATTERN);
    let email = (1, user::MAX_EMAIL, user::EMAIL_PATTERN);
    let username = (
        *user::USERNAME.start(),
        *user::USERNAME.end(),
        user::USERNAME_PATTERN,
    );
    let chosen = (password::MIN_PASSWORD, password::MAX_PASSWORD, TEXT);
    let tenant_name = (1, tenant::MAX_NAME, tenant::NAME_PATTERN);
    for (schema, field, rule) in [
        ("Registration", "username", username),
        ("Registration", "email", email),
        ("Registration", "password", chosen),
        ("Registration", "first_name", names),
        ("Registration", "last_name", names),
        ("Registration", "tenant_name", tenant_name),
        ("ProfileChange", "email", email),
        ("ProfileChange", "first_name", names),
        ("ProfileChange", "last_name", names),
        ("PasswordChange", "new_password", chosen),
        ("NewInvitation", "email", email),
        ("Acceptance", "username", username),
        ("Acceptance", "password", chosen),
        ("Acceptance", "first_name", names),
        ("Acceptance", "last_name", names),
    ] {
        text(document, schema, field, rule);
    }
}

fn tenants_and_keys(document: &mut OpenApi) {
    let name = (1, tenant::MAX_NAME, tenant::NAME_PATTERN);
    text(document, "TenantChange", "name", name);
    let description = (0, tenant::MAX_DESCRIPTION, TEXT);
    text(document, "TenantChange", "description", description);
    let domain = (1, tenant::MAX_DOMAIN, tenant::DOMAIN_PATTERN);
    text(document, "TenantChange", "domain", domain);
    for schema in ["NewApiKey", "ApiKeyChange"] {
        // A key is called as a tenant is.
        text(
            document,
            schema,
            "name",
            (1, api_key::MAX_NAME, tenant::NAME_PATTERN),
        );
        list(document, schema, "allowed_networks", |networks| {
            networks.max_items = Some(api_key::MAX_NETWORKS);
            items_are(networks, &api_key::Network::pattern(), None);
        });
    }
}

fn services(document: &mut OpenApi) {
    for schema in ["NewService", "ServiceReplacement", "ServiceChange"] {
        let name = (1, service::MAX_NAME, service::NAME_PATTERN);
        text(document, schema, "name", name);
        let description = (0, service::MAX_DESCRIPTION, TEXT);
        text(document, schema, "description", description);
    }
    list(document, "Reveal", "pointers", |pointers| {
        (pointers.min_items, pointers.max_items) = (Some(1), Some(service::MAX_POINTERS));
        pointers.unique_items = true;
        items_are(pointers, TEXT, None);
    });
}

fn configurations(document: &mut OpenApi) {
    const CONFIG: &str = "ServiceConfig";
    let image = service_config::image_pattern();
    let image = format!(r"^(?:{image}|{}|[^\x00]*\{{\{{[^\x00]*)$", marker());
    text(
        document,
        CONFIG,
        "image",
        (1, service_config::MAX_VALUE_BYTES, &image),
    );
    let job_file = (
        1,
        service_config::MAX_NAME,
        service_config::JOB_FILE_PATTERN,
    );
    text(document, CONFIG, "nomad_job_file", job_file);
    list(document, CONFIG, "ports", |ports| {
        ports.max_items = Some(service_config::MAX_PORTS);
        ports.unique_items = true;
        if let Some(port) = item(ports) {
            within(port, 1..=u32::from(u16::MAX));
        }
    });
    list(document, CONFIG, "volumes", |volumes| {
        volumes.max_items = Some(service_config::MAX_VOLUMES);
        let form = or_marker(VolumeMount::PATTERN);
        items_are(volumes, &form, Some(VolumeMount::MAX_TEXT));
        if let Some(volume) = item(volumes) {
            let long_target =
                json!({"pattern": format!(":[^:]{{{}}}", VolumeMount::MAX_TARGET + 1)});
            volume.extensions = Some([("not", long_target)].into_iter().collect());
        }
    });
    list(document, CONFIG, "sensitive", |places| {
        places.max_items = Some(service_config::MAX_SENSITIVE);
        places.unique_items = true;
        items_are(places, SENSITIVE, None);
    });
    for (field, most, name, value) in [
        (
            "environment",
            service_config::MAX_ENVIRONMENT,
            service_config::ENVIRONMENT_NAME_PATTERN,
            TEMPLATE,
        ),
        (
            "custom_variables",
            service_config::MAX_CUSTOM_VARIABLES,
            service_config::VARIABLE_NAME_PATTERN,
            LITERAL,
        ),
    ] {
        if let Some(Schema::Object(values)) = field_of(document, CONFIG, field) {
            values.max_properties = Some(most);
            let mut name = string((1, service_config::MAX_NAME, name));
            if field == "custom_variables" {
                let reserved = json!({"enum": service_config::JOB_FILE_VARIABLES});
                name.extensions = Some([("not", reserved)].into_iter().collect());
            }
            values.property_names = Some(Box::new(name.into()));
            let value = string((0, service_config::MAX_VALUE_BYTES, value));
            values.additional_properties = Some(Box::new(AdditionalProperties::RefOr(RefOr::T(
                value.into(),
            ))));
        }
    }
    for (field, bounds) in [
        ("cpu", service_config::CPU_MHZ),
        ("memory", service_config::MEMORY_MB),
        ("disk", service_config::DISK_MB),
    ] {
        number(document, "Resources", field, bounds);
    }
    number(
        document,
        "HealthCheck",
        "retries",
        1..=service_config::MAX_RETRIES,
    );
    let path = or_marker(service_config::PATH_PATTERN);
    text(
        document,
        "HealthCheck",
        "path",
        (1, service_config::MAX_PATH, &path),
    );
    for field in ["interval", "timeout"] {
        let form = service_config::CHECK_DURATION_PATTERN;
        text(document, "HealthCheck", field, (2, 64, form));
    }
}

/// The form, or what an answer shows in place of a secret value.
fn or_marker(pattern: &str) -> String {
    let form = pattern.trim_start_matches('^').trim_end_matches('$');
    format!("^(?:{form}|{})$", marker())
}

fn marker() -> String {
    MARKER.replace('*', r"\*")
}

/// Texts of a request that nothing else is said of.
fn without_nul(document: &mut OpenApi) {
    let Some(components) = &mut document.components else {
        return;
    };
    let asked: BTreeSet<_> = document
        .paths
        .paths
        .values()
        .flat_map(super::operations)
        .filter_map(|(_, operation)| {
            let Some(RefOr::T(body)) = &operation.request_body else {
                return None;
            };
            match body.content.get("application/json")? {
                RefOr::T(content) => match content.schema.as_ref()? {
                    RefOr::Ref(reference) => reference.ref_location.rsplit('/').next(),
                    RefOr::T(_) => None,
                },
                RefOr::Ref(_) => None,
            }
        })
        .map(str::to_owned)
        .collect();
    for name in asked {
        let Some(RefOr::T(Schema::Object(body))) = components.schemas.get_mut(&name) else {
            continue;
        };
        for field in body.properties.values_mut() {
            if let RefOr::T(Schema::Object(field)) = field {
                refuse_nul(field);
            }
        }
    }
}

fn refuse_nul(field: &mut Object) {
    let is_text = match &field.schema_type {
        SchemaType::Type(Type::String) => true,
        SchemaType::Array(types) => types.contains(&Type::String),
        _ => false,
    };
    // Another format is checked by those who check formats; of a password it says nothing but how to show it.
    let is_free = field.enum_values.is_none() && field.pattern.is_none();
    if is_text && is_free {
        field.pattern = Some(TEXT.to_owned());
    }
}

fn parameters(document: &mut OpenApi) {
    for item in document.paths.paths.values_mut() {
        let operations = [
            &mut item.get,
            &mut item.put,
            &mut item.post,
            &mut item.patch,
            &mut item.delete,
        ];
        let parameters = operations
            .into_iter()
            .flatten()
            .flat_map(|operation| operation.parameters.iter_mut().flatten());
        for parameter in parameters {
            let RefOr::T(parameter) = parameter else {
                continue;
            };
            let Some(RefOr::T(Schema::Object(schema))) = &mut parameter.schema else {
                continue;
            };
            if parameter.parameter_in != ParameterIn::Query {
                continue;
            }
            let pattern = match parameter.name.as_str() {
                "cursor" => CURSOR,
                "wait" => PositiveDuration::PATTERN,
                _ => {
                    refuse_nul(schema);
                    continue;
                }
            };
            schema.pattern = Some(pattern.to_owned());
        }
    }
}

/// One of these fields has to be there, and not null.
fn one_is_there(fields: [&str; 2]) -> Value {
    json!({"anyOf": fields.map(is_there)})
}

/// What decides what runs is a job file: then nothing is filled in, and Nomad would interpret what looks like a template.
fn with_job_file() -> Value {
    let literal = json!({"not": {"pattern": "[{][{]"}});
    let literal = json!({"properties": {
        "image": literal, "environment": {"additionalProperties": literal}
    }});
    json!({"if": is_there("nomad_job_file"), "then": literal})
}

fn is_there(field: &str) -> Value {
    json!({"properties": {field: {"type": "string"}}, "required": [field]})
}
