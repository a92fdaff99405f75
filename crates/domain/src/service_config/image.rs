//! Image references, as the container registries' own grammar has them (distribution/reference).

use std::sync::LazyLock;

use regex_lite::Regex;

use crate::Violation;

const MAX_NAME: usize = 255;

/// The longest reference, in characters: registries bound the name, and the grammar the rest but for the digest.
pub const MAX_REFERENCE: usize = 2 * MAX_NAME + 128;

static REFERENCE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(&format!("^{}$", image_pattern())).ok());

/// The form of a reference as a regular expression, without its anchors: `[host[:port]/]path[:tag][@digest]`, without a
/// scheme or credentials. Its first group is the name.
pub fn image_pattern() -> String {
    let label = "(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])";
    let host = format!(r"(?:{label}(?:\.{label})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?");
    let component = "[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*";
    let tag = "[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}";
    let digest = "[A-Za-z][A-Za-z0-9]*(?:[+._-][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}";
    format!("((?:{host}/)?{component}(?:/{component})*)(?::{tag})?(?:@{digest})?")
}

/// Checks an image reference such as `postgres:13` or `registry.example.com:5000/team/app@sha256:…`.
///
/// ```
/// use nomad_services_domain::service_config::check_image;
///
/// assert!(check_image("registry.example.com:5000/team/app:1.2").is_ok());
/// assert!(check_image("https://registry.example.com/app").is_err());
/// ```
///
/// # Errors
/// Says what is allowed.
pub fn check_image(reference: &str) -> Result<(), Violation> {
    if is_reference(reference) {
        return Ok(());
    }
    let detail = if is_reference(&reference.to_ascii_lowercase()) {
        "must have no capital letters in the image's name (a tag may): registry.example.com/team/app:1.2, not registry.example.com/Team/App:1.2"
    } else {
        "must be an image reference such as postgres:13 or registry.example.com/team/app:1.2, without a scheme"
    };
    Err(Violation::new("invalid_image", detail))
}

fn is_reference(text: &str) -> bool {
    if text.len() > MAX_REFERENCE {
        return false;
    }
    let pattern = REFERENCE.as_ref();
    let matched = pattern.and_then(|pattern| pattern.captures(text));
    let name = matched.and_then(|captures| captures.get(1));
    name.is_some_and(|name| name.len() <= MAX_NAME)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOST: &str = r"([a-zA-Z0-9]([a-zA-Z0-9-]{0,9}[a-zA-Z0-9])?(\.[a-zA-Z0-9]{1,9}){0,3}|\[[a-f0-9:]{2,20}\])(:[0-9]{1,5})?/";
    const PATH: &str = "[a-z0-9]{1,8}(([._]|__|-{1,3})[a-z0-9]{1,8}){0,3}";
    const TAG: &str = ":[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}";
    const DIGEST: &str = "@sha(256:[0-9a-f]{64}|512:[0-9a-f]{128})";
    /// No part of a reference may hold one of these, wherever it stands.
    const ILLEGAL: &str = r#"[^A-Za-z0-9._:/@\[\]-]"#;

    fn reference() -> impl Strategy<Value = String> {
        let path = proptest::collection::vec(PATH, 1..4).prop_map(|parts| parts.join("/"));
        let part = |pattern| proptest::option::of(pattern).prop_map(Option::unwrap_or_default);
        (part(HOST), path, part(TAG), part(DIGEST))
            .prop_map(|(host, path, tag, digest)| format!("{host}{path}{tag}{digest}"))
    }

    proptest! {
        #[test]
        fn every_reference_the_grammar_makes_passes(reference in reference()) {
            prop_assert!(check_image(&reference).is_ok());
        }

        #[test]
        fn an_illegal_character_anywhere_is_refused(
            reference in reference(), illegal in ILLEGAL, place in any::<prop::sample::Index>()
        ) {
            let place = place.index(reference.len() + 1);
            let (before, after) = reference.split_at(place);
            let mutated = format!("{before}{illegal}{after}");
            prop_assert!(check_image(&mutated).is_err(), "{mutated:?}");
        }
    }

    #[test]
    fn names_tags_and_digests_are_bounded() {
        let (name, tag) = (
            |n: usize| "a".repeat(n),
            |n: usize| format!("a:{}", "t".repeat(n)),
        );
        let digest = |n: usize| format!("a@sha256:{}", "f".repeat(n));
        for (good, bad) in [
            (name(255), name(256)),
            (tag(128), tag(129)),
            (digest(32), digest(31)),
        ] {
            assert!(check_image(&good).is_ok(), "{good}");
            assert!(check_image(&bad).is_err(), "{bad}");
        }
        let whole = |n: usize| format!("{}@a:{}", name(255), "f".repeat(n - 258));
        assert!(check_image(&whole(638)).is_ok());
        assert!(check_image(&whole(639)).is_err());
    }

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
    fn capital_letters_are_named_where_they_alone_are_wrong() {
        let detail = |reference| check_image(reference).unwrap_err().detail;
        for reference in [
            "Postgres",
            "registry.example.com/Team/app:1.2",
            "team/App:V1",
        ] {
            assert!(
                detail(reference).contains("no capital letters"),
                "{reference}"
            );
        }
        for reference in ["https://Example.com/app", "App:", "App/"] {
            assert!(!detail(reference).contains("capital"), "{reference}");
        }
        assert!(check_image("Registry.Example.com/team/app:V1").is_ok());
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
