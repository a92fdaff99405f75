//! What is wrong with the configuration, said so that its operator can put it right without reading anything else.

use std::fmt;

/// Every setting that keeps the server from starting.
#[derive(Debug)]
pub struct SettingsError(pub(super) Vec<SettingProblem>);

/// One wrong setting.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum SettingProblem {
    /// A key that does not exist.
    UnknownKey {
        key: String,
        origin: String,
        /// The keys that exist beside it, or the sections.
        known: Vec<String>,
    },
    /// A value that is not allowed.
    Value {
        key: String,
        origin: String,
        /// As it stands there; masked where it is a secret.
        value: String,
        allowed: String,
    },
    /// A value that must be set and is not.
    Missing {
        key: &'static str,
        /// Its environment variable, and another way to say it.
        variable: &'static str,
        allowed: &'static str,
    },
    /// A file that can't be read.
    File { detail: String },
}

impl From<SettingProblem> for SettingsError {
    fn from(problem: SettingProblem) -> Self {
        Self(vec![problem])
    }
}

impl std::error::Error for SettingsError {}

impl fmt::Display for SettingsError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the configuration is not valid")?;
        for problem in &self.0 {
            write!(formatter, "\n  {problem}")?;
        }
        Ok(())
    }
}

impl fmt::Display for SettingProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownKey { key, origin, known } => {
                write!(
                    formatter,
                    "{key} ({origin}): there is no such key; known: {}",
                    known.join(", ")
                )
            }
            Self::Value {
                key,
                origin,
                value,
                allowed,
            } => {
                write!(
                    formatter,
                    "{key} ({origin}): {value:?} is not valid; allowed: {allowed}"
                )
            }
            Self::Missing {
                key,
                variable,
                allowed,
            } => {
                write!(formatter, "{key} is not set; set {variable}: {allowed}")
            }
            Self::File { detail } => formatter.write_str(detail),
        }
    }
}
