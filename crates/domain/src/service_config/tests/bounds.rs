//! Each rule at its bounds: the last value that passes, and the first that does not.

use serde_json::{Map, Value, json};

use super::{ServiceConfig, VolumeMount, fails, passes, pointers};
use crate::service_config::{
    CPU_MHZ, DISK_MB, JOB_FILE_VARIABLES, MAX_CONFIG_BYTES, MAX_PORTS, MEMORY_MB,
    bounds::{MAX_CUSTOM_VARIABLES, MAX_ENVIRONMENT, MAX_VALUE_BYTES, MAX_VOLUMES},
};

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
    let config = json!({"image": "a", "ports": [80.0, 1e3, 65_535]});
    let read = ServiceConfig::parse(&config, "").unwrap();
    assert_eq!(read.ports, Some(vec![80, 1_000, 65_535]));
    for port in [
        json!(0),
        json!(-1),
        json!(65_536),
        json!(80.5),
        json!(-0.0),
        json!(1e300),
    ] {
        fails("ports", json!([80, port]), "out_of_range", "/ports/1");
    }
    for port in [json!("80"), json!(null), json!(true), json!([80])] {
        fails("ports", json!([port]), "wrong_type", "/ports/0");
    }
    fails("ports", json!([80, 81, 80]), "repeated", "/ports/2");
}

#[test]
fn names_of_environment_variables_are_posix_ones_that_may_have_dots() {
    for name in [
        "A",
        "_",
        "_1",
        "a_B9",
        "discovery.type",
        "a..b.",
        &"x".repeat(128),
    ] {
        passes("environment", json!({name: ""}));
    }
    for name in [
        "",
        "1",
        "A-B",
        "A B",
        ".A",
        "A.-",
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
        ("data:/x:rw", "data", "/x", false),
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
        for amount in [json!(least), json!(most), json!(f64::from(most))] {
            passes("resources", json!({name: amount}));
        }
        let pointer = format!("/resources/{name}");
        for amount in [
            json!(least - 1),
            json!(most + 1),
            json!(-1),
            json!(f64::from(least) - 0.5),
            json!(f64::from(most) + 0.5),
            json!(u64::MAX),
        ] {
            fails("resources", json!({name: amount}), "out_of_range", &pointer);
        }
        fails("resources", json!({name: "100"}), "wrong_type", &pointer);
    }
}
