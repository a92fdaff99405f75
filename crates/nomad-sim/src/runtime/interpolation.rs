//! What a Nomad client replaces in a job when a task starts. Each place has its own rules: environment and metadata know
//! only `${name}` and no escape; a driver's configuration is HCL.

use std::collections::BTreeMap;

use hcl::Map;
use serde_json::Value;

use crate::parse::expression::Scope;

/// Replaces each `${name}` that is known, once; everything else stays as it is.
pub(crate) fn plain(text: &str, known: &dyn Fn(&str) -> Option<String>) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let (before, from) = rest.split_at(start);
        result.push_str(before);
        let name = from[2..].split_once('}').map(|(name, _)| name);
        match name
            .filter(|name| is_name(name))
            .and_then(|name| Some((name, known(name)?)))
        {
            Some((name, value)) => {
                result.push_str(&value);
                rest = &from[name.len() + 3..];
            }
            None => {
                result.push_str("${");
                rest = &from[2..];
            }
        }
    }
    result.push_str(rest);
    result
}

fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    !name.is_empty() && name.bytes().all(allowed)
}

/// Evaluates every string of a driver's configuration as HCL.
///
/// # Errors
/// The text of the task's event `Failed Validation`.
pub(crate) fn config(
    config: &Value,
    environment: &BTreeMap<String, String>,
    node: &BTreeMap<String, String>,
) -> Result<Value, String> {
    let known = |name: &str| {
        let value = match name.strip_prefix("env.") {
            Some(variable) => environment.get(variable),
            None => environment.get(name).or_else(|| node.get(name)),
        };
        value.map(|value| hcl::Value::from(value.as_str()))
    };
    let scope = Scope {
        bound: Map::new(),
        other: &known,
    };
    evaluated(config, &scope)
}

fn evaluated(value: &Value, scope: &Scope<'_>) -> Result<Value, String> {
    match value {
        Value::String(text) if text.contains("${") || text.contains("%{") => {
            match scope.evaluate_template(text)? {
                hcl::Value::String(text) => Ok(text.into()),
                _ => Ok(text.clone().into()),
            }
        }
        Value::Array(items) => items.iter().map(|item| evaluated(item, scope)).collect(),
        Value::Object(object) => object
            .iter()
            .map(|(key, value)| Ok((key.clone(), evaluated(value, scope)?)))
            .collect(),
        other => Ok(other.clone()),
    }
}
