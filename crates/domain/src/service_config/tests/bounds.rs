//! Each rule at its bounds: the last value that passes, and the first that does not.

use serde_json::{Map, Value, json};

use super::{ServiceConfig, VolumeMount, pointers};
use crate::service_config::{
    CPU_MHZ, DISK_MB, JOB_FILE_VARIABLES, MAX_CONFIG_BYTES, MAX_PORTS, MAX_RETRIES, MEMORY_MB,
    bounds::{MAX_CUSTOM_VARIABLES, MAX_ENVIRONMENT, MAX_VALUE_BYTES, MAX_VOLUMES},
};

/// Code and pointer of everything that is wrong where `field` is `value` and the rest is good.
fn refusals(field: &str, value: impl Into<Value>) -> Vec<(&'static str, String)> {
    let mut config = json!({"image": "a"});
    config[field] = value.into();
    match ServiceConfig::parse(&config, "") {
        Ok(_) => Vec::new(),
        Err(errors) => {
            assert!(!errors.is_empty(), "a refusal says why");
            let found = errors.into_iter().map(|error| (error.code, error.pointer));
            found.collect()
        }
    }
}

fn passes(field: &str, value: impl Into<Value>) {
    let value = value.into();
    let found = refusals(field, value.clone());
    assert!(found.is_empty(), "{value}: {found:?}");
}

fn fails(field: &str, value: impl Into<Value>, code: &str, pointer: &str) {
    let value = value.into();
    let shown = value.to_string().chars().take(80).collect::<String>();
    assert_eq!(
        refusals(field, value),
        [(code, pointer.to_owned())],
        "{shown}"
    );
}

fn values(count: usize) -> Value {
    let values: Map<_, _> = (0..count)
        .map(|index| (format!("V{index}"), json!("")))
        .collect();
    values.into()
}

#[test]
fn a_configuration_may_have_256_kib_and_not_one_byte_more() {
    let of_size = |size: usize| {
        let mut config = json!({"image": "a", "environment": {}});
        for index in 0..4 {
            config["environment"][format!("V{index}")] = json!("x".repeat(MAX_VALUE_BYTES - 64));
        }
        config["environment"]["FILL"] = json!("");
        let missing = size - config.to_string().len();
        config["environment"]["FILL"] = json!("x".repeat(missing));
        assert_eq!(config.to_string().len(), size);
        config
    };
    assert!(ServiceConfig::parse(&of_size(MAX_CONFIG_BYTES), "/config").is_ok());
    assert_eq!(pointers(&of_size(MAX_CONFIG_BYTES + 1)), ["/config"]);
}

#[test]
fn a_value_may_have_64_kib() {
    for field in ["environment", "custom_variables"] {
        passes(field, json!({"V": "x".repeat(MAX_VALUE_BYTES)}));
        let longer = json!({"V": "x".repeat(MAX_VALUE_BYTES + 1)});
        fails(field, longer, "too_large", &format!("/{field}/V"));
    }
}

#[test]
fn lists_and_maps_have_a_longest() {
    let ports = |count: usize| (1..=count).collect::<Vec<_>>();
    passes("ports", ports(0));
    passes("ports", ports(MAX_PORTS));
    fails("ports", ports(MAX_PORTS + 1), "wrong_type", "/ports");

    let volumes = |count| {
        (0..count)
            .map(|n| format!("v{n}:/v{n}"))
            .collect::<Vec<_>>()
    };
    passes("volumes", volumes(0));
    passes("volumes", volumes(MAX_VOLUMES));
    fails(
        "volumes",
        volumes(MAX_VOLUMES + 1),
        "wrong_type",
        "/volumes",
    );

    for (field, most) in [
        ("environment", MAX_ENVIRONMENT),
        ("custom_variables", MAX_CUSTOM_VARIABLES),
    ] {
        passes(field, values(0));
        passes(field, values(most));
        fails(field, values(most + 1), "wrong_type", &format!("/{field}"));
    }
}

#[test]
fn ports_go_from_1_to_65535_and_stand_there_once() {
    passes("ports", json!([1, 65_535]));
    for port in [json!(0), json!(-1), json!(65_536), json!(80.5), json!(1e3)] {
        fails("ports", json!([80, port]), "out_of_range", "/ports/1");
    }
    for port in [json!("80"), json!(null), json!(true), json!([80])] {
        fails("ports", json!([port]), "wrong_type", "/ports/0");
    }
    fails("ports", json!([80, 81, 80]), "repeated", "/ports/2");
}

#[test]
fn names_of_environment_variables_are_posix_ones() {
    for name in ["A", "_", "_1", "a_B9", &"x".repeat(128)] {
        passes("environment", json!({name: ""}));
    }
    for name in [
        "",
        "1",
        "A-B",
        "A B",
        "A.B",
        "Ä",
        "A=",
        "A\0",
        &"x".repeat(129),
    ] {
        let pointer = format!("/environment/{name}");
        fails("environment", json!({name: ""}), "invalid_name", &pointer);
    }
    fails(
        "environment",
        json!({"a/b~c": ""}),
        "invalid_name",
        "/environment/a~1b~0c",
    );
}

#[test]
fn names_of_custom_variables_are_hcl_identifiers_that_nobody_else_sets() {
    for name in ["a", "_", "a-b", "A_1", &"x".repeat(128)] {
        passes("custom_variables", json!({name: ""}));
    }
    for name in ["", "1a", "-a", "a.b", "a b", "ä", "a\0", &"x".repeat(129)] {
        let pointer = format!("/custom_variables/{name}");
        fails(
            "custom_variables",
            json!({name: ""}),
            "invalid_name",
            &pointer,
        );
    }
    for name in JOB_FILE_VARIABLES {
        let pointer = format!("/custom_variables/{name}");
        fails(
            "custom_variables",
            json!({name: ""}),
            "reserved_name",
            &pointer,
        );
    }
}

#[test]
fn a_job_file_is_a_plain_file_name() {
    let long = |length: usize| format!("{}.nomad", "x".repeat(length - ".nomad".len()));
    for name in [
        "a.nomad",
        "1.nomad",
        "a-b_c.d.nomad",
        "a.nomad.hcl",
        &long(128),
    ] {
        passes("nomad_job_file", name);
    }
    for name in [
        "",
        ".nomad",
        ".hidden.nomad",
        "a",
        "a.hcl",
        "a.nomad ",
        "a.NOMAD",
        "../a.nomad",
        "/a.nomad",
        "b/a.nomad",
        "b\\a.nomad",
        "ä.nomad",
        &long(129),
    ] {
        fails(
            "nomad_job_file",
            name,
            "invalid_job_file",
            "/nomad_job_file",
        );
    }
}

#[test]
fn a_volume_has_a_name_and_an_absolute_path() {
    for (text, source, target, read_only) in [
        ("data:/x", "data", "/x", false),
        ("data:/x:ro", "data", "/x", true),
        ("/data:/var/lib/x", "data", "/var/lib/x", false),
        ("a-b_C9:/a.b/c-d/_e", "a-b_C9", "/a.b/c-d/_e", false),
        ("d:/...", "d", "/...", false),
        ("d:/a..b", "d", "/a..b", false),
    ] {
        let mount: VolumeMount = text.parse().unwrap();
        assert_eq!(
            (
                mount.source.as_str(),
                mount.target.as_str(),
                mount.read_only
            ),
            (source, target, read_only),
        );
        passes("volumes", json!([text]));
    }
    let (source, target) = (
        |n: usize| "s".repeat(n),
        |n: usize| format!("/{}", "t".repeat(n - 1)),
    );
    passes(
        "volumes",
        json!([format!("{}:{}", source(63), target(255))]),
    );
    for text in [
        format!("{}:/x", source(64)),
        format!("d:{}", target(256)),
        "d:/x/".to_owned(),
        "d:/x/..".to_owned(),
        "d:/.".to_owned(),
        "a.b:/x".to_owned(),
        "//d:/x".to_owned(),
        "d:/x:RO".to_owned(),
        "d:/x:".to_owned(),
        "d :/x".to_owned(),
        "d:/ä".to_owned(),
    ] {
        fails("volumes", json!([text]), "invalid_volume", "/volumes/0");
    }
    fails(
        "volumes",
        json!(["a:/x", "b:/x:ro"]),
        "repeated",
        "/volumes/1",
    );
}

#[test]
fn resources_stay_within_bounds() {
    for (name, allowed) in [("cpu", CPU_MHZ), ("memory", MEMORY_MB), ("disk", DISK_MB)] {
        let (least, most) = (*allowed.start(), *allowed.end());
        for amount in [least, most] {
            passes("resources", json!({name: amount}));
        }
        let pointer = format!("/resources/{name}");
        for amount in [
            json!(least - 1),
            json!(most + 1),
            json!(-1),
            json!(100.5),
            json!(u64::MAX),
        ] {
            fails("resources", json!({name: amount}), "out_of_range", &pointer);
        }
        fails("resources", json!({name: "100"}), "wrong_type", &pointer);
    }
}

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
