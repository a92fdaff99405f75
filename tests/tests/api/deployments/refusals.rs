//! Jobs that may not run, and what is somebody else's.

use reqwest::{Method, StatusCode};
use serde_json::json;

use super::{nomad, versions};
use crate::app::{TestApp, answer};

#[actix_web::test]
async fn a_job_that_may_not_run_is_refused_before_nomad_sees_it() {
    let folder = tempfile::tempdir().unwrap();
    // What a function makes of it only Nomad can tell.
    let job = r#"
        job "x" {
          type = lower("BATCH")
          group "main" {
            count = max(1, 3)
            task "app" {
              driver = lower("EXEC")
              config { command = "/bin/sleep" }
            }
          }
        }"#;
    std::fs::write(folder.path().join("batch.nomad"), job).unwrap();
    let app = TestApp::with(&[("NOMAD_JOBS_PATH", folder.path().to_str().unwrap())]).await;
    let ada = app.register("ada").await;
    let id = ada
        .define("custom", json!({"nomad_job_file": "batch.nomad"}))
        .await;
    let failed = ada.deploy(&id, "start").await;
    let reason = failed["error_msg"].as_str().unwrap();
    for part in [
        "Type of the job must be service",
        "Driver",
        "/config/resources/cpu",
    ] {
        assert!(reason.contains(part), "{part}: {reason}");
    }
    let (code, _) = nomad(&app, &format!("/v1/job/service-{id}")).await;
    assert_eq!(code, StatusCode::NOT_FOUND);
}

#[actix_web::test]
async fn a_job_of_somebody_else_in_our_place_is_left_alone() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    let id = ada.define("custom", json!({"image": "nginx:1"})).await;
    let foreign = json!({"Job": {"ID": format!("service-{id}"), "Datacenters": ["*"], "TaskGroups": [{
        "Name": "g", "Tasks": [{"Name": "t", "Driver": "docker", "Config": {"image": "nginx:1"}}]
    }]}});
    let url = format!("{}/v1/jobs", app.simulator.url());
    let sent = reqwest::Client::new().post(url).json(&foreign).send().await;
    assert!(sent.unwrap().status().is_success());
    let failed = ada.deploy(&id, "start").await;
    assert!(
        failed["error_msg"]
            .as_str()
            .unwrap()
            .contains("does not manage"),
        "{failed}"
    );
    assert_eq!(versions(&app, &id).await.len(), 1);
}

#[actix_web::test]
async fn what_can_be_checked_without_nomad_is_refused_when_the_service_is_defined() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    for (config, pointer, detail) in [
        (
            json!({"nomad_job_file": "mysql.nomad"}),
            "#/config/nomad_job_file",
            "web-server.nomad",
        ),
        (
            json!({"nomad_job_file": "postgresql.nomad", "custom_variables": {"DB_HOST": "x"}}),
            "#/config/custom_variables/DB_HOST",
            "DB_NAME, DB_USER",
        ),
        (
            json!({"image": "nginx:1", "environment": {"A": "${node.unique.id}"}}),
            "#/config/environment/A",
            "${",
        ),
    ] {
        let body = json!({"name": "x", "type": "custom", "config": config});
        let (code, problem) = ada.post("/services", body).await;
        assert_eq!(code, StatusCode::UNPROCESSABLE_ENTITY, "{problem}");
        assert_eq!(problem["errors"][0]["pointer"], pointer);
        assert!(
            problem["errors"][0]["detail"]
                .as_str()
                .unwrap()
                .contains(detail),
            "{problem}"
        );
    }
}

#[actix_web::test]
async fn what_a_job_file_says_itself_is_refused_when_the_service_is_defined_or_changed() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, head: &str, driver: &str| {
        let job = format!(
            r#"{head}
            job "x" {{
              group "main" {{
                task "app" {{
                  driver = "{driver}"
                  config {{ command = "/bin/sleep" }}
                }}
              }}
            }}"#
        );
        std::fs::write(folder.path().join(name), job).unwrap();
    };
    file("sleep.nomad", "", "raw_exec");
    file("exec.nomad", "", "exec");
    file("told.nomad", "variable \"word\" {}", "raw_exec");
    let app = TestApp::with(&[("NOMAD_JOBS_PATH", folder.path().to_str().unwrap())]).await;
    let ada = app.register("ada").await;
    // Without a block `ephemeral_disk` a job takes Nomad's 300 MB.
    let too_small = json!({"nomad_job_file": "sleep.nomad", "resources": {"disk": 299}});
    for (config, pointer) in [
        (too_small.clone(), "#/config/resources/disk"),
        (
            json!({"nomad_job_file": "exec.nomad"}),
            "#/config/nomad_job_file",
        ),
        (
            json!({"nomad_job_file": "told.nomad"}),
            "#/config/custom_variables/word",
        ),
    ] {
        let body = json!({"name": "x", "type": "custom", "config": config});
        let (code, problem) = ada.post("/services", body).await;
        assert_eq!(code, StatusCode::UNPROCESSABLE_ENTITY, "{problem}");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    }
    let fits = json!({"nomad_job_file": "sleep.nomad", "resources": {"disk": 300}});
    let id = ada.define("custom", fits).await;
    let change = json!({"name": "custom", "config": too_small});
    let put = ada.request(Method::PUT, &format!("/services/{id}"));
    let (code, problem) = answer(put.json(&change)).await;
    assert_eq!(code, StatusCode::UNPROCESSABLE_ENTITY, "{problem}");
    assert_eq!(problem["errors"][0]["pointer"], "#/config/resources/disk");
}
