//! Tenants: what they may be called, and the slug that stands for them in addresses.

pub mod ports;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use crate::{
    FieldError, Plan, TenantId, Violation,
    fields::{self, Fields},
};

/// The longest description, in characters.
pub const MAX_DESCRIPTION: usize = 4096;
/// The longest host name.
pub const MAX_DOMAIN: usize = 253;
const MAX_LABEL: usize = 63;
/// The longest name, in characters.
pub const MAX_NAME: usize = 255;

/// The form of a name as a regular expression: no control character, and not white space alone; white space around it goes.
pub const NAME_PATTERN: &str = r"^[\s\x85]*[^\s\x00-\x1f\x7f-\x9f](?:[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f])?[\s\x85]*$";

/// The form of a host name as a regular expression.
pub const DOMAIN_PATTERN: &str = r"^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)+$";
const MAX_SLUG: usize = 48;

/// A tenant.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Tenant {
    /// Its identifier.
    pub id: TenantId,
    /// What people call it.
    pub name: String,
    /// Stands for it in addresses.
    pub slug: String,
    /// For people.
    pub description: Option<String>,
    /// A host name that is its own.
    pub domain: Option<String>,
    /// Whether it is not suspended.
    pub is_active: bool,
    /// What it pays for.
    pub plan: Plan,
    /// How many services it may have.
    pub max_services: u32,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

/// Reads a tenant's name.
///
/// # Errors
/// Says what is allowed.
pub fn parse_name(value: &Value) -> Result<String, Violation> {
    let name = fields::text(value)?.trim();
    let length = name.chars().count();
    if (1..=MAX_NAME).contains(&length) && !name.chars().any(char::is_control) {
        return Ok(name.to_owned());
    }
    Err(Violation::new(
        "invalid_name",
        format!("must have 1 to {MAX_NAME} characters, none of them a control character"),
    ))
}

/// What an administrator changes of their tenant. Absent fields stay as they are; an inner `None` takes one away.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct TenantChange {
    /// What people call it.
    pub name: Option<String>,
    /// For people.
    pub description: Option<Option<String>>,
    /// A host name that is its own, in lower case.
    pub domain: Option<Option<String>>,
}

impl TenantChange {
    /// The fields of a tenant that an answer holds and a change may repeat.
    const READ_ONLY: [&str; 7] = [
        "id",
        "slug",
        "is_active",
        "plan",
        "max_services",
        "created_at",
        "updated_at",
    ];

    /// Reads a change of a tenant. Read-only fields may stand in it as `current` has them.
    ///
    /// ```
    /// use nomad_services_domain::tenant::TenantChange;
    /// use serde_json::{Map, json};
    ///
    /// let change = TenantChange::parse(&json!({"domain": "Engines.Example.com", "description": null}), &Map::new()).unwrap();
    /// assert_eq!(change.domain, Some(Some("engines.example.com".to_owned())));
    /// assert_eq!((change.description, change.name), (Some(None), None));
    /// let errors = TenantChange::parse(&json!({"plan": "enterprise"}), &Map::new()).unwrap_err();
    /// assert_eq!(errors[0].code, "read_only");
    /// ```
    ///
    /// # Errors
    /// Every bad field at once.
    pub fn parse(input: &Value, current: &Map<String, Value>) -> Result<Self, Vec<FieldError>> {
        let mut fields = Fields::of(input, "")?;
        fields.unchanged(&Self::READ_ONLY, current);
        let name = fields.optional("name", parse_name);
        let description = removable(&mut fields, "description", parse_description);
        let domain = removable(&mut fields, "domain", parse_domain);
        fields.finish(move || {
            Some(Self {
                name,
                description,
                domain,
            })
        })
    }
}

/// A field that may be absent, and that null takes away.
fn removable(
    fields: &mut Fields<'_>,
    name: &'static str,
    parse: fn(&Value) -> Result<String, Violation>,
) -> Option<Option<String>> {
    let value = fields.optional(name, parse);
    let is_null = fields.has(name) && fields.is_absent(name);
    if is_null { Some(None) } else { value.map(Some) }
}

fn parse_description(value: &Value) -> Result<String, Violation> {
    let text = fields::text(value)?;
    if text.chars().count() <= MAX_DESCRIPTION {
        return Ok(text.to_owned());
    }
    let detail = format!("must have at most {MAX_DESCRIPTION} characters");
    Err(Violation::new("too_long", detail))
}

/// A host name (RFC 1123) of at least two labels, in lower case.
fn parse_domain(value: &Value) -> Result<String, Violation> {
    let domain = fields::text(value)?.to_ascii_lowercase();
    let label = |label: &str| {
        (1..=MAX_LABEL).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if domain.len() <= MAX_DOMAIN && domain.contains('.') && domain.split('.').all(label) {
        return Ok(domain);
    }
    let detail = format!(
        "must be a host name such as engines.example.com, of at most {MAX_DOMAIN} characters"
    );
    Err(Violation::new("invalid_domain", detail))
}

/// The slug for a name: lower-case ASCII letters, digits and single dashes.
///
/// ```
/// use nomad_services_domain::tenant::slug;
///
/// assert_eq!(slug("Ærø & Söhne"), "aero-sohne");
/// assert_eq!(slug("  "), "tenant");
/// ```
pub fn slug(name: &str) -> String {
    let slug = slug::slugify(name);
    let slug = slug.get(..MAX_SLUG).unwrap_or(&slug).trim_matches('-');
    if slug.is_empty() {
        "tenant".to_owned()
    } else {
        slug.to_owned()
    }
}

/// The slug for a name that others have too, made different by `suffix`.
pub fn slug_with_suffix(name: &str, suffix: &str) -> String {
    format!("{}-{suffix}", slug(name))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_name_has_a_slug_of_lower_case_letters_digits_and_single_dashes(name in ".*") {
            let slug = slug(&name);
            prop_assert!((1..=MAX_SLUG).contains(&slug.len()));
            prop_assert!(slug.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'));
            prop_assert!(!slug.starts_with('-') && !slug.ends_with('-') && !slug.contains("--"));
        }
    }
}
