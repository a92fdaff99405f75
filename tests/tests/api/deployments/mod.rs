//! Starting, stopping and restarting services: what a tenant sees of it, and what Nomad is left with.

mod failures;
mod following;
mod refusals;
mod starts;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::app::{TestApp, anonymous, answer};

const WEB: &str = "web-server.nomad";

/// What the cluster says.
async fn nomad(app: &TestApp, path: &str) -> (StatusCode, Value) {
    let response = reqwest::get(format!("{}{path}", app.simulator.url()))
        .await
        .unwrap();
    let status = response.status();
    let body = response.bytes().await.unwrap();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

/// The versions of a service's job, newest first.
async fn versions(app: &TestApp, service: &str) -> Vec<Value> {
    let (_, answer) = nomad(app, &format!("/v1/job/service-{service}/versions")).await;
    answer["Versions"].as_array().cloned().unwrap_or_default()
}

async fn fault(app: &TestApp, faults: Value) {
    let request = reqwest::Client::new()
        .put(format!("{}/sim/faults", app.simulator.url()))
        .json(&json!({"faults": faults}));
    assert!(request.send().await.unwrap().status().is_success());
}

async fn status(person: &crate::app::Person<'_>, service: &str) -> Value {
    person.get(&format!("/services/{service}")).await.1["status"].clone()
}

#[actix_web::test]
async fn a_web_server_starts_answers_restarts_stops_and_is_forgotten() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    let id = ada
        .define("web_server", json!({"nomad_job_file": WEB}))
        .await;
    let logs = format!("/services/{id}/logs?type=stderr");
    assert_eq!(ada.get(&logs).await.1, json!({"logs": []}));
    let (code, problem) = ada.get(&format!("/services/{id}/metrics")).await;
    assert_eq!(
        (code, &problem["code"]),
        (StatusCode::CONFLICT, &json!("not_running"))
    );

    let started = ada.deploy(&id, "start").await;
    assert_eq!(started["status"], "completed", "{started}");
    assert_eq!(status(&ada, &id).await, "running");
    let lines = ada.get(&logs).await.1["logs"].to_string();
    assert!(lines.contains("GET / HTTP/1.1"), "{lines}");
    let tail = ada.get(&format!("{logs}&tail=1")).await.1;
    assert_eq!(tail["logs"].as_array().unwrap().len(), 1);
    let (code, metrics) = ada.get(&format!("/services/{id}/metrics")).await;
    assert_eq!(code, StatusCode::OK, "{metrics}");
    assert!(metrics["metrics"]["memory_usage"].as_u64().unwrap() > 0);

    let restarted = ada.deploy(&id, "restart").await;
    assert_eq!(restarted["status"], "completed", "{restarted}");
    assert_eq!(
        versions(&app, &id).await.len(),
        1,
        "a restart is no version"
    );

    let stopped = ada.deploy(&id, "stop").await;
    assert_eq!(stopped["status"], "completed", "{stopped}");
    assert_eq!(status(&ada, &id).await, "stopped");
    assert!(
        !ada.get(&logs).await.1["logs"]
            .as_array()
            .unwrap()
            .is_empty(),
        "logs outlive a stop"
    );

    let deleted = answer(ada.request(Method::DELETE, &format!("/services/{id}"))).await;
    assert_eq!(deleted.0, StatusCode::NO_CONTENT);
    for _ in 0..100 {
        if nomad(&app, &format!("/v1/job/service-{id}")).await.0 == StatusCode::NOT_FOUND {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("the job was not purged");
}

#[actix_web::test]
async fn starting_what_runs_unchanged_is_completed_at_once_and_sends_nothing() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    let id = ada.define("custom", json!({"image": "nginx:1"})).await;
    ada.deploy(&id, "start").await;
    let path = format!("/services/{id}/start");
    let (code, accepted) = answer(ada.request(Method::POST, &path)).await;
    assert_eq!(code, StatusCode::ACCEPTED);
    assert_eq!(accepted["deployment"]["status"], "completed");
    assert_eq!(versions(&app, &id).await.len(), 1);

    let config = json!({"config": {"image": "nginx:2"}});
    let read = ada
        .request(Method::GET, &format!("/services/{id}"))
        .send()
        .await;
    let change = ada
        .request(Method::PATCH, &format!("/services/{id}"))
        .header("if-match", read.header("etag").unwrap())
        .json(&config);
    assert_eq!(change.send().await.status, StatusCode::OK);
    assert_eq!(ada.deploy(&id, "start").await["status"], "completed");
    assert_eq!(versions(&app, &id).await.len(), 2);
}

#[actix_web::test]
async fn a_second_deployment_waits_for_the_first_to_end() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    let id = ada.define("custom", json!({"image": "sim/slow:2"})).await;
    let (_, first) = answer(ada.request(Method::POST, &format!("/services/{id}/start"))).await;
    for action in ["start", "stop"] {
        let path = format!("/services/{id}/{action}");
        let (code, problem) = answer(ada.request(Method::POST, &path)).await;
        assert_eq!(
            (code, &problem["code"]),
            (StatusCode::CONFLICT, &json!("deployment_in_progress"))
        );
    }
    let (code, problem) = answer(ada.request(Method::DELETE, &format!("/services/{id}"))).await;
    assert_eq!(
        (code, &problem["code"]),
        (StatusCode::CONFLICT, &json!("service_running"))
    );
    let ended = ada.ended(first["deployment"]["id"].as_str().unwrap()).await;
    assert_eq!(ended["status"], "completed", "{ended}");
}

#[actix_web::test]
async fn only_what_runs_can_be_restarted_and_stopping_what_is_stopped_is_nothing() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    let id = ada.define("custom", json!({"image": "nginx:1"})).await;
    let restart = answer(ada.request(Method::POST, &format!("/services/{id}/restart"))).await;
    assert_eq!(
        (restart.0, &restart.1["code"]),
        (StatusCode::CONFLICT, &json!("not_running"))
    );
    assert_eq!(ada.deploy(&id, "stop").await["status"], "completed");
    assert!(versions(&app, &id).await.is_empty());
}

#[actix_web::test]
async fn deployments_are_listed_newest_first_and_are_nobody_elses() {
    let app = TestApp::new().await;
    let (ada, bob) = (app.register("ada").await, app.register("bob").await);
    let id = ada.define("custom", json!({"image": "nginx:1"})).await;
    let first = ada.deploy(&id, "start").await;
    let second = ada.deploy(&id, "stop").await;
    let (_, page) = ada
        .get(&format!("/services/{id}/deployments?limit=1"))
        .await;
    assert_eq!(
        (&page["total"], &page["deployments"][0]["id"]),
        (&json!(2), &second["id"])
    );
    let cursor = page["next_cursor"].as_str().unwrap();
    let (_, page) = ada
        .get(&format!(
            "/services/{id}/deployments?limit=1&cursor={cursor}"
        ))
        .await;
    assert_eq!(
        (&page["deployments"][0]["id"], &page["next_cursor"]),
        (&first["id"], &Value::Null)
    );

    let deployment = first["id"].as_str().unwrap();
    let unknown = uuid::Uuid::new_v4();
    for (foreign, unknown) in [
        (
            format!("/deployments/{deployment}"),
            format!("/deployments/{unknown}"),
        ),
        (
            format!("/services/{id}/deployments"),
            format!("/services/{unknown}/deployments"),
        ),
        (
            format!("/services/{id}/logs"),
            format!("/services/{unknown}/logs"),
        ),
        (
            format!("/services/{id}/metrics"),
            format!("/services/{unknown}/metrics"),
        ),
    ] {
        let (foreign, unknown) = (bob.get(&foreign).await, bob.get(&unknown).await);
        assert_eq!(foreign.0, StatusCode::NOT_FOUND);
        assert_eq!(anonymous(foreign.1), anonymous(unknown.1));
    }
    for action in ["start", "stop", "restart"] {
        let path = format!("/services/{id}/{action}");
        let (code, _) = answer(bob.request(Method::POST, &path)).await;
        assert_eq!(code, StatusCode::NOT_FOUND);
    }
}

#[actix_web::test]
async fn a_start_with_an_idempotency_key_is_made_once() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    let id = ada.define("custom", json!({"image": "nginx:1"})).await;
    let start = async || {
        let request = ada.request(Method::POST, &format!("/services/{id}/start"));
        request.header("idempotency-key", "once").send().await
    };
    let (first, second) = (start().await, start().await);
    assert_eq!(first.status, StatusCode::ACCEPTED);
    assert_eq!(first.json(), second.json());
    assert_eq!(first.header("location"), second.header("location"));
    ada.ended(first.json()["deployment"]["id"].as_str().unwrap())
        .await;
    let (_, page) = ada.get(&format!("/services/{id}/deployments")).await;
    assert_eq!(page["total"], 1);
}

#[actix_web::test]
async fn a_log_is_followed_until_the_service_ends_and_can_be_resumed() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    let id = ada
        .define("web_server", json!({"nomad_job_file": WEB}))
        .await;
    ada.deploy(&id, "start").await;
    let follow = |last: Option<&str>| {
        let path = format!("/services/{id}/logs?type=stderr&follow=true");
        let request = ada.request(Method::GET, &path);
        match last {
            Some(id) => request.header("last-event-id", id),
            None => request,
        }
    };
    let (followed, ()) = tokio::join!(follow(Some("0")).send(), async {
        ada.deploy(&id, "stop").await;
    });
    let text = String::from_utf8(followed.bytes.to_vec()).unwrap();
    let events: Vec<_> = text
        .split("\n\n")
        .filter(|event| event.starts_with("id: "))
        .collect();
    assert!(
        events.len() > 1 && events[0].contains("GET / HTTP/1.1"),
        "{text}"
    );
    assert!(text.ends_with("event: end\ndata: \n\n"), "{text}");

    let (first, _) = events[0].split_once('\n').unwrap();
    let resumed = follow(first.strip_prefix("id: ")).send().await;
    let resumed = String::from_utf8(resumed.bytes.to_vec()).unwrap();
    assert!(resumed.starts_with(events[1]), "{resumed}");
    let refused = follow(Some("x")).send().await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[actix_web::test]
async fn a_server_that_is_told_to_stop_lets_go_of_its_deployments() {
    let mut app = TestApp::new().await;
    let ada = app.register("ada").await;
    let id = ada.define("custom", json!({"image": "sim/slow:60"})).await;
    answer(ada.request(Method::POST, &format!("/services/{id}/start"))).await;
    app.stop().await;
    let held = "SELECT COUNT(lease_until)::text FROM deployment_tasks WHERE finished_at IS NULL";
    assert_eq!(app.query(held, &[]).await, "0");
}
