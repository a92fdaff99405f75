//! A server whose database or Nomad accepts what it is sent and never answers, or whose disk hangs: its probes answer all the
//! same.

use std::{fs, thread, time::Duration};

use nix::{
    sys::{signal::Signal, stat::Mode},
    unistd::mkfifo,
};
use reqwest::{Method, StatusCode};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::{
    door::Door,
    process::{ENCRYPTION_KEY, Server},
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
        tokio::time::sleep(Duration::from_millis(50)).await;
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_disk_keeps_no_probe_from_its_answer_and_nobody_from_signing_up() {
    let surroundings = Surroundings::new().await;
    let folder = tempfile::tempdir().expect("a folder");
    let keys = folder.path().join("keys");
    fs::write(&keys, ENCRYPTION_KEY).expect("the keys");
    let server = surroundings.start(&[
        ("ENCRYPTION_KEY", ""),
        ("ENCRYPTION_KEY_FILE", keys.to_str().expect("a path")),
        ("NOMAD_SERVICES__AUDIT__SEAL_INTERVAL", "100ms"),
    ]);
    probed(&server, "ready").await;

    // A pipe into which nobody writes is opened by nobody who reads.
    fs::remove_file(&keys).expect("the keys");
    mkfifo(&keys, Mode::S_IRWXU).expect("a pipe");
    // Each has a data key made, and there are more of them than threads that answer.
    let threads = thread::available_parallelism().expect("a number").get();
    let registered = async {
        for number in 0..2 * threads {
            Person::register(&server, &format!("ada{number}")).await;
        }
    };
    let registered = tokio::time::timeout(Duration::from_secs(60), registered).await;
    assert!(registered.is_ok(), "whoever registers waits for the disk");
    for _ in 0..2 * threads {
        probed(&server, "ready").await;
    }
    assert_eq!(server.terminate(Signal::SIGTERM), Some(0));
}
