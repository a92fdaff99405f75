//! The shipped job files, compared with what a real agent made of them.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::{fs, path::PathBuf};

use nomad_sim::parse::parse;
use serde_json::{Value, json};

const FILES: [&str; 4] = ["postgresql", "redis", "nodejs", "web-server"];

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn source(name: &str) -> String {
    fs::read_to_string(folder().join(format!("../../config/jobs/{name}.nomad"))).unwrap()
}

/// The values that were given when the real agent's answers were recorded.
fn values(name: &str) -> Value {
    let environment = json!({"A": "b"});
    match name {
        "postgresql" => json!({
            "DB_NAME": "mydb", "DB_USER": "myuser", "ports": [5433], "environment": {"POSTGRES_PASSWORD": "x"},
            "image": "postgres:16", "service_id": "pg-1",
        }),
        "redis" => json!({
            "ports": [7000], "environment": environment, "MAXMEMORY_POLICY": "allkeys-lru", "memory": 512,
        }),
        "nodejs" => json!({"ports": [8080], "environment": environment, "image": "acme/app:1"}),
        _ => json!({"environment": environment, "service_id": "w-1", "cpu": 50}),
    }
}

fn parsed(name: &str, variables: &str, canonicalize: bool) -> Value {
    let request =
        json!({"JobHCL": source(name), "Variables": variables, "Canonicalize": canonicalize});
    parse(&request).unwrap()
}

fn recorded(name: &str) -> Value {
    let path = folder().join(format!("tests/recorded/jobs/{name}.json"));
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn every_shipped_file_becomes_the_job_that_a_real_agent_makes_of_it() {
    for name in FILES {
        let values = values(name).to_string();
        for (given, variables) in [("alone", ""), ("set", values.as_str())] {
            for (form, canonicalize) in [("plain", false), ("canonical", true)] {
                let job = parsed(name, variables, canonicalize);
                assert_eq!(
                    job,
                    recorded(&format!("{name}-{given}-{form}")),
                    "{name} {given} {form}"
                );
            }
        }
    }
}

#[test]
fn a_job_that_is_complete_gets_no_further_defaults() {
    for name in FILES {
        let mut job = parsed(name, "", true);
        nomad_sim::parse::canonicalize(&mut job);
        assert_eq!(job, parsed(name, "", true), "{name}");
    }
}

#[test]
fn every_shipped_file_takes_its_size_and_name_from_the_service() {
    for name in FILES {
        let values = json!({
            "service_id": "0198b7a4", "service_name": "shop", "tenant_id": "acme", "cpu": 77, "memory": 88, "disk": 222,
        });
        let job = parsed(name, &values.to_string(), true);
        let group = &job["TaskGroups"][0];
        let resources = &group["Tasks"][0]["Resources"];
        assert_eq!(job["ID"], "0198b7a4");
        assert_eq!(
            job["Meta"],
            json!({"service_name": "shop", "tenant_id": "acme"})
        );
        assert_eq!(
            (&resources["CPU"], &resources["MemoryMB"]),
            (&json!(77), &json!(88))
        );
        assert_eq!(group["EphemeralDisk"]["SizeMB"], 222);
        assert_eq!(group["Services"][0]["Provider"], "nomad");
    }
}

#[test]
fn custom_variables_name_the_database_and_the_environment_reaches_the_task() {
    let environment = &parsed("postgresql", &values("postgresql").to_string(), false)["TaskGroups"]
        [0]["Tasks"][0]["Env"];
    assert_eq!(
        environment,
        &json!({
            "PGDATA": "/alloc/data/pgdata", "PGPORT": "5433", "POSTGRES_DB": "mydb", "POSTGRES_PASSWORD": "x",
            "POSTGRES_USER": "myuser",
        })
    );
}

#[test]
fn every_known_block_becomes_what_a_real_agent_makes_of_it() {
    let source = fs::read_to_string(folder().join("tests/recorded/every-block.hcl")).unwrap();
    for (form, canonicalize) in [("plain", false), ("canonical", true)] {
        let job = parse(&json!({"JobHCL": source, "Canonicalize": canonicalize})).unwrap();
        let path = folder().join(format!("tests/recorded/every-block-{form}.json"));
        let recorded: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        assert_eq!(pretty(&job), pretty(&recorded), "{form}");
    }
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap()
}
