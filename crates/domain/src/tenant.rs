//! Tenants: what they may be called, and the slug that stands for them in addresses.

use serde_json::Value;

use crate::{Violation, fields};

const MAX_NAME: usize = 255;
const MAX_SLUG: usize = 48;

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
