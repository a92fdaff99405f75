//! What platform administrators read inside a tenant: each operation that reads there is described once more, below
//! `/admin/tenants/{tenant_id}`, from its own description.

use utoipa::{
    Modify,
    openapi::{
        KnownFormat, ObjectBuilder, OpenApi, RefOr, Required, Response, SchemaFormat,
        path::{HttpMethod, Operation, Parameter, ParameterBuilder, ParameterIn, PathItem},
        schema::{SchemaType, Type},
    },
};

use crate::{
    extract::{LONGEST_REASON, REASON_PATTERN},
    paths::inside_tenant,
    routes::IN_TENANT,
};

/// Adds these operations to a description.
#[derive(Debug)]
pub(super) struct InsideTenants;

impl Modify for InsideTenants {
    fn modify(&self, document: &mut OpenApi) {
        let paths = &mut document.paths.paths;
        for path in IN_TENANT {
            let read = paths.get(*path).and_then(|item| item.get.clone());
            if let Some(read) = read {
                let item = PathItem::new(HttpMethod::Get, inside(read));
                paths.insert(inside_tenant(path), item);
            }
        }
    }
}

fn inside(mut operation: Operation) -> Operation {
    let own = operation.operation_id.unwrap_or_default();
    operation.operation_id = Some(format!("inside_tenant_{own}"));
    operation.tags = Some(vec!["inside a tenant".to_owned()]);
    operation.summary = operation
        .summary
        .map(|summary| format!("{summary}, as a platform administrator"));
    let added = "Recorded in the tenant's own audit trail as one event, with the reason, before it is answered; of a suspended tenant, too.";
    operation.description = Some(match operation.description {
        Some(description) if !description.is_empty() => format!("{description}\n\n{added}"),
        _ => added.to_owned(),
    });
    let parameters = operation.parameters.get_or_insert_default();
    parameters.insert(0, RefOr::T(tenant()));
    parameters.push(RefOr::T(reason()));
    for (status, description) in [
        (
            "400",
            "`reason_required`: `X-Reason` is missing, or not as it has to be; or the query can't be read.",
        ),
        ("403", "The caller is no platform administrator."),
        ("404", "There is no such tenant, or it has no such thing."),
    ] {
        let response = RefOr::T(Response::new(description));
        operation
            .responses
            .responses
            .insert(status.to_owned(), response);
    }
    operation
}

fn tenant() -> Parameter {
    let id = ObjectBuilder::new()
        .schema_type(SchemaType::Type(Type::String))
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Uuid)));
    ParameterBuilder::new()
        .name("tenant_id")
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .schema(Some(id))
        .build()
}

fn reason() -> Parameter {
    let text = ObjectBuilder::new()
        .schema_type(SchemaType::Type(Type::String))
        .min_length(Some(1))
        .max_length(Some(LONGEST_REASON))
        .pattern(Some(REASON_PATTERN));
    ParameterBuilder::new()
        .name("X-Reason")
        .parameter_in(ParameterIn::Header)
        .required(Required::True)
        .description(Some(
            "Why: printable ASCII characters, for the tenant to read in its audit trail.",
        ))
        .schema(Some(text))
        .build()
}
