//! Reads the body of a block after its shape.

use hcl::{Block, Body, Map, expr::Expression};
use serde_json::{Map as Object, Value, json};

use super::{
    duration,
    functions::{bool_of, json, number_of, scalar_text},
    shapes::{Field, Kind, Nested, Place, Shape},
    variables::job_scope,
};

/// More blocks than this no `dynamic` makes: a simulator has better uses for its memory.
const GENERATED: usize = 10_000;

/// What names mean in a place.
pub(super) type Bound = Map<String, hcl::Value>;

/// A block to read, and what names mean in it.
pub(super) struct Found {
    pub(super) name: String,
    pub(super) label: String,
    pub(super) body: Body,
    pub(super) bound: Bound,
}

/// Reads a block that a shape does not describe into what stands around it; says whether it knows that block.
pub(super) type Special = fn(&mut Object<String, Value>, &Found) -> Result<bool, String>;

/// What a block is before anything is written in it.
pub(super) fn skeleton(shape: &Shape) -> Object<String, Value> {
    let mut object = Object::new();
    for field in shape.fields {
        object.insert(field.key.into(), field.unset());
    }
    for nested in shape.nested {
        object.insert(nested.key.into(), Value::Null);
    }
    for key in shape.other {
        object.insert((*key).into(), Value::Null);
    }
    object
}

impl Field {
    fn unset(&self) -> Value {
        match self.kind {
            _ if !self.zero => Value::Null,
            Kind::Text => "".into(),
            Kind::Truth => false.into(),
            Kind::Number | Kind::Duration => 0.into(),
            Kind::Texts | Kind::Map | Kind::Any => Value::Null,
        }
    }
}

/// Reads a body. Blocks that its shape does not know go to `special`.
///
/// # Errors
/// In Nomad's words.
pub(super) fn read(
    shape: &Shape,
    body: &Body,
    bound: &Bound,
    special: Special,
) -> Result<Object<String, Value>, String> {
    let mut object = skeleton(shape);
    for attribute in body.attributes() {
        let field = shape
            .fields
            .iter()
            .find(|field| field.name == attribute.key());
        let field = field.ok_or_else(|| {
            let name = attribute.key();
            format!(
                "input.hcl: Unsupported argument; An argument named {name:?} is not expected here."
            )
        })?;
        object.insert(field.key.into(), argument(field, &attribute.expr, bound)?);
    }
    for found in blocks(body, bound)? {
        let field = shape
            .fields
            .iter()
            .find(|field| field.name == found.name && matches!(field.kind, Kind::Map | Kind::Any));
        if let Some(field) = field {
            let content = Value::Object(free(&found.body, &found.bound)?);
            let content = typed(field, content)?;
            merge(object.entry(field.key).or_insert(Value::Null), content);
            continue;
        }
        match shape.nested.iter().find(|nested| nested.name == found.name) {
            Some(nested) => put(&mut object, nested, &found)?,
            None if special(&mut object, &found)? => {}
            None => {
                return Err(format!(
                    "input.hcl: Unsupported block type; Blocks of type {:?} are not expected here, or not known to this simulator.",
                    found.name
                ));
            }
        }
    }
    Ok(object)
}

fn put(object: &mut Object<String, Value>, nested: &Nested, found: &Found) -> Result<(), String> {
    let mut content = super::job::block(nested, found)?;
    match nested.place {
        Place::One => {
            object.insert(nested.key.into(), content.into());
        }
        Place::ByLabel => {
            content.insert("Name".into(), found.label.clone().into());
            let mut entry = Object::new();
            entry.insert(found.label.clone(), content.into());
            merge(
                object.entry(nested.key).or_insert(Value::Null),
                entry.into(),
            );
        }
        Place::Many | Place::Named => {
            if nested.place == Place::Named {
                content.insert("Name".into(), found.label.clone().into());
            }
            push(object, nested.key, content.into());
        }
    }
    Ok(())
}

/// Adds to a list that may not be there yet.
pub(super) fn push(object: &mut Object<String, Value>, key: &str, item: Value) {
    let list = object.entry(key).or_insert(Value::Null);
    match list.as_array_mut() {
        Some(list) => list.push(item),
        None => *list = json!([item]),
    }
}

fn merge(into: &mut Value, from: Value) {
    match (into.as_object_mut(), from) {
        (Some(into), Value::Object(from)) => into.extend(from),
        (_, from) => *into = from,
    }
}

/// The blocks of a body, with those that `dynamic` makes.
pub(super) fn blocks(body: &Body, bound: &Bound) -> Result<Vec<Found>, String> {
    let mut found = Vec::new();
    for block in body.blocks() {
        let label = label(block);
        if block.identifier() == "dynamic" {
            found.extend(generated(&label, block.body(), bound)?);
        } else {
            found.push(Found {
                name: block.identifier().to_owned(),
                label,
                body: block.body().clone(),
                bound: bound.clone(),
            });
        }
    }
    Ok(found)
}

fn label(block: &Block) -> String {
    block
        .labels()
        .first()
        .map_or_else(String::new, |label| label.as_str().to_owned())
}

fn generated(name: &str, body: &Body, bound: &Bound) -> Result<Vec<Found>, String> {
    let expression = |key: &str| {
        let mut attributes = body.attributes();
        attributes
            .find(|attribute| attribute.key() == key)
            .map(|attribute| &attribute.expr)
    };
    let missing = |what: &str| format!("input.hcl: Missing {what}; A dynamic block needs {what}.");
    let each = expression("for_each").ok_or_else(|| missing("for_each"))?;
    let content = body.blocks().find(|block| block.identifier() == "content");
    let content = content.ok_or_else(|| missing("content"))?;
    let iterator = match expression("iterator") {
        Some(Expression::Variable(iterator)) => iterator.to_string(),
        _ => name.to_owned(),
    };
    let items: Vec<(hcl::Value, hcl::Value)> = match job_scope(bound.clone()).evaluate(each)? {
        hcl::Value::Array(items) => {
            let pairs = items.into_iter().enumerate();
            pairs.map(|(index, item)| (index.into(), item)).collect()
        }
        hcl::Value::Object(items) => items
            .into_iter()
            .map(|(key, item)| (key.into(), item))
            .collect(),
        _ => {
            return Err(
                "input.hcl: Invalid dynamic for_each value; Cannot use a value that is no collection."
                    .into(),
            );
        }
    };
    if items.len() > GENERATED {
        return Err(format!(
            "input.hcl: Invalid dynamic for_each value; This simulator makes at most {GENERATED} blocks."
        ));
    }
    let found = items.into_iter().map(|(key, item)| {
        let mut bound = bound.clone();
        let entry = Map::from_iter([("key".to_owned(), key), ("value".to_owned(), item)]);
        bound.insert(iterator.clone(), hcl::Value::Object(entry));
        let label = match expression("labels") {
            Some(labels) => match job_scope(bound.clone()).evaluate(labels)? {
                hcl::Value::Array(labels) => labels.first().and_then(scalar_text),
                _ => None,
            },
            None => None,
        };
        Ok(Found {
            name: name.to_owned(),
            label: label.unwrap_or_default(),
            body: content.body().clone(),
            bound,
        })
    });
    found.collect()
}

/// A body without a shape, such as a driver's `config`: its blocks are lists of objects.
pub(super) fn free(body: &Body, bound: &Bound) -> Result<Object<String, Value>, String> {
    let mut object = Object::new();
    for attribute in body.attributes() {
        let value = job_scope(bound.clone()).evaluate(&attribute.expr)?;
        object.insert(attribute.key().to_owned(), json(&value));
    }
    for block in body.blocks() {
        let content = Value::Object(free(block.body(), bound)?);
        push(&mut object, block.identifier(), content);
    }
    Ok(object)
}

fn argument(field: &Field, expression: &Expression, bound: &Bound) -> Result<Value, String> {
    let value = job_scope(bound.clone())
        .evaluate(expression)
        .map_err(|reason| format!("input.hcl: {reason}"))?;
    if value.is_null() {
        return Ok(field.unset());
    }
    let name = field.name;
    let unsuitable = |reason: &str| {
        format!(
            "input.hcl: Incorrect attribute value type; Inappropriate value for attribute {name:?}: {reason}."
        )
    };
    match field.kind {
        Kind::Text => scalar_text(&value)
            .map(Value::String)
            .ok_or_else(|| unsuitable("string required")),
        Kind::Number => number_of(&value)
            .map(|number| json(&number))
            .ok_or_else(|| unsuitable("a number is required")),
        Kind::Truth => bool_of(&value)
            .map(|truth| json(&truth))
            .ok_or_else(|| unsuitable("a bool is required")),
        Kind::Duration => match &value {
            hcl::Value::Number(_) => Ok(json(&value)),
            hcl::Value::String(text) => {
                let nanoseconds = duration::nanoseconds(text).map_err(|reason| {
                    format!("input.hcl: Unsuitable value type; Unsuitable duration value: {reason}")
                })?;
                Ok(nanoseconds.into())
            }
            _ => Err(unsuitable("a duration is required")),
        },
        Kind::Texts | Kind::Map | Kind::Any => typed(field, json(&value)),
    }
}

/// A collection with the elements its field asks for.
fn typed(field: &Field, value: Value) -> Result<Value, String> {
    let name = field.name;
    let unsuitable = |reason: &str| {
        format!(
            "input.hcl: Incorrect attribute value type; Inappropriate value for attribute {name:?}: {reason}."
        )
    };
    let text = |value: &Value| match value {
        Value::String(text) => Ok(Value::String(text.clone())),
        Value::Number(_) | Value::Bool(_) => Ok(Value::String(value.to_string())),
        _ => Err(unsuitable("string required")),
    };
    match (field.kind, &value) {
        (Kind::Texts, Value::Array(items)) => items.iter().map(text).collect(),
        (Kind::Map, Value::Object(object)) => {
            let entries = object
                .iter()
                .map(|(key, value)| Ok((key.clone(), text(value)?)));
            entries
                .collect::<Result<Object<_, _>, String>>()
                .map(Value::Object)
        }
        (Kind::Texts, _) => Err(unsuitable("list of string required")),
        (Kind::Map, _) => Err(unsuitable("map of string required")),
        _ => Ok(value),
    }
}
