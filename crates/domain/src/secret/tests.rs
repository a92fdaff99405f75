use std::collections::{BTreeMap, BTreeSet, HashMap};

use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::{Error, ErrorKind, ServiceConfig, TenantId, service::ServicePatch};

const IMAGE: &str = "postgres:17";

/// Keeps what it is given under its place.
struct Cloakroom;

impl Cipher for Cloakroom {
    fn seal(&self, place: &Place<'_>, text: &str) -> Result<Sealed> {
        let kid = KeyId(Uuid::nil());
        let place = format!("{:?}", place.associated_data(kid));
        Ok(Sealed::new(kid, place, text.chars().rev().collect()))
    }

    fn open(&self, place: &Place<'_>, sealed: &Sealed) -> Result<String> {
        if format!("{:?}", place.associated_data(sealed.kid)) == sealed.n {
            return Ok(sealed.ct.chars().rev().collect());
        }
        Err(Error::decryption_failed("it stands elsewhere"))
    }
}

struct Values(Value);

impl CurrentValues for Values {
    fn value(&self, pointer: &str) -> Result<Option<String>> {
        Ok(self
            .0
            .pointer(pointer)
            .and_then(Value::as_str)
            .map(str::to_owned))
    }
}

fn row(id: u128) -> Row {
    Row {
        tenant: Some(TenantId(Uuid::from_u128(1))),
        table: "services",
        id: Uuid::from_u128(id),
    }
}

fn names() -> impl Strategy<Value = BTreeMap<String, String>> {
    // Braces would be templates, and what Nomad interprets is refused.
    proptest::collection::btree_map("[A-Z][A-Z0-9_]{0,6}", "[^{$%\u{0}]{0,12}", 0..6)
}

/// A valid configuration, with some of its texts marked.
fn config() -> impl Strategy<Value = Value> {
    let marks = proptest::collection::vec(any::<prop::sample::Index>(), 0..6);
    (names(), names(), any::<bool>(), marks).prop_map(|(environment, variables, volume, marks)| {
        let mut config = json!({
            "image": IMAGE, "environment": environment, "custom_variables": variables,
        });
        let mut places = vec!["/image".to_owned()];
        places.extend(
            variables
                .keys()
                .map(|name| format!("/custom_variables/{name}")),
        );
        places.extend(
            environment
                .keys()
                .map(|name| format!("/config/environment/{name}")),
        );
        if volume {
            config["volumes"] = json!(["data:/data"]);
            places.push("/config/volumes/0".to_owned());
        }
        let marked = marks.iter().map(|mark| mark.get(&places).clone());
        let marked: BTreeSet<_> = marked.collect();
        if !marked.is_empty() {
            config["sensitive"] = json!(marked);
        }
        config
    })
}

fn masked(config: &Value) -> Value {
    let mut config = config.clone();
    mask(&mut config, Holder::Service);
    config
}

fn changed(config: &Value, current: &Value) -> Result<ServiceConfig> {
    let input = json!({"config": config});
    let patch = ServicePatch::parse(&input, &serde_json::Map::new(), &Values(current.clone()))?;
    patch
        .config
        .ok_or_else(|| Error::internal("no configuration"))
}

fn codes(error: &Error) -> Vec<(&str, &str)> {
    let fields = error.fields().iter();
    fields
        .map(|field| (field.pointer.as_str(), field.code))
        .collect()
}

/// Whatever JSON may stand for a configuration that somebody else has stored.
fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
        Just(json!({SEALED: {"v": 1, "ct": "x"}})),
    ];
    let name = prop_oneof![
        3 => "[a-z]{1,3}",
        1 => Just("environment".to_owned()),
        1 => Just(SEALED.to_owned()),
        1 => "\\PC{0,3}",
        1 => Just("a\u{1}b".to_owned()),
    ];
    let nested = leaf.prop_recursive(4, 32, 5, move |inner| {
        let object = proptest::collection::btree_map(name.clone(), inner.clone(), 0..5);
        prop_oneof![
            proptest::collection::vec(inner, 0..4).prop_map(Value::from),
            object.prop_map(|fields| fields.into_iter().collect::<serde_json::Map<_, _>>().into()),
        ]
    });
    (nested.clone(), nested).prop_map(
        |(environment, other)| json!({"image": IMAGE, "environment": environment, "other": other}),
    )
}

proptest! {
    #[test]
    fn what_is_shown_as_text_is_what_is_masked(config in prop_oneof![config(), anything()]) {
        let shown = ShownConfig::of_stored(&config.to_string()).unwrap();
        let shown: Value = serde_json::from_str(shown.as_str()).unwrap();
        prop_assert_eq!(shown, masked(&config));
    }

    #[test]
    fn what_is_shown_and_sent_back_changes_nothing(config in config()) {
        let read = changed(&masked(&config), &config).unwrap();
        prop_assert_eq!(serde_json::to_value(read).unwrap(), config);
    }

    #[test]
    fn nothing_secret_is_shown_and_everything_else_is(config in config()) {
        let shown = masked(&config);
        let secret = secret_pointers(&config, Holder::Service);
        for part in ["environment", "custom_variables"] {
            for (name, value) in config[part].as_object().unwrap() {
                let pointer = format!("/{part}/{name}");
                let expected = if secret.contains(&pointer) { json!(MARKER) } else { value.clone() };
                prop_assert_eq!(shown.pointer(&pointer), Some(&expected));
            }
        }
        for pointer in &secret {
            prop_assert_eq!(shown.pointer(pointer), Some(&json!(MARKER)));
        }
        prop_assert_eq!(&shown["sensitive"], &config["sensitive"]);
    }

    #[test]
    fn what_is_sealed_is_opened_in_its_own_row_alone(config in config()) {
        let mut sealed = config.clone();
        seal_all(&mut sealed, Holder::Service, row(1), &Cloakroom).unwrap();
        let secrets = secret_pointers(&config, Holder::Service);
        for pointer in &secrets {
            prop_assert!(sealed.pointer(pointer).unwrap().get(SEALED).is_some(), "{}", pointer);
        }
        prop_assert_eq!(masked(&sealed), masked(&config));
        let mut elsewhere = sealed.clone();
        let opened = open_all(&mut elsewhere, row(2), &Cloakroom);
        prop_assert_eq!(opened.is_err(), !secrets.is_empty());
        open_all(&mut sealed, row(1), &Cloakroom).unwrap();
        prop_assert_eq!(sealed, config);
    }

    #[test]
    fn no_two_places_are_authenticated_alike(places in proptest::collection::vec(place(), 2..40)) {
        let mut seen = HashMap::new();
        for (row, pointer, kid) in places {
            let data = Place { row, pointer: &pointer }.associated_data(kid);
            let place = (row, pointer, kid);
            prop_assert_eq!(seen.entry(data).or_insert_with(|| place.clone()), &place);
        }
    }
}

/// Few values of each part, so that places differ in one part alone, and texts that would run into each other.
fn place() -> impl Strategy<Value = (Row, String, KeyId)> {
    let id = || (0..3_u128).prop_map(Uuid::from_u128);
    let table = prop::sample::select(vec!["services", "service", "services/config"]);
    let tenant = proptest::option::of(id().prop_map(TenantId));
    let row = (tenant, table, id()).prop_map(|(tenant, table, id)| Row { tenant, table, id });
    (row, "s?/?(config)?/?[ab]?", id().prop_map(KeyId))
}

#[test]
fn a_marker_under_a_name_that_has_no_value_is_refused() {
    let current = json!({"image": IMAGE, "environment": {"A": "1"}});
    let input = json!({"image": IMAGE, "environment": {"A": MARKER, "B": MARKER}});
    let error = changed(&input, &current).unwrap_err();
    assert_eq!(codes(&error), [("/config/environment/B", "no_such_value")]);
    let new = json!({"name": "a", "type": "custom", "config": input});
    let errors = crate::service::NewService::parse(&new).unwrap_err();
    let found: Vec<_> = errors
        .iter()
        .map(|error| (error.pointer.as_str(), error.code))
        .collect();
    let missing = |name| (name, "no_such_value");
    assert_eq!(
        found,
        [
            missing("/config/environment/A"),
            missing("/config/environment/B")
        ]
    );
}

#[test]
fn a_marker_never_makes_a_secret_shown() {
    let current = json!({
        "image": IMAGE, "custom_variables": {"A": "1"}, "sensitive": ["/custom_variables/A"]
    });
    let input = json!({"image": IMAGE, "custom_variables": {"A": MARKER}});
    let error = changed(&input, &current).unwrap_err();
    assert_eq!(
        codes(&error),
        [("/config/custom_variables/A", "still_secret")]
    );
    let sent = json!({"image": IMAGE, "custom_variables": {"A": "1"}});
    assert!(changed(&sent, &current).is_ok());
}

#[test]
fn a_value_can_become_secret_without_being_sent_again() {
    let current = json!({"image": IMAGE, "custom_variables": {"A": "1"}});
    let input = json!({
        "image": IMAGE, "custom_variables": {"A": MARKER}, "sensitive": ["/custom_variables/A"]
    });
    let read = changed(&input, &current).unwrap();
    assert_eq!(read.custom_variables.unwrap().0["A"], "1");
}

#[test]
fn what_looks_encrypted_is_refused_wherever_it_stands() {
    let sealed = json!({SEALED: {"v": 1, "kid": Uuid::nil(), "n": "", "ct": ""}});
    for (config, pointer) in [
        (json!({"image": sealed}), "/config/image/$enc"),
        (
            json!({"image": IMAGE, "environment": {"A": sealed}}),
            "/config/environment/A/$enc",
        ),
        (
            json!({"image": IMAGE, "environment": sealed}),
            "/config/environment/$enc",
        ),
        (
            json!({"image": IMAGE, "volumes": [sealed]}),
            "/config/volumes/0/$enc",
        ),
        (sealed.clone(), "/config/$enc"),
    ] {
        let errors = ServiceConfig::parse(&config, "/config").unwrap_err();
        assert_eq!(errors[0].pointer, pointer);
        assert_eq!(errors[0].code, "reserved_name");
    }
}

#[test]
fn what_is_marked_must_be_a_text_that_is_there() {
    for (pointer, code) in [
        (json!("/config/custom_variables/A"), None),
        (json!("/environment/B"), None),
        (json!("/image"), None),
        (json!("/custom_variables/C"), Some("no_such_value")),
        (json!("custom_variables/A"), Some("no_such_value")),
        (json!("/custom_variables"), Some("no_such_value")),
        (json!("/resources/cpu"), Some("no_such_value")),
        (json!("/ports/0"), Some("no_such_value")),
        (json!(""), Some("no_such_value")),
        (json!(1), Some("wrong_type")),
    ] {
        let config = json!({
            "image": IMAGE, "ports": [1], "environment": {"B": "2"}, "custom_variables": {"A": "1"},
            "resources": {"cpu": 100}, "sensitive": [pointer]
        });
        let refused = ServiceConfig::parse(&config, "/config").err();
        let refused = refused.map(|errors| (errors[0].pointer.clone(), errors[0].code));
        let expected = code.map(|code| ("/config/sensitive/0".to_owned(), code));
        assert_eq!(refused, expected, "{pointer}");
    }
}

#[test]
fn a_value_that_can_not_be_read_hinders_only_what_needs_it() {
    struct Broken;
    impl CurrentValues for Broken {
        fn value(&self, _: &str) -> Result<Option<String>> {
            Err(Error::decryption_failed("broken"))
        }
    }
    let parse = |value: &str| {
        let input = json!({"config": {"image": IMAGE, "environment": {"A": value}}});
        ServicePatch::parse(&input, &serde_json::Map::new(), &Broken)
    };
    let error = parse(MARKER).unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::Internal, "decryption_failed")
    );
    assert!(parse("new").is_ok());
}

#[test]
fn a_template_shows_what_only_names_a_variable() {
    let mut config = json!({
        "environment": {"A": "{{ PASSWORD }}", "B": "{{A}}-{{B}}", "C": "{{}}", "D": "hunter2"},
        "custom_variables": {"E": "secret", "F": "shown"}, "sensitive": ["/custom_variables/E", 1, "/sensitive/0"],
    });
    mask(&mut config, Holder::Template);
    let environment = json!({"A": "{{ PASSWORD }}", "B": MARKER, "C": MARKER, "D": MARKER});
    assert_eq!(config["environment"], environment);
    assert_eq!(
        config["custom_variables"],
        json!({"E": MARKER, "F": "shown"})
    );
}

#[test]
fn names_with_any_characters_are_found_in_a_template() {
    let mut config = json!({"environment": {"a/b~c": "x", "": "y"}});
    seal_all(&mut config, Holder::Template, row(1), &Cloakroom).unwrap();
    assert_eq!(sealed_keys(&config).len(), 1);
    open_all(&mut config, row(1), &Cloakroom).unwrap();
    assert_eq!(config, json!({"environment": {"a/b~c": "x", "": "y"}}));
}

#[test]
fn a_text_from_elsewhere_loses_every_secret_written_or_filled() {
    let config = json!({
        "image": "app:{{TAG}}",
        "environment": {"URL": "pg://{{USER}}:{{PASS}}@db", "PEM": "-----BEGIN\nabcdefgh\n", "Q": "say \"yes\""},
        "custom_variables": {"USER": "ordersuser", "PASS": "hunter2!", "TAG": "1.2.3.4"},
        "sensitive": ["/custom_variables/PASS"],
    });
    let config = ServiceConfig::parse(&config, "").unwrap();
    for (text, expected) in [
        ("a hunter2! b", "a ********** b"),
        ("pg://ordersuser:hunter2!@db", MARKER),
        ("line abcdefgh", "line **********"),
        (r#"{"Q":"say \"yes\""}"#, r#"{"Q":"**********"}"#),
        ("app:1.2.3.4 of ordersuser", "app:1.2.3.4 of ordersuser"),
    ] {
        assert_eq!(redact(text, &config), expected);
    }
}
