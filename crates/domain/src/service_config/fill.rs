//! A configuration with its templates filled: what a job is built from.

use serde_json::Value;

use super::{ServiceConfig, check_image};
use crate::{FieldError, Violation, template};

/// What Nomad would interpret, where it stands in a job.
const INTERPRETED: [&str; 3] = ["${", "%{", "{{"];

impl ServiceConfig {
    /// The configuration with `{{NAME}}` replaced by the custom variable of that name, everywhere but in the variables
    /// themselves. With a job file the variables are the file's, and nothing is replaced.
    ///
    /// ```
    /// use nomad_services_domain::ServiceConfig;
    /// use serde_json::json;
    ///
    /// let written = json!({"image": "postgres:{{TAG}}", "custom_variables": {"TAG": "17"}});
    /// let config = ServiceConfig::parse(&written, "").expect("a valid configuration");
    /// let filled = config.filled("").expect("TAG is there");
    /// assert_eq!(filled.image.as_deref(), Some("postgres:17"));
    /// ```
    ///
    /// # Errors
    /// Every template that names no variable, and every value that Nomad would interpret.
    pub fn filled(&self, pointer: &str) -> Result<Self, Vec<FieldError>> {
        let filled = if self.nomad_job_file.is_some() {
            self.clone()
        } else {
            let custom_variables = self.custom_variables.clone().unwrap_or_default();
            let written = Self {
                custom_variables: None,
                ..self.clone()
            };
            let written = serde_json::to_value(written)
                .map_err(|error| unreadable(pointer, &error.to_string()))?;
            let filled = if template::has_references(&written) {
                let value = template::fill(&written, &custom_variables.0, pointer)?;
                serde_json::from_value(value)
                    .map_err(|error| unreadable(pointer, &error.to_string()))?
            } else {
                self.clone()
            };
            if let Some(Err(refused)) = filled.image.as_deref().map(check_image) {
                return Err(vec![refused.at(format!("{pointer}/image"))]);
            }
            Self {
                custom_variables: self.custom_variables.clone(),
                ..filled
            }
        };
        let value = serde_json::to_value(&filled)
            .map_err(|error| unreadable(pointer, &error.to_string()))?;
        let mut errors = Vec::new();
        refuse_interpreted(&value, pointer, &mut errors);
        if errors.is_empty() {
            Ok(filled)
        } else {
            Err(errors)
        }
    }
}

fn unreadable(pointer: &str, detail: &str) -> Vec<FieldError> {
    vec![Violation::new("invalid", detail).at(pointer)]
}

fn refuse_interpreted(value: &Value, pointer: &str, errors: &mut Vec<FieldError>) {
    template::for_each_text(value, pointer, &mut |text, pointer| {
        if let Some(found) = INTERPRETED.iter().find(|found| text.contains(**found)) {
            let detail = format!("must not contain {found:?}, which Nomad would interpret");
            errors.push(Violation::new("interpreted", detail).at(pointer));
        }
    });
}
