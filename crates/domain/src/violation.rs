//! What a rule says about a value it refuses: a stable code for programs and an explanation for people. Every parser of
//! a single value in this crate fails with it; where the value stood in a document is added afterwards.

use crate::FieldError;

/// A value that breaks a rule.
///
/// ```
/// use nomad_services_domain::Plan;
///
/// let violation = "gold".parse::<Plan>().unwrap_err();
/// assert_eq!(violation.code, "not_allowed");
/// assert_eq!(violation.detail, "must be one of free, starter, pro, enterprise");
/// ```
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{detail}")]
pub struct Violation {
    /// Stable, for programs: `out_of_range`.
    pub code: &'static str,
    /// For people: names the limit and the values allowed, never the value refused, which may be secret.
    pub detail: String,
}

impl Violation {
    /// A violation of the rule `code`, explained by `detail`.
    pub fn new(code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
        }
    }

    /// The violation as the error of the field at `pointer`.
    pub fn at(self, pointer: impl Into<String>) -> FieldError {
        FieldError {
            pointer: pointer.into(),
            code: self.code,
            detail: self.detail,
        }
    }
}
