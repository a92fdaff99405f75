//! What stands nowhere in a configuration, whatever its field: NUL, a field nobody knows, a value of another type.

use serde_json::json;

use super::{fails, passes, pointers, refusals};

#[test]
fn nul_stands_nowhere() {
    for (field, value, code, pointer) in [
        ("image", json!("a\0"), "nul", "/image"),
        ("environment", json!({"A": "\0"}), "nul", "/environment/A"),
        (
            "environment",
            json!({"\0": ""}),
            "invalid_name",
            "/environment/\0",
        ),
        ("volumes", json!(["d:/x\0"]), "nul", "/volumes/0"),
        (
            "health_check",
            json!({"path": "/\0"}),
            "nul",
            "/health_check/path",
        ),
        (
            "health_check",
            json!({"interval": "1s\0"}),
            "nul",
            "/health_check/interval",
        ),
        (
            "health_check",
            json!({"timeout": "\u{0}1s"}),
            "nul",
            "/health_check/timeout",
        ),
        (
            "nomad_job_file",
            json!("a\0.nomad"),
            "nul",
            "/nomad_job_file",
        ),
        (
            "custom_variables",
            json!({"a": "x\0"}),
            "nul",
            "/custom_variables/a",
        ),
        ("\0", json!(1), "unknown_field", "/\0"),
    ] {
        fails(field, value, code, pointer);
    }
}

#[test]
fn fields_nobody_knows_are_refused_at_every_level() {
    fails("gpu", 1, "unknown_field", "/gpu");
    fails("a/b~c", 1, "unknown_field", "/a~1b~0c");
    fails(
        "resources",
        json!({"cpus": 1}),
        "unknown_field",
        "/resources/cpus",
    );
    fails(
        "health_check",
        json!({"url": "x"}),
        "unknown_field",
        "/health_check/url",
    );
}

#[test]
fn a_field_of_another_type_is_refused_and_null_is_as_good_as_absent() {
    for field in [
        "ports",
        "environment",
        "volumes",
        "resources",
        "health_check",
        "nomad_job_file",
        "custom_variables",
    ] {
        passes(field, json!(null));
        fails(field, json!(true), "wrong_type", &format!("/{field}"));
    }
    assert_eq!(
        refusals("image", json!(null)),
        [("required", "/image".to_owned())]
    );
    for document in [json!(null), json!([]), json!("image")] {
        assert_eq!(pointers(&document), ["/config"]);
    }
}
