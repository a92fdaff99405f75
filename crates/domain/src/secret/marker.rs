//! What an answer shows in place of a secret value, and what it means when a client sends it back.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{CurrentValues, Holder, SEALED, secret_pointers};
use crate::{FieldError, Result, Violation, template::for_each_text};

/// Stands for a secret value in everything that is shown, whatever its length.
pub const MARKER: &str = "**********";

/// Puts the marker in place of every secret value, and of whatever is sealed.
///
/// ```
/// use nomad_services_domain::secret::{Holder, mask};
/// use serde_json::json;
///
/// let mut config = json!({"image": "postgres:17", "environment": {"PASSWORD": "hunter2"}});
/// mask(&mut config, Holder::Service);
/// assert_eq!(config, json!({"image": "postgres:17", "environment": {"PASSWORD": "**********"}}));
/// ```
pub fn mask(config: &mut Value, holder: Holder) {
    for pointer in secret_pointers(config, holder) {
        if let Some(value) = config.pointer_mut(&pointer) {
            *value = MARKER.into();
        }
    }
    mask_sealed(config);
}

pub(super) fn mask_sealed(value: &mut Value) {
    match value {
        Value::Object(fields) if fields.contains_key(SEALED) => *value = MARKER.into(),
        Value::Object(fields) => fields.values_mut().for_each(mask_sealed),
        Value::Array(items) => items.iter_mut().for_each(mask_sealed),
        _ => {}
    }
}

/// What became of the markers in an input.
#[derive(Debug, Default)]
pub(crate) struct Restored {
    /// The markers that stand for nothing.
    pub errors: Vec<FieldError>,
    pointers: BTreeSet<String>,
}

impl Restored {
    /// Refuses that a value which the client may not have seen is shown from now on.
    pub(crate) fn refuse_shown(&mut self, config: &Value, pointer: &str) {
        let secret = secret_pointers(config, Holder::Service);
        for shown in self.pointers.difference(&secret) {
            let detail = "must stay secret; to have it shown, send the value itself";
            let violation = Violation::new("still_secret", detail);
            self.errors.push(violation.at(format!("{pointer}{shown}")));
        }
    }
}

/// Puts `current` values in place of the markers in `config`, which stands at `pointer`.
///
/// # Errors
/// `decryption_failed`.
pub(crate) fn restore(
    config: &mut Value,
    pointer: &str,
    current: &impl CurrentValues,
) -> Result<Restored> {
    let mut marked = Vec::new();
    for_each_text(config, "", &mut |text, pointer| {
        if text == MARKER {
            marked.push(pointer.to_owned());
        }
    });
    let mut restored = Restored::default();
    for place in marked {
        match (current.value(&place)?, config.pointer_mut(&place)) {
            (Some(text), Some(value)) => {
                *value = text.into();
                restored.pointers.insert(place);
            }
            _ => {
                let detail = format!("{MARKER:?} stands for a value there is, and there is none");
                let violation = Violation::new("no_such_value", detail);
                restored
                    .errors
                    .push(violation.at(format!("{pointer}{place}")));
            }
        }
    }
    Ok(restored)
}
