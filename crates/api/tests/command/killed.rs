//! A server that is killed while it deploys, on a database and a Nomad that go on.

use std::{sync::mpsc, thread, time::Duration};

use actix_web::rt::System;
use embedded_postgres::test_database::TestDatabase;
use nomad_sim::Simulator;
use reqwest::Client;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::process::{ENCRYPTION_KEY, Server};

const SECRET: &str = "a secret of a test, with thirty-two bytes";

/// A simulated Nomad in a thread of its own, ten times as fast; it lives as long as the test.
fn nomad() -> String {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        System::new().block_on(async {
            let settings = nomad_sim::Settings {
                speed: 10.0,
                ..nomad_sim::Settings::default()
            };
            let simulator = Simulator::start(settings).expect("a simulator");
            tell.send(simulator.url()).expect("a test that listens");
            std::future::pending::<()>().await;
        });
    });
    told.recv().expect("an address")
}

async fn post(url: String, token: &str, body: Value) -> Value {
    let request = Client::new().post(url).bearer_auth(token).json(&body);
    let response = request.send().await.expect("an answer");
    let answer: Value = response.json().await.expect("JSON");
    assert!(answer["code"].is_null(), "{answer}");
    answer
}

async fn get(url: String, token: &str) -> Value {
    let response = Client::new().get(url).bearer_auth(token).send().await;
    response.expect("an answer").json().await.expect("JSON")
}

#[actix_web::test]
async fn a_server_killed_at_any_moment_finishes_its_deployment_and_nomad_sees_one_version() {
    let database = TestDatabase::empty().await;
    let folder = tempfile::tempdir().expect("a folder");
    let nomad = nomad();
    let url = database.url();
    let variables = [
        ("ENVIRONMENT", "production"),
        ("NOMAD_SERVICES__LOG__FORMAT", "text"),
        ("NOMAD_SERVICES__SERVER__HOST", "127.0.0.1"),
        ("DATABASE_URL", url.expose_secret()),
        ("ENCRYPTION_KEY", ENCRYPTION_KEY),
        ("JWT_SECRET", SECRET),
        ("NOMAD_ADDR", &nomad),
        ("LOG_LEVEL", "error"),
        ("NOMAD_SERVICES__DEPLOYMENTS__LEASE", "1s"),
        ("NOMAD_SERVICES__DEPLOYMENTS__POLL_INTERVAL", "50ms"),
    ];
    for delay in [0, 3, 10, 25, 50, 100, 300, 700] {
        let server = Server::start(folder.path(), &variables);
        let api = server.line("URL").to_owned();
        let username = format!("user{delay}");
        let password = "correct horse battery";
        let person = json!({
            "username": username, "email": format!("{username}@example.com"), "password": password
        });
        post(format!("{api}/auth/register"), "", person).await;
        let login = json!({"username": username, "password": password});
        let session = post(format!("{api}/auth/login"), "", login).await;
        let token = session["token"].as_str().expect("a token");
        let service = json!({"name": "web", "type": "web_server", "config": {"image": "nginx:1"}});
        let service = post(format!("{api}/services"), token, service).await;
        let service = service["id"].as_str().expect("an id");
        let started = post(
            format!("{api}/services/{service}/start"),
            token,
            Value::Null,
        )
        .await;
        let deployment = started["deployment"]["id"].as_str().expect("an id");

        tokio::time::sleep(Duration::from_millis(delay)).await;
        server.kill();

        let server = Server::start(folder.path(), &variables);
        let api = server.line("URL").to_owned();
        let mut ended = Value::Null;
        for _ in 0..20 {
            ended = get(format!("{api}/deployments/{deployment}?wait=5s"), token).await;
            if ["completed", "failed"].contains(&ended["status"].as_str().expect("a status")) {
                break;
            }
        }
        assert_eq!(
            ended["status"], "completed",
            "killed after {delay} ms: {ended}"
        );
        let versions = get(format!("{nomad}/v1/job/service-{service}/versions"), "").await;
        let versions = versions["Versions"].as_array().map_or(0, Vec::len);
        assert_eq!(versions, 1, "killed after {delay} ms");
        server.kill();
    }
}
