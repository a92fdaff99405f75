//! What a tenant says about a service it makes or changes.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::ServiceType;
use crate::{
    Error, FieldError, Result, ServiceConfig, Violation,
    fields::{Fields, text},
    secret::{CurrentValues, NoValues, restore},
};

/// The longest name, in characters.
pub const MAX_NAME: usize = 63;
/// The longest description, in characters.
pub const MAX_DESCRIPTION: usize = 4096;
/// How many secret values are revealed at once.
pub const MAX_POINTERS: usize = 100;

/// The form of a service's name as a regular expression.
pub const NAME_PATTERN: &str =
    r"^[\p{Alphabetic}\p{N}._-](?:[\p{Alphabetic}\p{N} ._-]*[\p{Alphabetic}\p{N}._-])?$";

/// The fields of a service that an answer holds and a change may repeat.
const READ_ONLY: [&str; 7] = [
    "id",
    "type",
    "status",
    "tenant_id",
    "created_by",
    "created_at",
    "updated_at",
];

/// A service to be made.
#[derive(Clone, Debug, PartialEq)]
pub struct NewService {
    /// Unique within the tenant.
    pub name: String,
    /// One of each within the tenant.
    pub service_type: ServiceType,
    /// For people.
    pub description: Option<String>,
    /// What it is to run.
    pub config: ServiceConfig,
}

impl NewService {
    /// Reads a service to be made, checking every field.
    ///
    /// ```
    /// use nomad_services_domain::service::NewService;
    /// use serde_json::json;
    ///
    /// let service = NewService::parse(&json!({
    ///     "name": "db", "type": "database", "config": {"image": "postgres:13"}
    /// })).unwrap();
    /// assert_eq!(service.name, "db");
    /// ```
    ///
    /// # Errors
    /// Every bad field at once.
    pub fn parse(input: &Value) -> Result<Self, Vec<FieldError>> {
        let mut reading = ConfigReading::new(&NoValues);
        let mut fields = Fields::of(input, "")?;
        let name = fields.required("name", parse_name);
        let service_type = fields.required("type", |value| text(value)?.parse());
        let description = fields.optional("description", parse_description);
        let config = fields.nested("config", |value, pointer| reading.parse(value, pointer));
        if fields.is_absent("config") {
            fields.refuse("config", Violation::new("required", "is required"));
        }
        fields.finish(move || {
            Some(Self {
                name: name?,
                service_type: service_type?,
                description,
                config: config?,
            })
        })
    }
}

/// A change to a service. What is absent stays.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServicePatch {
    /// A new name.
    pub name: Option<String>,
    /// A new description; `Some(None)` takes it away.
    pub description: Option<Option<String>>,
    /// A whole new configuration.
    pub config: Option<ServiceConfig>,
}

impl ServicePatch {
    /// Reads a change. Read-only fields may stand in it as `current` has them, and secret values as the marker, which
    /// stands for those of `values`.
    ///
    /// # Errors
    /// Every bad field at once; `decryption_failed` where a marker stands for a value that can't be read.
    pub fn parse(
        input: &Value,
        current: &Map<String, Value>,
        values: &impl CurrentValues,
    ) -> Result<Self> {
        let mut reading = ConfigReading::new(values);
        let mut fields = Fields::of(input, "").map_err(Error::invalid)?;
        fields.unchanged(&READ_ONLY, current);
        let name = fields.optional("name", parse_name);
        let description = fields.optional("description", parse_description);
        let described = fields.has("description").then_some(description);
        let config = fields.nested("config", |value, pointer| reading.parse(value, pointer));
        reading.finish(fields.finish(move || {
            Some(Self {
                name,
                description: described,
                config,
            })
        }))
    }

    /// Reads a whole service that takes the place of another: as a change, but name and configuration must be there, and a
    /// description that is absent is taken away.
    ///
    /// # Errors
    /// As [`ServicePatch::parse`].
    pub fn parse_replacement(
        input: &Value,
        current: &Map<String, Value>,
        values: &impl CurrentValues,
    ) -> Result<Self> {
        let mut reading = ConfigReading::new(values);
        let mut fields = Fields::of(input, "").map_err(Error::invalid)?;
        fields.unchanged(&READ_ONLY, current);
        let name = fields.required("name", parse_name);
        let description = fields.optional("description", parse_description);
        let config = fields.nested("config", |value, pointer| reading.parse(value, pointer));
        if fields.is_absent("config") {
            fields.refuse("config", Violation::new("required", "is required"));
        }
        reading.finish(fields.finish(move || {
            Some(Self {
                name: Some(name?),
                description: Some(description),
                config: Some(config?),
            })
        }))
    }
}

/// Reads which secret values are asked for: 1 to 100 pointers such as `/config/environment/PASSWORD`, each once.
///
/// # Errors
/// Every bad field at once.
pub fn parse_reveal(input: &Value) -> Result<Vec<String>, Vec<FieldError>> {
    let mut fields = Fields::of(input, "")?;
    let pointers = fields.nested("pointers", |value, pointer| {
        let mut seen = BTreeSet::new();
        let items = value
            .as_array()
            .filter(|items| (1..=MAX_POINTERS).contains(&items.len()));
        let items = items.ok_or_else(|| {
            let detail = format!("must be a list of 1 to {MAX_POINTERS} JSON pointers");
            vec![Violation::new("wrong_type", detail).at(pointer)]
        })?;
        let (mut pointers, mut errors) = (Vec::new(), Vec::new());
        for (index, item) in items.iter().enumerate() {
            let repeated = || Violation::new("repeated", "this pointer stands here twice");
            let read =
                text(item).and_then(|text| seen.insert(text).then_some(text).ok_or_else(repeated));
            match read {
                Ok(text) => pointers.push(text.to_owned()),
                Err(refused) => errors.push(refused.at(format!("{pointer}/{index}"))),
            }
        }
        if errors.is_empty() {
            Ok(pointers)
        } else {
            Err(errors)
        }
    });
    if fields.is_absent("pointers") {
        fields.refuse("pointers", Violation::new("required", "is required"));
    }
    fields.finish(move || pointers)
}

/// Reads a configuration whose markers stand for the values there are.
struct ConfigReading<'values, V> {
    values: &'values V,
    unreadable: Option<Error>,
}

impl<'values, V: CurrentValues> ConfigReading<'values, V> {
    fn new(values: &'values V) -> Self {
        Self {
            values,
            unreadable: None,
        }
    }

    /// At creation what Nomad would only refuse later is refused as well: templates must be fillable.
    fn parse(&mut self, value: &Value, pointer: &str) -> Result<ServiceConfig, Vec<FieldError>> {
        let mut value = value.clone();
        let mut restored = match restore(&mut value, pointer, self.values) {
            Ok(restored) => restored,
            Err(error) => {
                self.unreadable = Some(error);
                return Err(Vec::new());
            }
        };
        let parsed = ServiceConfig::parse(&value, pointer)
            .and_then(|config| config.filled(pointer).map(|_| config));
        restored.refuse_shown(&value, pointer);
        match parsed {
            Ok(config) if restored.errors.is_empty() => Ok(config),
            Ok(_) => Err(restored.errors),
            Err(mut errors) => {
                errors.retain(|error| {
                    let at = |other: &FieldError| other.pointer == error.pointer;
                    !restored.errors.iter().any(at)
                });
                restored.errors.extend(errors);
                Err(restored.errors)
            }
        }
    }

    fn finish<T>(self, read: Result<T, Vec<FieldError>>) -> Result<T> {
        match self.unreadable {
            Some(error) => Err(error),
            None => read.map_err(Error::invalid),
        }
    }
}

fn parse_name(value: &Value) -> Result<String, Violation> {
    let name = text(value)?;
    let allowed = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '.' | '_' | '-');
    let length = name.chars().count();
    let trimmed = name.trim() == name;
    if (1..=MAX_NAME).contains(&length) && trimmed && name.chars().all(allowed) {
        return Ok(name.to_owned());
    }
    Err(Violation::new(
        "invalid_name",
        format!(
            "must have 1 to {MAX_NAME} letters, digits, ' ', '.', '_' and '-', without a space at either end"
        ),
    ))
}

fn parse_description(value: &Value) -> Result<String, Violation> {
    let description = text(value)?;
    if description.chars().count() <= MAX_DESCRIPTION {
        return Ok(description.to_owned());
    }
    Err(Violation::new(
        "too_long",
        format!("must have at most {MAX_DESCRIPTION} characters"),
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_field_nobody_knows_is_refused_and_a_missing_one_named() {
        let errors = NewService::parse(&json!({"type": "cache", "tenant_id": "x"})).unwrap_err();
        let found: Vec<_> = errors
            .iter()
            .map(|error| (error.pointer.as_str(), error.code))
            .collect();
        assert_eq!(
            found,
            [
                ("/name", "required"),
                ("/type", "not_allowed"),
                ("/config", "required"),
                ("/tenant_id", "unknown_field"),
            ]
        );
    }

    #[test]
    fn a_null_where_a_field_is_required_is_named_like_its_absence() {
        let nothing = json!({"name": null, "type": null, "config": null});
        let required = |errors: Vec<FieldError>| {
            assert!(errors.iter().all(|error| error.code == "required"));
            let pointers = errors.into_iter().map(|error| error.pointer);
            pointers.collect::<Vec<_>>()
        };
        let errors = NewService::parse(&nothing).unwrap_err();
        assert_eq!(required(errors), ["/name", "/type", "/config"]);
        let nothing = json!({"name": null, "config": null});
        let refused = ServicePatch::parse_replacement(&nothing, &Map::new(), &NoValues);
        let errors = refused.unwrap_err().fields().to_vec();
        assert_eq!(required(errors), ["/name", "/config"]);
    }

    #[test]
    fn a_change_may_repeat_what_it_cannot_change_and_nothing_else() {
        let current = json!({"status": "stopped", "type": "custom"});
        let current = current.as_object().unwrap();
        let parse = |input: Value| ServicePatch::parse(&input, current, &NoValues);
        let same = parse(json!({"status": "stopped", "name": "x"})).unwrap();
        assert_eq!(same.name.as_deref(), Some("x"));
        let error = parse(json!({"status": "running"})).unwrap_err();
        let errors = error.fields();
        assert_eq!(
            (errors[0].pointer.as_str(), errors[0].code),
            ("/status", "read_only")
        );
    }

    #[test]
    fn a_description_can_be_taken_away() {
        let parse = |input: Value| ServicePatch::parse(&input, &Map::new(), &NoValues).unwrap();
        assert_eq!(parse(json!({"description": null})).description, Some(None));
        assert_eq!(parse(json!({})), ServicePatch::default());
    }
}
