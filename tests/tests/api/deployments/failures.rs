//! Deployments that go wrong, by themselves or with Nomad, and what is said of them.

use serde_json::json;

use super::{fault, nomad, status, versions};
use crate::app::TestApp;

#[actix_web::test]
async fn a_task_that_ends_fails_its_deployment_with_its_exit_code_and_is_not_left_running() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    let id = ada.define("custom", json!({"image": "sim/exits:3"})).await;
    let failed = ada.deploy(&id, "start").await;
    assert_eq!(failed["status"], "failed");
    let reason = failed["error_msg"].as_str().unwrap();
    assert!(
        reason.contains("task app") && reason.contains("Exit Code: 3"),
        "{reason}"
    );
    assert_eq!(status(&ada, &id).await, "error");
    let (_, job) = nomad(&app, &format!("/v1/job/service-{id}")).await;
    assert_eq!(job["Stop"], true);
}

#[actix_web::test]
async fn an_image_that_can_not_be_pulled_is_named() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    let id = ada
        .define("custom", json!({"image": "sim/unpullable:1"}))
        .await;
    let failed = ada.deploy(&id, "start").await;
    let reason = failed["error_msg"].as_str().unwrap();
    assert!(reason.contains("sim/unpullable"), "{reason}");
}

#[actix_web::test]
async fn after_a_failure_the_same_configuration_is_really_tried_again() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    let id = ada.define("custom", json!({"image": "sim/exits:1"})).await;
    ada.deploy(&id, "start").await;
    let before = versions(&app, &id).await.len();
    let again = ada.deploy(&id, "start").await;
    assert_eq!(again["status"], "failed");
    assert!(
        versions(&app, &id).await.len() > before,
        "it was sent again"
    );
}

#[actix_web::test]
async fn a_lost_answer_is_found_again_and_the_job_is_sent_once() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    let id = ada.define("custom", json!({"image": "nginx:1"})).await;
    let lose = json!({"method": "POST", "path": "/v1/jobs", "kind": "lose_answer", "count": 2});
    // The job's plan begins with another path; what is lost is the registration.
    fault(&app, json!([lose])).await;
    let started = ada.deploy(&id, "start").await;
    assert_eq!(started["status"], "completed", "{started}");
    assert_eq!(versions(&app, &id).await.len(), 1);
}

#[actix_web::test]
async fn a_nomad_that_comes_back_in_time_is_waited_for() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    let id = ada.define("custom", json!({"image": "nginx:1"})).await;
    fault(
        &app,
        json!([{"kind": "refuse", "path": "/v1/", "count": 4}]),
    )
    .await;
    let started = ada.deploy(&id, "start").await;
    assert_eq!(started["status"], "completed", "{started}");
}

#[actix_web::test]
async fn a_nomad_that_never_answers_fails_the_deployment_at_its_deadline() {
    let app = TestApp::with(&[("NOMAD_SERVICES__DEPLOYMENTS__DEADLINE", "2s")]).await;
    let ada = app.register("ada").await;
    let id = ada.define("custom", json!({"image": "nginx:1"})).await;
    fault(&app, json!([{"kind": "refuse", "path": "/v1/"}])).await;
    let failed = ada.deploy(&id, "start").await;
    assert_eq!(failed["status"], "failed");
    let reason = failed["error_msg"].as_str().unwrap();
    assert!(reason.contains("Nomad did not answer"), "{reason}");
}

#[actix_web::test]
async fn what_no_node_takes_fails_at_the_deadline_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let job = r#"
        job "x" {
          group "main" {
            constraint {
              attribute = "${node.unique.name}"
              value     = "nowhere"
            }
            task "app" {
              driver = "raw_exec"
              config { command = "/bin/sleep" }
            }
          }
        }"#;
    std::fs::write(folder.path().join("nowhere.nomad"), job).unwrap();
    let jobs = folder.path().to_str().unwrap();
    let app = TestApp::with(&[
        ("NOMAD_JOBS_PATH", jobs),
        ("NOMAD_SERVICES__DEPLOYMENTS__DEADLINE", "3s"),
    ])
    .await;
    let ada = app.register("ada").await;
    let id = ada
        .define("custom", json!({"nomad_job_file": "nowhere.nomad"}))
        .await;
    let failed = ada.deploy(&id, "start").await;
    let reason = failed["error_msg"].as_str().unwrap();
    assert!(
        reason.contains("no node has room") && reason.contains("node.unique.name"),
        "{reason}"
    );
    assert_eq!(status(&ada, &id).await, "error");
}
