//! Taking secret values out of texts that come from elsewhere: what Nomad says of a job, what a task wrote before it died.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Holder, MARKER, mask, secret_pointers};
use crate::ServiceConfig;

/// Shorter values are words like any other: taking them out would leave nothing to read.
const SHORTEST: usize = 4;

/// `text` with the marker in place of every secret value of `config`, as it is written and as it is filled. A value that
/// the configuration shows elsewhere stays.
///
/// ```
/// use nomad_services_domain::{ServiceConfig, secret::redact};
/// use serde_json::json;
///
/// let config = json!({"image": "postgres:17", "environment": {"PASSWORD": "hunter2", "USER": "postgres"}});
/// let config = ServiceConfig::parse(&config, "").expect("a valid configuration");
/// assert_eq!(redact("postgres: hunter2 is too short", &config), "postgres: ********** is too short");
/// ```
pub fn redact(text: &str, config: &ServiceConfig) -> String {
    let written = serde_json::to_value(config).unwrap_or_default();
    let filled = config.filled("").ok();
    let filled = filled
        .and_then(|filled| serde_json::to_value(filled).ok())
        .unwrap_or_default();
    let mut shown = written.clone();
    mask(&mut shown, Holder::Service);
    let shown = shown.to_string();

    let mut secrets = BTreeSet::new();
    for config in [&written, &filled] {
        for pointer in secret_pointers(&written, Holder::Service) {
            if let Some(Value::String(secret)) = config.pointer(&pointer) {
                secrets.insert(secret.clone());
                secrets.extend(secret.lines().map(|line| line.trim().to_owned()));
                let escaped = Value::from(secret.as_str()).to_string();
                secrets.extend(escaped.get(1..escaped.len() - 1).map(str::to_owned));
            }
        }
    }
    let mut secrets: Vec<_> = secrets
        .into_iter()
        .filter(|secret| secret.len() >= SHORTEST && !shown.contains(secret.as_str()))
        .collect();
    // The longest first, so that none is left in half.
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    secrets.iter().fold(text.to_owned(), |text, secret| {
        text.replace(secret.as_str(), MARKER)
    })
}
