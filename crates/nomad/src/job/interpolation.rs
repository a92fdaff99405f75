//! What Nomad would interpret in a job: `${…}`, `%{…}` and `{{…}}`. A job file may use them; a tenant's values may not, nor
//! may two harmless values join into one. So the parsed job is looked at, not the values.

use std::collections::BTreeSet;

use domain::{FieldError, Violation};
use serde_json::{Map, Value};

const MARKERS: [(&str, &str); 3] = [("${", "}"), ("%{", "}"), ("{{", "}}")];

/// The same variables with every text replaced by one that means nothing.
pub fn harmless(variables: &Map<String, Value>) -> Map<String, Value> {
    fn plain(value: &Value) -> Value {
        match value {
            Value::String(_) => Value::from("x"),
            Value::Array(items) => items.iter().map(plain).collect(),
            Value::Object(fields) => fields
                .iter()
                .map(|(name, value)| (name.clone(), plain(value)))
                .collect::<Map<_, _>>()
                .into(),
            other => other.clone(),
        }
    }
    let plain = variables
        .iter()
        .map(|(name, value)| (name.clone(), plain(value)));
    plain.collect()
}

/// Refuses a job with interpolations that it does not have when the values are harmless.
pub fn check(job: &Value, with_harmless_values: &Value) -> Result<(), Vec<FieldError>> {
    let mut own = BTreeSet::new();
    visit(with_harmless_values, "", &mut |text, _| {
        own.extend(found(text))
    });
    let mut errors = Vec::new();
    visit(job, "", &mut |text, pointer| {
        if found(text).any(|expression| !own.contains(&expression)) {
            let detail = format!("a value would be interpreted by Nomad at {pointer} of the job");
            let refused = Violation::new("interpreted", detail);
            errors.push(refused.at("/config/nomad_job_file"));
        }
    });
    if errors.is_empty() {
        Ok(())
    } else {
        Err(errors)
    }
}

/// Every expression in a text, to the marker that ends it or the text's end.
fn found(text: &str) -> impl Iterator<Item = String> {
    MARKERS.into_iter().flat_map(move |(open, close)| {
        text.match_indices(open).map(move |(begin, _)| {
            let rest = &text[begin..];
            let end = rest.find(close).map_or(rest.len(), |end| end + close.len());
            rest[..end].to_owned()
        })
    })
}

fn visit(value: &Value, pointer: &str, seen: &mut impl FnMut(&str, &str)) {
    match value {
        Value::String(text) => seen(text, pointer),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                visit(item, &format!("{pointer}/{index}"), seen);
            }
        }
        Value::Object(fields) => {
            for (name, value) in fields {
                // A name may come from a value, too: an environment's does.
                seen(name, pointer);
                visit(value, &format!("{pointer}/{name}"), seen);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_file_itself_interpolates_is_allowed() {
        let job = json!({"args": ["${NOMAD_PORT_http}", "value"]});
        let plain = json!({"args": ["${NOMAD_PORT_http}", "x"]});
        assert!(check(&job, &plain).is_ok());
    }

    #[test]
    fn harmless_values_that_join_into_an_expression_are_refused() {
        let job = json!({"Env": {"A": "${node.unique.id}"}});
        let plain = json!({"Env": {"A": "x{node.unique.id}"}});
        let errors = check(&job, &plain).unwrap_err();
        assert!(errors[0].detail.contains("/Env/A"));
        assert!(check(&json!("{{ env }}"), &json!("x")).is_err());
        assert!(check(&json!({"%{if}": 1}), &json!({"x": 1})).is_err());
    }

    #[test]
    fn harmless_values_keep_the_shape_of_the_real_ones() {
        let variables = json!({"ports": [80], "environment": {"A": "secret"}, "image": "a:1"});
        let plain = harmless(variables.as_object().unwrap());
        let expected = json!({"ports": [80], "environment": {"A": "x"}, "image": "x"});
        assert_eq!(Value::Object(plain), expected);
    }
}
