//! What "nothing to do" means: what Nomad shows at this moment, not what was so once.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{fault, nomad, status, versions};
use crate::app::{Person, TestApp, answer};

/// Runs for a moment, long enough to be healthy, and is given up when it has ended.
const MORTAL: &str = r#"
job "mortal" {
  group "main" {
    update {
      health_check      = "task_states"
      min_healthy_time  = "1s"
      healthy_deadline  = "30s"
      progress_deadline = "1m"
    }
    restart {
      attempts = 0
      mode     = "fail"
    }
    reschedule {
      attempts  = 0
      unlimited = false
    }
    task "app" {
      driver = "raw_exec"
      config {
        command = "/bin/sleep"
        args    = ["3"]
      }
      resources { memory = 16 }
    }
  }
}
"#;

/// Asks for a start, and answers with the deployment as it is then.
async fn asked(person: &Person<'_>, service: &str) -> Value {
    let start = person.request(Method::POST, &format!("/services/{service}/start"));
    let (code, accepted) = answer(start).await;
    assert_eq!(code, StatusCode::ACCEPTED, "{accepted}");
    accepted["deployment"].clone()
}

async fn until_dead(app: &TestApp, service: &str) {
    for _ in 0..600 {
        if nomad(app, &format!("/v1/job/service-{service}")).await.1["Status"] == "dead" {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("the job does not die");
}

#[actix_web::test]
async fn a_service_whose_job_has_died_really_starts() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mortal.nomad"), MORTAL).unwrap();
    let app = TestApp::with(&[("NOMAD_JOBS_PATH", folder.path().to_str().unwrap())]).await;
    let ada = app.register("ada").await;
    let id = ada
        .define("custom", json!({"nomad_job_file": "mortal.nomad"}))
        .await;
    assert_eq!(ada.deploy(&id, "start").await["status"], "completed");
    until_dead(&app, &id).await;
    assert_eq!(status(&ada, &id).await, "running");
    let again = asked(&ada, &id).await;
    assert_ne!(again["status"], "completed", "{again}");
    let ended = ada.ended(again["id"].as_str().unwrap()).await;
    assert_eq!(ended["status"], "completed", "{ended}");
    assert_eq!(versions(&app, &id).await.len(), 2);
}

#[actix_web::test]
async fn a_service_whose_job_is_gone_really_starts() {
    let app = TestApp::hasty().await;
    let ada = app.register("ada").await;
    let id = ada.define("custom", json!({"image": "nginx:1"})).await;
    ada.deploy(&id, "start").await;
    let url = format!("{}/v1/job/service-{id}?purge=true", app.simulator.url());
    let purged = reqwest::Client::new().delete(url).send().await.unwrap();
    assert!(purged.status().is_success());
    let again = asked(&ada, &id).await;
    assert_ne!(again["status"], "completed", "{again}");
    let ended = ada.ended(again["id"].as_str().unwrap()).await;
    assert_eq!(ended["status"], "completed", "{ended}");
    assert_eq!(versions(&app, &id).await.len(), 1);
}

#[actix_web::test]
async fn without_nomad_a_start_is_accepted_and_what_runs_is_left_alone_once_it_is_seen() {
    let app = TestApp::hasty().await;
    let ada = app.register("ada").await;
    let id = ada.define("custom", json!({"image": "nginx:1"})).await;
    ada.deploy(&id, "start").await;
    fault(&app, json!([{"kind": "refuse", "path": "/v1/"}])).await;
    let again = asked(&ada, &id).await;
    assert_ne!(again["status"], "completed", "{again}");
    fault(&app, json!([])).await;
    let ended = ada.ended(again["id"].as_str().unwrap()).await;
    assert_eq!(ended["status"], "completed", "{ended}");
    assert_eq!(versions(&app, &id).await.len(), 1);
    assert_eq!(status(&ada, &id).await, "running");

    // What was only confirmed has sent nothing, so the job is still that of the first start.
    assert_eq!(asked(&ada, &id).await["status"], "completed");
    assert_eq!(versions(&app, &id).await.len(), 1);
}

#[actix_web::test]
async fn a_start_that_was_made_once_is_answered_again_after_its_service_is_gone() {
    let app = TestApp::hasty().await;
    let ada = app.register("ada").await;
    let id = ada.define("custom", json!({"image": "nginx:1"})).await;
    let start = async || {
        let request = ada.request(Method::POST, &format!("/services/{id}/start"));
        request.header("idempotency-key", "once").send().await
    };
    let first = start().await.json();
    ada.ended(first["deployment"]["id"].as_str().unwrap()).await;
    ada.deploy(&id, "stop").await;
    assert_eq!(
        ada.delete(&format!("/services/{id}")).await.0,
        StatusCode::NO_CONTENT
    );
    assert_eq!(start().await.json(), first);
}
