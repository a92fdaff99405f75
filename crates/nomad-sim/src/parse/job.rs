//! The blocks of a job file that are more than their arguments.

use hcl::Body;
use serde_json::{Map as Object, Value, json};

use super::{
    block::{Bound, Found, free, push, read},
    shapes::{AFFINITY, CONSTRAINT, JOB, NETWORK, Nested, PORT, SHORTHANDS, TASK, TEMPLATE},
};

/// The job of a file.
///
/// # Errors
/// In Nomad's words.
pub(super) fn job(file: &Body, bound: &Bound) -> Result<Value, String> {
    if let Some(attribute) = file.attributes().next() {
        return Err(format!(
            "input.hcl: Unsupported argument; An argument named {:?} is not expected here.",
            attribute.key()
        ));
    }
    let mut job = Value::Null;
    for found in super::block::blocks(file, bound)? {
        match found.name.as_str() {
            "variable" | "locals" => {}
            "job" => {
                let mut content = read(&JOB, &found.body, &found.bound, nothing_else)?;
                for key in ["ID", "Name"] {
                    if content[key].is_null() {
                        content.insert(key.into(), found.label.clone().into());
                    }
                }
                content.insert("Dispatched".into(), false.into());
                job = content.into();
            }
            other => {
                return Err(format!(
                    "input.hcl: Unsupported block type; Blocks of type {other:?} are not expected here."
                ));
            }
        }
    }
    Ok(job)
}

/// A block within another, after its shape.
pub(super) fn block(nested: &Nested, found: &Found) -> Result<Object<String, Value>, String> {
    let shape = nested.shape;
    if std::ptr::eq(shape, &NETWORK) {
        return read(shape, &found.body, &found.bound, port);
    }
    if std::ptr::eq(shape, &TASK) {
        return read(shape, &found.body, &found.bound, config);
    }
    let mut content = read(shape, &found.body, &found.bound, nothing_else)?;
    if std::ptr::eq(shape, &CONSTRAINT) || std::ptr::eq(shape, &AFFINITY) {
        write_out_shorthands(&mut content);
    }
    if std::ptr::eq(shape, &TEMPLATE) {
        // What Nomad's parser fills in even when it is not asked for defaults.
        let defaults = [
            ("ChangeMode", json!("restart")),
            ("ErrMissingKey", json!(false)),
            ("Perms", json!("0644")),
            ("Splay", json!(5_000_000_000_u64)),
        ];
        for (key, default) in defaults {
            let field = content.entry(key).or_insert(Value::Null);
            if field.is_null() {
                *field = default;
            }
        }
    }
    Ok(content)
}

fn nothing_else(_: &mut Object<String, Value>, _: &Found) -> Result<bool, String> {
    Ok(false)
}

fn write_out_shorthands(content: &mut Object<String, Value>) {
    for operator in SHORTHANDS {
        let side = match content.remove(operator) {
            Some(Value::String(side)) => side,
            Some(Value::Bool(true)) => "true".to_owned(),
            _ => continue,
        };
        let key = if operator == "distinct_property" {
            "LTarget"
        } else {
            "RTarget"
        };
        content.insert(key.into(), side.into());
        content.insert("Operand".into(), operator.into());
    }
    if content["Operand"] == "" {
        content.insert("Operand".into(), "=".into());
    }
}

/// A port is dynamic where it is not told which one it is.
fn port(network: &mut Object<String, Value>, found: &Found) -> Result<bool, String> {
    if found.name != "port" {
        return Ok(false);
    }
    let mut port = read(&PORT, &found.body, &found.bound, nothing_else)?;
    port.insert("Label".into(), found.label.clone().into());
    let key = if port["Value"] == 0 {
        "DynamicPorts"
    } else {
        "ReservedPorts"
    };
    push(network, key, port.into());
    Ok(true)
}

fn config(task: &mut Object<String, Value>, found: &Found) -> Result<bool, String> {
    if found.name != "config" {
        return Ok(false);
    }
    let config = free(&found.body, &found.bound)?;
    task.insert("Config".into(), config.into());
    Ok(true)
}
