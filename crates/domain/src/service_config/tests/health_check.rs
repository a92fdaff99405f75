//! Health checks: the last value that passes, and the first that does not.

use serde_json::json;

use super::{fails, passes};
use crate::service_config::MAX_RETRIES;

#[test]
fn a_health_path_begins_with_exactly_one_slash() {
    let path = |path: &str| json!({"path": path});
    let long = |length: usize| format!("/{}", "x".repeat(length - 1));
    for good in ["/", "/health", "/a//b", "/a?b=c&d=%20#e", &long(1024)] {
        passes("health_check", path(good));
    }
    for bad in [
        "",
        "health",
        "//",
        "//evil.example/",
        "///",
        "/\\evil.example",
        "\\/",
        "http://evil.example/",
        " /health",
        "/health ",
        "/a b",
        "/a\nb",
        "/ä",
        "/${attr.x}",
        "/%{x}",
        "/{{x}}",
        &long(1025),
    ] {
        fails(
            "health_check",
            path(bad),
            "invalid_path",
            "/health_check/path",
        );
    }
}

#[test]
fn checks_have_an_interval_a_timeout_and_retries_within_bounds() {
    for good in [
        json!({"interval": "1s", "timeout": "1s"}),
        json!({"interval": "1000ms", "timeout": "1s"}),
        json!({"interval": "24h", "timeout": "24h"}),
        json!({"timeout": "30s"}),
        json!({"interval": "1m30s", "timeout": "1m0s"}),
        json!({"retries": 3.0}),
        json!({"retries": 1}),
        json!({"retries": MAX_RETRIES}),
        json!({"enabled": false}),
        json!({}),
    ] {
        passes("health_check", good);
    }
    for (field, value, code) in [
        ("interval", json!("999ms"), "out_of_range"),
        ("interval", json!("86401s"), "out_of_range"),
        ("interval", json!("24h1ms"), "out_of_range"),
        ("interval", json!("4294967295h"), "out_of_range"),
        ("interval", json!("0s"), "malformed"),
        ("interval", json!("30"), "malformed"),
        ("interval", json!(30), "wrong_type"),
        ("timeout", json!("999ms"), "out_of_range"),
        ("timeout", json!("31s"), "out_of_range"),
        ("timeout", json!("1d"), "malformed"),
        ("retries", json!(0), "out_of_range"),
        ("retries", json!(MAX_RETRIES + 1), "out_of_range"),
        ("retries", json!("3"), "wrong_type"),
        ("enabled", json!("true"), "wrong_type"),
        ("enabled", json!(1), "wrong_type"),
    ] {
        let pointer = format!("/health_check/{field}");
        fails("health_check", json!({field: value}), code, &pointer);
    }
}
