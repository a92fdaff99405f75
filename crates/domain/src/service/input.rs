//! What a tenant says about a service it makes or changes.

use serde_json::{Map, Value};

use super::ServiceType;
use crate::{
    FieldError, ServiceConfig, Violation,
    fields::{Fields, text},
};

const MAX_NAME: usize = 63;
const MAX_DESCRIPTION: usize = 4096;

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
        let mut fields = Fields::of(input, "")?;
        let name = fields.required("name", parse_name);
        let service_type = fields.required("type", |value| text(value)?.parse());
        let description = fields.optional("description", parse_description);
        let config = fields.nested("config", parse_config);
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
    /// Reads a change. Read-only fields may stand in it as `current` has them.
    ///
    /// # Errors
    /// Every bad field at once.
    pub fn parse(input: &Value, current: &Map<String, Value>) -> Result<Self, Vec<FieldError>> {
        let mut fields = Fields::of(input, "")?;
        fields.unchanged(&READ_ONLY, current);
        let name = fields.optional("name", parse_name);
        let description = fields.optional("description", parse_description);
        let described = fields.has("description").then_some(description);
        let config = fields.nested("config", parse_config);
        fields.finish(move || {
            Some(Self {
                name,
                description: described,
                config,
            })
        })
    }

    /// Reads a whole service that takes the place of another: as a change, but name and configuration must be there, and a
    /// description that is absent is taken away.
    ///
    /// # Errors
    /// Every bad field at once.
    pub fn parse_replacement(
        input: &Value,
        current: &Map<String, Value>,
    ) -> Result<Self, Vec<FieldError>> {
        let mut fields = Fields::of(input, "")?;
        fields.unchanged(&READ_ONLY, current);
        let name = fields.required("name", parse_name);
        let description = fields.optional("description", parse_description);
        let config = fields.nested("config", parse_config);
        if fields.is_absent("config") {
            fields.refuse("config", Violation::new("required", "is required"));
        }
        fields.finish(move || {
            Some(Self {
                name: Some(name?),
                description: Some(description),
                config: Some(config?),
            })
        })
    }
}

/// At creation what Nomad would only refuse later is refused as well: templates must be fillable.
fn parse_config(value: &Value, pointer: &str) -> Result<ServiceConfig, Vec<FieldError>> {
    let config = ServiceConfig::parse(value, pointer)?;
    config.filled(pointer)?;
    Ok(config)
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
        let errors = ServicePatch::parse_replacement(&nothing, &Map::new()).unwrap_err();
        assert_eq!(required(errors), ["/name", "/config"]);
    }

    #[test]
    fn a_change_may_repeat_what_it_cannot_change_and_nothing_else() {
        let current = json!({"status": "stopped", "type": "custom"});
        let current = current.as_object().unwrap();
        let same =
            ServicePatch::parse(&json!({"status": "stopped", "name": "x"}), current).unwrap();
        assert_eq!(same.name.as_deref(), Some("x"));
        let errors = ServicePatch::parse(&json!({"status": "running"}), current).unwrap_err();
        assert_eq!(
            (errors[0].pointer.as_str(), errors[0].code),
            ("/status", "read_only")
        );
    }

    #[test]
    fn a_description_can_be_taken_away() {
        let patch = ServicePatch::parse(&json!({"description": null}), &Map::new()).unwrap();
        assert_eq!(patch.description, Some(None));
        assert_eq!(
            ServicePatch::parse(&json!({}), &Map::new()).unwrap(),
            ServicePatch::default()
        );
    }
}
