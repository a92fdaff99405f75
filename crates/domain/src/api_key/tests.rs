use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::Scope;

fn now() -> DateTime<Utc> {
    "2026-11-24T12:00:00Z".parse().unwrap()
}

proptest! {
    #[test]
    fn every_key_reads_back(public_id: [u8; 8], secret: [u8; 32]) {
        let key = ApiKeyText::from_random(public_id, secret);
        prop_assert_eq!(key.expose().parse::<ApiKeyText>().unwrap(), key.clone());
        let text = key.expose();
        prop_assert_eq!(text.len(), 71);
        let shown = format!("{key:?}");
        prop_assert!(!shown.contains(&text[22..30]), "{}", shown);
    }

    #[test]
    fn a_key_with_one_other_character_is_none(
        public_id: [u8; 8], secret: [u8; 32], place in 0_usize..71, other in "[ -~]",
    ) {
        let mut text = ApiKeyText::from_random(public_id, secret).expose().to_owned();
        prop_assume!(text[place..=place] != other);
        text.replace_range(place..=place, &other);
        prop_assert!(text.parse::<ApiKeyText>().is_err());
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC{0,80}") {
        let _ = text.parse::<ApiKeyText>();
        let _ = format!("nsk_{text}").parse::<ApiKeyText>();
    }

    #[test]
    fn a_network_holds_what_is_in_it_and_nothing_else(bits: u32, other: u32, length in 0_u8..=32) {
        let network = Network::around(IpAddr::V4(bits.into()), length);
        prop_assert!(network.contains(IpAddr::V4(bits.into())));
        let shared = (bits ^ other).leading_zeros() >= u32::from(length);
        prop_assert_eq!(network.contains(IpAddr::V4(other.into())), shared);
        prop_assert_eq!(network.to_string().parse::<Network>().unwrap(), network);
    }
}

#[test]
fn a_network_is_read_strictly() {
    for (text, read) in [
        ("192.0.2.7", "192.0.2.7/32"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("2001:db8::/32", "2001:db8::/32"),
        ("2001:db8::1", "2001:db8::1/128"),
    ] {
        assert_eq!(text.parse::<Network>().unwrap().to_string(), read);
    }
    for text in [
        "",
        "example.com",
        "192.0.2.1/24",
        "192.0.2.0/33",
        "192.0.2.0/+8",
        "192.0.2.0/",
        "::ffff:192.0.2.0/120",
    ] {
        assert_eq!(
            text.parse::<Network>().unwrap_err().code,
            "invalid_network",
            "{text}"
        );
    }
}

#[test]
fn a_new_key_is_read_with_every_bad_field_named() {
    let input = json!({
        "name": "CI", "scopes": ["deploy"], "expires_at": "2027-01-31T12:00:00+02:00", "allowed_networks": ["192.0.2.0/24"]
    });
    let new = NewApiKey::parse(&input, now()).unwrap();
    assert_eq!(new.scopes, [Scope::Deploy].into_iter().collect());
    assert_eq!(
        new.expires_at,
        Some("2027-01-31T10:00:00Z".parse().unwrap())
    );
    let bad = json!({
        "name": " ", "scopes": ["root"], "expires_at": "2026-11-24T12:00:00Z", "allowed_networks": ["192.0.2.0/24", "all"],
        "user_id": "somebody else"
    });
    let errors = NewApiKey::parse(&bad, now()).unwrap_err();
    let found: Vec<_> = errors
        .iter()
        .map(|error| (error.pointer.as_str(), error.code))
        .collect();
    assert_eq!(
        found,
        [
            ("/name", "invalid_name"),
            ("/scopes", "not_allowed"),
            ("/expires_at", "out_of_range"),
            ("/allowed_networks/1", "invalid_network"),
            ("/user_id", "unknown_field"),
        ]
    );
}

#[test]
fn a_change_may_repeat_what_it_read_even_an_expiry_that_has_passed() {
    let current = json!({"id": 1, "expires_at": "2026-01-01T00:00:00Z"});
    let current = current.as_object().unwrap();
    let parse = |input| ApiKeyChange::parse(&input, current, now());
    let same = parse(json!({"id": 1, "name": "CI", "expires_at": "2026-01-01T00:00:00Z"})).unwrap();
    assert_eq!((same.name.as_deref(), same.expires_at), (Some("CI"), None));
    assert_eq!(
        parse(json!({"expires_at": null})).unwrap().expires_at,
        Some(None)
    );
    assert_eq!(parse(json!({})).unwrap(), ApiKeyChange::default());
    let errors = parse(json!({"id": 2, "expires_at": "2026-02-01T00:00:00Z"})).unwrap_err();
    let codes: Vec<_> = errors.iter().map(|error| error.code).collect();
    assert_eq!(codes, ["read_only", "out_of_range"]);
}
