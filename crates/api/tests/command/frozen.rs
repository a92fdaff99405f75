//! A server whose database or Nomad accepts what it is sent and never answers: its probes answer all the same.

use reqwest::{Method, StatusCode};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::{
    door::Door,
    process::Server,
    production::{Person, Surroundings},
};

/// Asks for the probe until it says `status`, and answers with what it says then.
async fn probed(server: &Server, status: &str) -> Value {
    loop {
        let url = server.line("URL").replace("/api/v1", "/readyz");
        let answer = reqwest::get(url).await.expect("an answer");
        let body: Value = answer.json().await.expect("JSON");
        if body["status"] == status {
            return body;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

/// A request that hangs for as long as what it needs is frozen, or until its own deadline.
fn hanging(person: &Person, path: &str) -> tokio::task::JoinHandle<StatusCode> {
    let request = person.request(Method::GET, path);
    tokio::spawn(async move { request.send().await.expect("an answer").status() })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_nomad_is_shown_before_a_request_that_waits_for_it_is_over() {
    let mut surroundings = Surroundings::new().await;
    let door = Door::before(surroundings.nomad.trim_start_matches("http://")).await;
    surroundings.nomad = format!("http://{}", door.address);
    let server = surroundings.start(&[]);
    let ada = Person::register(&server, "ada").await;
    let id = ada.define("custom", json!({"image": "nginx:1"})).await;
    let logs = format!("/services/{id}/logs");
    probed(&server, "ready").await;

    door.freeze(true);
    let waiting = hanging(&ada, &logs);
    let body = probed(&server, "degraded").await;
    assert_eq!(body["checks"]["database"], "ok");
    assert_eq!(body["checks"]["nomad"], "no answer within 2s");
    // What is known is not asked for again.
    let answer = ada.request(Method::GET, &logs).send().await;
    let answer = answer.expect("an answer");
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.headers().contains_key("retry-after"));
    assert!(!waiting.is_finished());
    assert_eq!(
        waiting.await.expect("no panic"),
        StatusCode::SERVICE_UNAVAILABLE
    );

    door.freeze(false);
    probed(&server, "ready").await;
    assert_eq!(ada.get(&logs).await["logs"], json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_database_is_shown_before_a_request_that_waits_for_it_is_over() {
    let surroundings = Surroundings::new().await;
    let url = surroundings.database.url().expose_secret().to_owned();
    let (_, rest) = url.split_once('@').expect("a user");
    let (database, _) = rest.split_once('/').expect("a name");
    let door = Door::before(database).await;
    let through = url.replace(database, &door.address);
    let server = surroundings.start(&[("DATABASE_URL", &through)]);
    let ada = Person::register(&server, "ada").await;
    probed(&server, "ready").await;

    door.freeze(true);
    let waiting = hanging(&ada, "/services");
    let body = probed(&server, "unready").await;
    assert_eq!(body["checks"]["database"], "no answer within 2s");
    assert_eq!(body["checks"]["nomad"], "ok");
    assert!(server.get("/livez").starts_with("HTTP/1.1 200 OK"));
    assert!(!waiting.is_finished());

    door.freeze(false);
    probed(&server, "ready").await;
    waiting.await.expect("no panic");
    assert_eq!(ada.get("/services").await["total"], 0);
}
