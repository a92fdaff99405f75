use serde_json::{Value, json};

use super::*;

mod bounds;
mod forms;
mod health_check;

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

fn document() -> Value {
    json!({
        "image": "postgres:13",
        "ports": [5432],
        "environment": {
            "POSTGRES_USER": "myuser",
            "POSTGRES_PASSWORD": "mypassword",
            "POSTGRES_DB": "mydb"
        },
        "volumes": ["/data:/var/lib/postgresql/data"],
        "resources": {"cpu": 500, "memory": 1024, "disk": 2048},
        "health_check": {
            "enabled": true,
            "path": "/health",
            "interval": "30s",
            "timeout": "5s",
            "retries": 3
        },
        "nomad_job_file": "postgresql.nomad",
        "custom_variables": {"DB_NAME": "mydb", "DB_USER": "myuser"}
    })
}

fn pointers(config: &Value) -> Vec<String> {
    let errors = ServiceConfig::parse(config, "/config").unwrap_err();
    errors.into_iter().map(|error| error.pointer).collect()
}

#[test]
fn the_documents_example_is_read_and_written_back() {
    let config = ServiceConfig::parse(&document(), "/config").unwrap();
    assert_eq!(serde_json::to_value(&config).unwrap(), document());
    assert_eq!(
        serde_json::from_value::<ServiceConfig>(document()).unwrap(),
        config
    );
}

#[test]
fn everything_that_is_wrong_is_named_at_once() {
    let found = pointers(&json!({
        "image": "https://postgres",
        "ports": [0, 80, 80, "x", 65_536],
        "environment": {"1A": "x", "B": 1, "C": "\u{0}"},
        "volumes": ["/etc/passwd:/x", "data:/a", "other:/a"],
        "resources": {"cpu": 0, "memory": 9, "disk": -1, "gpu": 1},
        "health_check": {"path": "//evil", "interval": "0s", "timeout": "30", "retries": 0},
        "nomad_job_file": "../secret.nomad",
        "custom_variables": {"a b": "x", "image": "x"},
        "privileged": true
    }));
    assert_eq!(
        found,
        [
            "/config/image",
            "/config/ports/0",
            "/config/ports/2",
            "/config/ports/3",
            "/config/ports/4",
            "/config/environment/1A",
            "/config/environment/B",
            "/config/environment/C",
            "/config/volumes/0",
            "/config/volumes/2",
            "/config/resources/cpu",
            "/config/resources/memory",
            "/config/resources/disk",
            "/config/resources/gpu",
            "/config/health_check/path",
            "/config/health_check/interval",
            "/config/health_check/timeout",
            "/config/health_check/retries",
            "/config/nomad_job_file",
            "/config/custom_variables/a b",
            "/config/custom_variables/image",
            "/config/privileged",
        ]
    );
}

#[test]
fn an_image_or_a_job_file_is_required() {
    assert_eq!(pointers(&json!({})), ["/config/image"]);
    assert!(ServiceConfig::parse(&json!({"nomad_job_file": "redis.nomad"}), "/config").is_ok());
}

#[test]
fn a_check_may_not_take_longer_than_the_time_to_the_next() {
    let check = json!({"image": "a", "health_check": {"interval": "5s", "timeout": "6s"}});
    assert_eq!(pointers(&check), ["/config/health_check/timeout"]);
    let check = json!({"image": "a", "health_check": {"interval": "500ms"}});
    assert_eq!(pointers(&check), ["/config/health_check/interval"]);
}

#[test]
fn more_than_256_kib_are_refused() {
    let half = "x".repeat(60 * 1024);
    let values: serde_json::Map<_, _> = (0..5)
        .map(|index| (format!("V{index}"), json!(half)))
        .collect();
    assert_eq!(
        pointers(&json!({"image": "a", "environment": values})),
        ["/config"]
    );
}

#[test]
fn what_is_absent_counts_as_nomads_defaults() {
    let config = ServiceConfig::parse(&json!({"image": "a", "resources": {"cpu": 7}}), "").unwrap();
    assert_eq!(
        config.reservation(),
        Reservation {
            cpu: 7,
            memory: 300,
            disk: 300
        }
    );
}

#[test]
fn templates_are_filled_from_the_custom_variables() {
    let config = ServiceConfig::parse(
        &json!({
            "image": "postgres:{{TAG}}",
            "environment": {"URL": "db://{{USER}}@host"},
            "custom_variables": {"TAG": "13", "USER": "ada"}
        }),
        "/config",
    )
    .unwrap();
    let filled = config.filled("/config").unwrap();
    assert_eq!(filled.image.as_deref(), Some("postgres:13"));
    assert_eq!(filled.environment.unwrap().0["URL"], "db://ada@host");
}

#[test]
fn a_template_cannot_bring_in_what_nomad_interprets_or_what_is_no_image() {
    let config = |tag: &str, url: &str| {
        let config = json!({
            "image": "postgres:{{TAG}}",
            "environment": {"URL": url},
            "custom_variables": {"TAG": tag}
        });
        let errors = ServiceConfig::parse(&config, "/config")
            .unwrap()
            .filled("/config");
        errors
            .unwrap_err()
            .into_iter()
            .map(|error| error.pointer)
            .collect::<Vec<_>>()
    };
    assert_eq!(config("a b", ""), ["/config/image"]);
    assert_eq!(config("13", "${attr.x}"), ["/config/environment/URL"]);
    assert_eq!(config("13", "{{NOBODY}}"), ["/config/environment/URL"]);
}

#[test]
fn debug_output_shows_no_value() {
    let config = ServiceConfig::parse(&document(), "").unwrap();
    let shown = format!("{config:?}");
    assert!(
        !shown.contains("mypassword") && !shown.contains("myuser"),
        "{shown}"
    );
}
