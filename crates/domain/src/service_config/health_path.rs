//! The path a health check requests.

use crate::Violation;

const MAX_PATH: usize = 1024;

/// Checks a path. With two leading slashes the node would take what follows for a host and fetch from there.
pub(super) fn check(path: &str) -> Result<(), Violation> {
    let visible = path.chars().all(|c| c.is_ascii_graphic());
    let literal = !["${", "%{", "{{"]
        .iter()
        .any(|opening| path.contains(opening));
    let one_slash = path.starts_with('/') && !path.starts_with("//") && !path.contains('\\');
    if one_slash && visible && literal && path.len() <= MAX_PATH {
        return Ok(());
    }
    Err(Violation::new(
        "invalid_path",
        format!(
            "must begin with exactly one '/' and have at most {MAX_PATH} visible ASCII characters, no '\\', '${{', '%{{' or '{{{{'"
        ),
    ))
}
