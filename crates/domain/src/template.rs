//! Templates: `{{NAME}}` in the texts of a JSON value, filled in the parsed value and never in its text, so that what is
//! filled in can't become structure. `{{{{` stands for a literal `{{`. What was filled in is not looked at again.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::{
    FieldError, Violation,
    pointer::{child, push},
};

const OPEN: &str = "{{";
const CLOSE: &str = "}}";

/// `value`, which stands at `pointer`, with every template in its texts filled from `variables`. Names of fields stay.
///
/// ```
/// use std::collections::BTreeMap;
/// use nomad_services_domain::template::fill;
/// use serde_json::json;
///
/// let variables = BTreeMap::from([("DB_USER".to_owned(), "{{ada}}\"".to_owned())]);
/// let filled = fill(&json!({"user": "{{DB_USER}}", "literal": "{{{{x"}), &variables, "").unwrap();
/// assert_eq!(filled, json!({"user": "{{ada}}\"", "literal": "{{x"}));
///
/// let errors = fill(&json!(["{{A}} {{B}}"]), &variables, "").unwrap_err();
/// assert!(errors[0].detail.contains("A, B"));
/// ```
///
/// # Errors
/// For each text, all the variables it names that there are not.
pub fn fill(
    value: &Value,
    variables: &BTreeMap<String, String>,
    pointer: &str,
) -> Result<Value, Vec<FieldError>> {
    let mut errors = Vec::new();
    let filled = fill_value(value, variables, pointer, &mut errors);
    if errors.is_empty() {
        Ok(filled)
    } else {
        Err(errors)
    }
}

fn fill_value(
    value: &Value,
    variables: &BTreeMap<String, String>,
    pointer: &str,
    errors: &mut Vec<FieldError>,
) -> Value {
    match value {
        Value::String(text) => match fill_text(text, variables) {
            Ok(filled) => Value::String(filled),
            Err(refused) => {
                errors.push(refused.at(pointer));
                Value::Null
            }
        },
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(index, item)| fill_value(item, variables, &format!("{pointer}/{index}"), errors))
            .collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| {
                (
                    name.clone(),
                    fill_value(value, variables, &child(pointer, name), errors),
                )
            })
            .collect::<Map<_, _>>()
            .into(),
        other => other.clone(),
    }
}

fn fill_text(text: &str, variables: &BTreeMap<String, String>) -> Result<String, Violation> {
    let (mut filled, mut rest, mut missing) = (String::new(), text, BTreeSet::new());
    while let Some((before, after)) = rest.split_once(OPEN) {
        filled.push_str(before);
        if let Some(after) = after.strip_prefix(OPEN) {
            filled.push_str(OPEN);
            rest = after;
            continue;
        }
        let Some((name, after)) = after.split_once(CLOSE) else {
            let detail = "has a '{{' without '}}'; write '{{{{' for a literal one";
            return Err(Violation::new("invalid_template", detail));
        };
        match variables.get(name.trim()) {
            Some(value) => filled.push_str(value),
            None => {
                missing.insert(name.trim());
            }
        }
        rest = after;
    }
    if missing.is_empty() {
        filled.push_str(rest);
        return Ok(filled);
    }
    let missing: Vec<_> = missing.into_iter().collect();
    let detail = format!(
        "names variables that custom_variables does not hold: {}",
        missing.join(", ")
    );
    Err(Violation::new("unknown_variable", detail))
}

/// Calls `visit` with every text in `value` and where it stands.
pub(crate) fn for_each_text(value: &Value, pointer: &str, visit: &mut impl FnMut(&str, &str)) {
    each_text(value, &mut pointer.to_owned(), visit);
}

fn each_text(value: &Value, pointer: &mut String, visit: &mut impl FnMut(&str, &str)) {
    let length = pointer.len();
    match value {
        Value::String(text) => visit(text, pointer),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                push(pointer, &index.to_string());
                each_text(item, pointer, visit);
                pointer.truncate(length);
            }
        }
        Value::Object(fields) => {
            for (name, value) in fields {
                push(pointer, name);
                each_text(value, pointer, visit);
                pointer.truncate(length);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Whether any text within `value` could name a variable.
pub(crate) fn has_references(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains(OPEN),
        Value::Array(items) => items.iter().any(has_references),
        Value::Object(fields) => fields.values().any(has_references),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    proptest! {
        #[test]
        fn a_value_is_carried_exactly_whatever_it_holds(value in ".*") {
            let variables = BTreeMap::from([("A".to_owned(), value.clone())]);
            prop_assert_eq!(fill(&json!("<{{A}}>"), &variables, "").unwrap(), json!(format!("<{value}>")));
        }

        #[test]
        fn a_text_without_templates_stays(text in "[^{]*") {
            prop_assert_eq!(fill(&json!(text), &BTreeMap::new(), "").unwrap(), json!(text));
        }
    }

    #[test]
    fn every_text_with_unknown_variables_is_named() {
        let errors = fill(
            &json!({"a": ["{{X}}"], "b": "{{Y}}", "c": "{{"}),
            &BTreeMap::new(),
            "/config",
        );
        let pointers: Vec<_> = errors
            .unwrap_err()
            .into_iter()
            .map(|error| error.pointer)
            .collect();
        assert_eq!(pointers, ["/config/a/0", "/config/b", "/config/c"]);
    }
}
