//! The plan's totals against what runs: what may still run in Nomad counts until it is known that it does not.

use futures::future::join_all;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::app::{Person, TestApp, answer};

/// Of the plan `free`.
const LIMIT: u64 = 4_000;
const NEARLY_ALL: u64 = 3_900;

fn config(cpu: u64) -> Value {
    json!({"image": "nginx:1", "resources": {"cpu": cpu}})
}

async fn reconfigure(person: &Person<'_>, id: &str, name: &str, config: Value) -> StatusCode {
    let body = json!({"name": name, "config": config});
    person.put(&format!("/services/{id}"), body).await.0
}

/// Asks for a second service of nearly all there is; answers with the status and the problem.
async fn another(person: &Person<'_>) -> (StatusCode, Value) {
    let body = json!({"name": "second", "type": "custom", "config": config(NEARLY_ALL)});
    person.post("/services", body).await
}

async fn refused(person: &Person<'_>, used: u64, configured: u64, running: u64) {
    let (status, problem) = another(person).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{problem}");
    assert_eq!(problem["code"], "limit_exceeded");
    let expected = json!(["cpu", LIMIT, NEARLY_ALL, used, configured, running]);
    let names = [
        "dimension",
        "limit",
        "requested",
        "used",
        "configured",
        "running",
    ];
    let said: Value = names
        .map(|name| problem[name].clone())
        .into_iter()
        .collect();
    assert_eq!(said, expected, "{problem}");
}

async fn fault(app: &TestApp, faults: Value) {
    let request = reqwest::Client::new()
        .put(format!("{}/sim/faults", app.simulator.url()))
        .json(&json!({"faults": faults}));
    assert!(request.send().await.unwrap().status().is_success());
}

#[actix_web::test]
async fn a_lowered_configuration_makes_no_room_before_what_runs_has_followed_it() {
    let app = TestApp::hasty().await;
    let ada = app.register("ada").await;
    let id = ada.define("database", config(NEARLY_ALL)).await;
    assert_eq!(ada.deploy(&id, "start").await["status"], "completed");
    assert_eq!(
        reconfigure(&ada, &id, "database", config(50)).await,
        StatusCode::OK
    );
    refused(&ada, NEARLY_ALL, 50, NEARLY_ALL).await;
    assert_eq!(ada.deploy(&id, "start").await["status"], "completed");
    assert_eq!(another(&ada).await.0, StatusCode::CREATED);
}

#[actix_web::test]
async fn a_start_under_way_counts_for_what_it_was_asked_for() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    let slow = |cpu: u64| json!({"image": "sim/slow:3", "resources": {"cpu": cpu}});
    let id = ada.define("database", slow(NEARLY_ALL)).await;
    let start = ada.request(Method::POST, &format!("/services/{id}/start"));
    let (_, accepted) = answer(start).await;
    let lowered = reconfigure(&ada, &id, "database", slow(50)).await;
    assert_eq!(lowered, StatusCode::OK);
    refused(&ada, NEARLY_ALL, 50, NEARLY_ALL).await;
    ada.ended(accepted["deployment"]["id"].as_str().unwrap())
        .await;
    refused(&ada, NEARLY_ALL, 50, NEARLY_ALL).await;
}

#[actix_web::test]
async fn a_start_that_failed_counts_until_a_stop_has_found_nothing_running() {
    let app = TestApp::hasty().await;
    let ada = app.register("ada").await;
    let exits = |cpu: u64| json!({"image": "sim/exits:1", "resources": {"cpu": cpu}});
    let id = ada.define("database", exits(NEARLY_ALL)).await;
    assert_eq!(ada.deploy(&id, "start").await["status"], "failed");
    reconfigure(&ada, &id, "database", exits(50)).await;
    refused(&ada, NEARLY_ALL, 50, NEARLY_ALL).await;
    assert_eq!(ada.deploy(&id, "stop").await["status"], "completed");
    assert_eq!(another(&ada).await.0, StatusCode::CREATED);
}

#[actix_web::test]
async fn a_stop_under_way_counts_until_nothing_runs() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    // It is asked to end, and ends only when it is killed, 5 s later.
    let deaf = |cpu: u64| json!({"image": "sim/deaf", "resources": {"cpu": cpu}});
    let id = ada.define("database", deaf(NEARLY_ALL)).await;
    ada.deploy(&id, "start").await;
    reconfigure(&ada, &id, "database", deaf(50)).await;
    let stop = ada.request(Method::POST, &format!("/services/{id}/stop"));
    let (_, accepted) = answer(stop).await;
    refused(&ada, NEARLY_ALL, 50, NEARLY_ALL).await;
    let ended = ada
        .ended(accepted["deployment"]["id"].as_str().unwrap())
        .await;
    assert_eq!(ended["status"], "completed");
    assert_eq!(another(&ada).await.0, StatusCode::CREATED);
}

#[actix_web::test]
async fn what_is_left_of_a_removed_service_counts_until_it_is_purged_however_long_that_takes() {
    let app = TestApp::hasty_with(&[("NOMAD_SERVICES__DEPLOYMENTS__DEADLINE", "1s")]).await;
    let ada = app.register("ada").await;
    let config = json!({"image": "sim/exits:1", "resources": {"cpu": NEARLY_ALL}});
    let id = ada.define("database", config).await;
    assert_eq!(ada.deploy(&id, "start").await["status"], "failed");
    fault(&app, json!([{"kind": "refuse", "path": "/v1/"}])).await;
    let (status, _) = ada.delete(&format!("/services/{id}")).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    refused(&ada, NEARLY_ALL, 0, NEARLY_ALL).await;
    // Past its deadline it is still tried.
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    refused(&ada, NEARLY_ALL, 0, NEARLY_ALL).await;
    fault(&app, json!([])).await;
    for _ in 0..600 {
        if another(&ada).await.0 == StatusCode::CREATED {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("what was removed still counts");
}

#[actix_web::test]
async fn a_start_that_sent_nothing_leaves_what_ran_before() {
    let folder = tempfile::tempdir().unwrap();
    let job = |driver: &str| {
        let job = format!(
            r#"
            variable "cpu" {{}}
            job "x" {{
              group "main" {{
                task "app" {{
                  driver = lower("{driver}")
                  config {{ image = "nginx:1" }}
                  resources {{ cpu = var.cpu }}
                }}
              }}
            }}"#
        );
        std::fs::write(folder.path().join("changing.nomad"), job).unwrap();
    };
    job("DOCKER");
    let app = TestApp::hasty_with(&[("NOMAD_JOBS_PATH", folder.path().to_str().unwrap())]).await;
    let ada = app.register("ada").await;
    let config = |cpu: u64| json!({"nomad_job_file": "changing.nomad", "resources": {"cpu": cpu}});
    let id = ada.define("database", config(50)).await;
    assert_eq!(ada.deploy(&id, "start").await["status"], "completed");
    reconfigure(&ada, &id, "database", config(NEARLY_ALL)).await;
    job("EXEC");
    assert_eq!(ada.deploy(&id, "start").await["status"], "failed");
    reconfigure(&ada, &id, "database", config(60)).await;
    assert_eq!(another(&ada).await.0, StatusCode::CREATED);
}

/// The MHz of all jobs that Nomad runs or will.
async fn running(app: &TestApp) -> u64 {
    let url = app.simulator.url();
    let read = async |path: String| {
        let response = reqwest::get(format!("{url}{path}")).await.unwrap();
        let body = response.bytes().await.unwrap();
        serde_json::from_slice::<Value>(&body).unwrap()
    };
    let mut sum = 0;
    for job in read("/v1/jobs".to_owned()).await.as_array().unwrap() {
        let id = job["ID"].as_str().unwrap();
        let job = read(format!("/v1/job/{id}")).await;
        if job["Stop"] == false {
            let cpu = &job["TaskGroups"][0]["Tasks"][0]["Resources"]["CPU"];
            sum += cpu.as_u64().unwrap();
        }
    }
    sum
}

#[actix_web::test]
async fn whatever_is_asked_for_at_once_no_more_runs_than_the_plan_allows() {
    let app = TestApp::hasty().await;
    let ada = app.register("ada").await;
    let mut ids = Vec::new();
    for service_type in ["database", "custom", "monitoring"] {
        let id = ada.define(service_type, config(100)).await;
        ids.push((service_type, id));
    }
    for round in 0..12_u64 {
        let asked = ids.iter().enumerate().flat_map(|(number, (name, id))| {
            let (ada, number) = (&ada, number as u64);
            (0..4_u64).map(move |turn| async move {
                match (round + number + turn) % 4 {
                    0 => drop(reconfigure(ada, id, name, config(3_700)).await),
                    1 | 3 => {
                        let start = ada.request(Method::POST, &format!("/services/{id}/start"));
                        drop(answer(start).await);
                    }
                    _ => drop(reconfigure(ada, id, name, config(100)).await),
                }
            })
        });
        join_all(asked).await;
        let runs = running(&app).await;
        assert!(runs <= LIMIT, "{runs} MHz run");
    }
}
