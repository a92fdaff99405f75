//! Where secret values stand: every value of the environment, and what `sensitive` lists.

use std::collections::BTreeSet;

use serde_json::Value;

use super::SEALED;
use crate::{FieldError, Violation, pointer::child};

/// What a configuration belongs to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Holder {
    /// A service: each value is meant as it stands.
    Service,
    /// A template: a text that only names a variable, `{{PASSWORD}}`, is no secret, and who fills it in must see it.
    Template,
}

/// The pointers of all secret values of a configuration, whether they are texts or sealed.
///
/// ```
/// use nomad_services_domain::secret::{Holder, secret_pointers};
/// use serde_json::json;
///
/// let config = json!({
///     "environment": {"A": "1"}, "custom_variables": {"b": "2", "c": "3"},
///     "sensitive": ["/config/custom_variables/b"],
/// });
/// let pointers: Vec<_> = secret_pointers(&config, Holder::Service).into_iter().collect();
/// assert_eq!(pointers, ["/custom_variables/b", "/environment/A"]);
/// ```
pub fn secret_pointers(config: &Value, holder: Holder) -> BTreeSet<String> {
    let environment = config["environment"].as_object().into_iter().flatten();
    let environment = environment.map(|(name, _)| child("/environment", name));
    let marked = config["sensitive"].as_array().into_iter().flatten();
    let marked = marked
        .filter_map(Value::as_str)
        .map(|pointer| in_config(pointer).to_owned())
        .filter(|pointer| may_be_secret(pointer));
    environment
        .chain(marked)
        .filter(|pointer| match config.pointer(pointer) {
            Some(Value::String(text)) => holder == Holder::Service || !is_reference(text),
            Some(value) => value.get(SEALED).is_some(),
            None => false,
        })
        .collect()
}

/// A pointer into a configuration, of one into what has it: `/config/image` and `/image` are the same place.
pub fn in_config(pointer: &str) -> &str {
    match pointer.strip_prefix("/config") {
        Some(rest) if rest.starts_with('/') => rest,
        _ => pointer,
    }
}

/// Whether a text may stand at `pointer` that an answer can show as a marker.
pub(crate) fn may_be_secret(pointer: &str) -> bool {
    let segments: Vec<_> = pointer.split('/').collect();
    matches!(
        segments.as_slice(),
        ["", "image"]
            | ["", "environment" | "custom_variables" | "volumes", _]
            | ["", "health_check", "path"]
    )
}

/// Refuses what only the product itself writes, wherever it stands.
pub(crate) fn refuse_sealed(input: &Value, pointer: &str, errors: &mut Vec<FieldError>) {
    match input {
        Value::Object(fields) => {
            for (name, value) in fields {
                let pointer = child(pointer, name);
                if name == SEALED {
                    let detail = format!("{SEALED} is kept for what the product has encrypted");
                    errors.push(Violation::new("reserved_name", detail).at(pointer));
                } else {
                    refuse_sealed(value, &pointer, errors);
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                refuse_sealed(item, &format!("{pointer}/{index}"), errors);
            }
        }
        _ => {}
    }
}

fn is_reference(text: &str) -> bool {
    let name = text
        .strip_prefix("{{")
        .and_then(|rest| rest.strip_suffix("}}"));
    name.is_some_and(|name| {
        let name = name.trim();
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        !name.is_empty() && name.chars().all(allowed)
    })
}
