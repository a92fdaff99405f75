//! Named values that may be secret.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

/// Values by name whose `Debug` shows the names alone, so that no log line can give a password away.
///
/// ```
/// use nomad_services_domain::service_config::SecretValues;
///
/// let values = SecretValues(std::iter::once(("PASSWORD".into(), "hunter2".into())).collect());
/// assert_eq!(format!("{values:?}"), r#"{"PASSWORD": **********}"#);
/// ```
#[derive(Clone, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct SecretValues(pub BTreeMap<String, String>);

impl fmt::Debug for SecretValues {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_map()
            .entries(self.0.keys().map(|name| (name, format_args!("**********"))))
            .finish()
    }
}
