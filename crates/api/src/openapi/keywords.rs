//! Keywords of JSON Schema, put where a description has them already or not yet.

use std::ops::RangeInclusive;

use serde_json::Value;
use utoipa::openapi::{
    Object, ObjectBuilder, OpenApi, RefOr, Schema,
    schema::{Array, ArrayItems, Type},
};

/// Adds schemas that a body has to fit, too. There is no field for that here.
pub(super) fn also(document: &mut OpenApi, schema: &str, schemas: Value) {
    let components = document.components.as_mut();
    if let Some(RefOr::T(Schema::Object(object))) =
        components.and_then(|components| components.schemas.get_mut(schema))
    {
        let extensions = object.extensions.get_or_insert_default();
        extensions.merge([("allOf", schemas)].into_iter().collect());
    }
}

/// The schema of a field.
pub(super) fn field_of<'document>(
    document: &'document mut OpenApi,
    schema: &str,
    field: &str,
) -> Option<&'document mut Schema> {
    let components = document.components.as_mut()?;
    match components.schemas.get_mut(schema)? {
        RefOr::T(Schema::Object(object)) => match object.properties.get_mut(field)? {
            RefOr::T(schema) => Some(schema),
            RefOr::Ref(_) => None,
        },
        _ => None,
    }
}

/// The fewest and most characters, and the form.
pub(super) type TextRule<'rule> = (usize, usize, &'rule str);

/// Bounds a text.
pub(super) fn text(
    document: &mut OpenApi,
    schema: &str,
    field: &str,
    (least, most, form): TextRule<'_>,
) {
    if let Some(Schema::Object(text)) = field_of(document, schema, field) {
        text.min_length = (least > 0).then_some(least);
        text.max_length = Some(most);
        text.pattern = Some(form.to_owned());
    }
}

/// A bounded text.
pub(super) fn string((least, most, form): TextRule<'_>) -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length((least > 0).then_some(least))
        .max_length(Some(most))
        .pattern(Some(form))
        .build()
}

/// Bounds a number.
pub(super) fn number(
    document: &mut OpenApi,
    schema: &str,
    field: &str,
    bounds: RangeInclusive<u32>,
) {
    if let Some(Schema::Object(number)) = field_of(document, schema, field) {
        within(number, bounds);
    }
}

/// Bounds a number.
pub(super) fn within(number: &mut Object, bounds: RangeInclusive<u32>) {
    number.minimum = Some((*bounds.start()).into());
    number.maximum = Some((*bounds.end()).into());
}

/// Says more of a list.
pub(super) fn list(
    document: &mut OpenApi,
    schema: &str,
    field: &str,
    rule: impl FnOnce(&mut Array),
) {
    if let Some(Schema::Array(list)) = field_of(document, schema, field) {
        rule(list);
    }
}

/// What a list holds.
pub(super) fn item(list: &mut Array) -> Option<&mut Object> {
    match &mut list.items {
        ArrayItems::RefOrSchema(item) => match item.as_mut() {
            RefOr::T(Schema::Object(item)) => Some(item),
            _ => None,
        },
        ArrayItems::False => None,
    }
}

/// Bounds the texts that a list holds.
pub(super) fn items_are(list: &mut Array, form: &str, longest: Option<usize>) {
    if let Some(item) = item(list) {
        item.pattern = Some(form.to_owned());
        item.max_length = longest;
    }
}
