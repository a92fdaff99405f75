//! Image references, as the container registries' own grammar has them (distribution/reference).

use std::sync::LazyLock;

use regex_lite::Regex;

use crate::Violation;

const MAX_NAME: usize = 255;

/// `[host[:port]/]path[:tag][@digest]`, without a scheme or credentials.
static REFERENCE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let label = "(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])";
    let host = format!(r"(?:{label}(?:\.{label})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?");
    let component = "[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*";
    let tag = "[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}";
    let digest = "[A-Za-z][A-Za-z0-9]*(?:[+._-][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}";
    let pattern = format!("^((?:{host}/)?{component}(?:/{component})*)(?::{tag})?(?:@{digest})?$");
    Regex::new(&pattern).ok()
});

/// Checks an image reference such as `postgres:13` or `registry.example.com:5000/team/app@sha256:…`.
///
/// # Errors
/// Says what is allowed.
pub fn check_image(reference: &str) -> Result<(), Violation> {
    // Registries bound the name, and the rest is bounded by the grammar but for the digest.
    let matched = (reference.len() <= 2 * MAX_NAME + 128)
        .then(|| {
            REFERENCE
                .as_ref()
                .and_then(|pattern| pattern.captures(reference))
        })
        .flatten();
    let name = matched
        .and_then(|captures| captures.get(1))
        .map_or(usize::MAX, |name| name.len());
    if name <= MAX_NAME {
        return Ok(());
    }
    Err(Violation::new(
        "invalid_image",
        "must be an image reference such as postgres:13 or registry.example.com/team/app:1.2, without a scheme",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_of_the_registries_grammar_pass() {
        let digest = format!("app@sha256:{}", "a".repeat(64));
        for reference in [
            "postgres",
            "postgres:13",
            "library/postgres:13-alpine",
            "registry.example.com:5000/team/app__x:V1.2_3",
            "localhost/app",
            "[::1]:5000/app",
            "a.b-c/d_e/f--g:latest",
            &digest,
        ] {
            assert!(check_image(reference).is_ok(), "{reference}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        let long = "a".repeat(256);
        for reference in [
            "",
            " postgres",
            "postgres:13\n",
            "Postgres",
            "https://example.com/app",
            "user@example.com/app",
            "app:",
            "app:-x",
            "app@sha256:abc",
            "/app",
            "app/",
            "a//b",
            "../app",
            "app:${x}",
            &long,
        ] {
            assert!(check_image(reference).is_err(), "{reference:?}");
        }
    }
}
