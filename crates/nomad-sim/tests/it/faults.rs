//! Faults and restarts that a test can switch on.

use reqwest::Method;
use serde_json::json;

use crate::support::{Sim, played, sleeper};

#[tokio::test]
async fn a_lost_answer_is_done_all_the_same_and_a_refusal_is_not() {
    let sim = Sim::start();
    let fault = |kind: &str| json!({"faults": [{"method": "POST", "path": "/v1/jobs", "kind": kind, "count": 1}]});

    assert_eq!(sim.put("/sim/faults", fault("refuse")).await.status, 200);
    assert!(
        sim.send(
            Method::POST,
            "/v1/jobs",
            Some(json!({"Job": played("lost", "nginx")}))
        )
        .await
        .is_err()
    );
    assert_eq!(sim.get("/v1/job/lost").await.status, 404);

    sim.put("/sim/faults", fault("lose_answer")).await;
    assert!(
        sim.send(
            Method::POST,
            "/v1/jobs",
            Some(json!({"Job": played("lost", "nginx")}))
        )
        .await
        .is_err()
    );
    assert_eq!(sim.read("/v1/job/lost").await["Version"], 0);
    assert_eq!(
        sim.read("/sim/faults").await,
        json!({"faults": []}),
        "a fault with a count is used up"
    );
}

#[tokio::test]
async fn an_error_says_what_it_was_told_to_say_and_a_delay_only_delays() {
    let sim = Sim::start();
    sim.put("/sim/faults", json!({"faults": [{"kind": "error", "path": "/v1/status"}, {"kind": "delay", "delay": "20ms"}]})).await;
    assert_eq!(
        sim.get("/v1/status/leader").await.failure(),
        (500, "No cluster leader")
    );
    assert_eq!(sim.get("/v1/regions").await.json(), json!(["global"]));
    assert_eq!(sim.delete("/sim/faults").await.status, 200);
    assert_eq!(sim.get("/v1/status/leader").await.status, 200);
}

#[tokio::test]
async fn a_fault_that_makes_no_sense_is_refused_by_name() {
    let sim = Sim::start();
    let refused = sim
        .put(
            "/sim/faults",
            json!({"faults": [{"kind": "delay", "delay": "soon"}]}),
        )
        .await;
    assert_eq!(
        refused.failure(),
        (
            400,
            "faults[0].delay: \"soon\" is not a duration such as 2s or 150ms"
        )
    );
    assert_eq!(
        sim.put("/sim/faults", json!({"faults": [{"kind": "explode"}]}))
            .await
            .status,
        400
    );
}

#[tokio::test]
async fn a_restart_forgets_everything_and_ends_the_tasks() {
    let sim = Sim::start();
    sim.register(&sleeper("gone")).await;
    sim.until_deployment("gone", "successful").await;
    let before = sim.get("/v1/jobs").await.index.unwrap();
    sim.post("/sim/restart", json!({})).await;
    let after = sim.get("/v1/jobs").await;
    assert_eq!(after.json(), json!([]));
    assert!(after.index.unwrap() < before);
    assert_eq!(sim.get("/v1/job/gone").await.status, 404);
}

#[tokio::test]
async fn a_restart_with_data_keeps_jobs_and_cuts_whoever_waits() {
    let sim = Sim::start();
    sim.register(&played("kept", "nginx")).await;
    sim.until_deployment("kept", "successful").await;
    let index = sim.get("/v1/job/kept").await.index.unwrap();
    let path = format!("/v1/job/kept?index={index}&wait=60s");
    let waiting = sim.send(Method::GET, &path, None);
    let restarting = async {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        sim.post("/sim/restart", json!({"keep": true})).await
    };
    let (waited, restarted) = tokio::join!(waiting, restarting);
    assert!(
        waited.is_err(),
        "a blocking query is closed without an answer"
    );
    assert_eq!(restarted.status, 200);
    assert_eq!(sim.get("/v1/job/kept").await.index, Some(index));
}
