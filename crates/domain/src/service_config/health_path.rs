//! The path a health check requests.

use crate::Violation;

/// The longest path, in characters.
pub const MAX_PATH: usize = 1024;

/// The form of a health check's path as a regular expression.
pub const PATH_PATTERN: &str = r"^/(?:(?:[!-#&-.0-\[\]-z|}~]|\{[$%]*[!-#&-\[\]-z|}~]|[$%]+[!-#&-\[\]-z|}~])(?:\{?[$%]*[!-#&-\[\]-z|}~])*\{?[$%]*|\{[$%]*|[$%]+)?$";

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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_pattern_is_what_is_taken(path in r"/?[/a{}$%\\ é~!.]{0,8}") {
            let pattern = regex_lite::Regex::new(PATH_PATTERN).unwrap();
            prop_assert_eq!(pattern.is_match(&path), check(&path).is_ok(), "{:?}", path);
        }
    }
}
