//! Tasks that fail, jobs that cannot be placed, and what a second try does.

use serde_json::{Value, json};

use crate::support::{Sim, played, sleeper, text, with_image};

fn policies(mut job: Value, reschedule: Value) -> Value {
    job["TaskGroups"][0]["ReschedulePolicy"] = reschedule;
    job
}

const SECOND: i64 = 1_000_000_000;

fn attempts(number: u64) -> Value {
    json!({"Attempts": number, "Unlimited": false, "Delay": 5 * SECOND, "DelayFunction": "constant", "Interval": 86_400 * SECOND, "MaxDelay": 0})
}

fn unlimited() -> Value {
    json!({"Attempts": 0, "Unlimited": true, "Delay": 5 * SECOND, "DelayFunction": "constant", "Interval": 0, "MaxDelay": 0})
}

#[tokio::test]
async fn without_rescheduling_the_first_failure_fails_the_deployment() {
    let sim = Sim::start();
    sim.register(&played("once", "sim/exits:3")).await;
    let deployment = sim.until_deployment("once", "failed").await;
    assert_eq!(
        deployment["StatusDescription"],
        "Failed due to unhealthy allocations"
    );
    assert_eq!(deployment["TaskGroups"]["main"]["UnhealthyAllocs"], 1);
    sim.until_job("once", "dead").await;
    let allocation = &sim.read("/v1/job/once/allocations").await[0];
    assert_eq!(
        (
            text(allocation, "ClientStatus"),
            text(allocation, "DesiredStatus")
        ),
        ("failed", "run")
    );
    assert_eq!(
        allocation["DeploymentStatus"]["Timestamp"],
        Value::Null,
        "the server's verdict has no time"
    );
    let task = &allocation["TaskStates"]["app"];
    let events: Vec<(&str, &str)> = task["Events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| (text(event, "Type"), text(event, "DisplayMessage")))
        .collect();
    assert!(
        events.contains(&("Terminated", "Exit Code: 3")),
        "{events:?}"
    );
    assert_eq!(
        events.last(),
        Some(&("Not Restarting", "Policy allows no restarts"))
    );
    assert_eq!(
        task["Events"].as_array().unwrap().last().unwrap()["Details"]["fails_task"],
        "true"
    );
}

#[tokio::test]
async fn an_image_that_cannot_be_pulled_is_a_driver_failure() {
    let sim = Sim::start();
    sim.register(&played("pull", "sim/unpullable")).await;
    sim.until_deployment("pull", "failed").await;
    let allocation = &sim.read("/v1/job/pull/allocations").await[0];
    let events = allocation["TaskStates"]["app"]["Events"]
        .as_array()
        .unwrap();
    let failure = events
        .iter()
        .find(|event| event["Type"] == "Driver Failure")
        .unwrap();
    assert_eq!(failure["Details"]["driver_error"], failure["DriverError"]);
    assert!(
        text(failure, "DisplayMessage").contains("sim/unpullable"),
        "{failure}"
    );
    let id = text(allocation, "ID");
    let logs = sim
        .get(&format!("/v1/client/fs/logs/{id}?task=app&type=stdout"))
        .await;
    assert_eq!(
        logs.failure(),
        (404, "task \"app\" not started yet. No logs available")
    );
}

#[tokio::test]
async fn one_attempt_is_made_before_the_deployment_fails() {
    let sim = Sim::start();
    sim.register(&policies(played("twice", "sim/exits"), attempts(1)))
        .await;
    let deployment = sim.until_deployment("twice", "failed").await;
    assert_eq!(
        deployment["StatusDescription"],
        "Failed due to unhealthy allocations"
    );
    assert_eq!(deployment["TaskGroups"]["main"]["PlacedAllocs"], 2);
    sim.until_job("twice", "dead").await;
    let allocations = sim.read("/v1/job/twice/allocations").await;
    let replaced = allocations
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["NextAllocation"] != "")
        .unwrap();
    assert_eq!(replaced["DesiredStatus"], "stop");
    assert_eq!(replaced["RescheduleTracker"], Value::Null);
    assert_eq!(replaced["DesiredTransition"]["Reschedule"], true);
}

#[tokio::test]
async fn unlimited_rescheduling_ends_at_the_progress_deadline() {
    let sim = Sim::start();
    sim.register(&policies(played("late", "sim/exits"), unlimited()))
        .await;
    let deployment = sim.until_deployment("late", "failed").await;
    assert_eq!(
        deployment["StatusDescription"],
        "Failed due to progress deadline"
    );
    assert!(
        deployment["TaskGroups"]["main"]["PlacedAllocs"]
            .as_u64()
            .unwrap()
            > 1
    );
    sim.until_job("late", "dead").await;
    let waited = sim.read("/v1/job/late/evaluations").await;
    let waited = waited
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["TriggeredBy"] == "alloc-reschedule")
        .unwrap()
        .clone();
    assert_eq!(
        waited["StatusDescription"],
        Value::Null,
        "it is complete by now"
    );
    assert!(waited["WaitUntil"].is_string());
}

#[tokio::test]
async fn without_a_progress_deadline_it_fails_fast_and_the_job_waits_for_its_last_evaluation() {
    let sim = Sim::start();
    let mut job = policies(
        played("fast", "sim/exits"),
        json!({"Attempts": 0, "Unlimited": true, "Delay": 30 * SECOND, "DelayFunction": "exponential", "Interval": 0, "MaxDelay": 3600 * SECOND}),
    );
    job["TaskGroups"][0]["Update"]["ProgressDeadline"] = json!(0);
    sim.register(&job).await;
    let deployment = sim.until_deployment("fast", "failed").await;
    assert_eq!(
        deployment["StatusDescription"],
        "Failed due to unhealthy allocations"
    );
    let waiting = sim
        .until("/v1/job/fast/evaluations", "waiting", |list| {
            list.as_array()
                .unwrap()
                .iter()
                .any(|one| one["TriggeredBy"] == "alloc-reschedule" && one["Status"] == "pending")
        })
        .await;
    let waiting = waiting
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["TriggeredBy"] == "alloc-reschedule")
        .unwrap()
        .clone();
    assert_eq!(
        waiting["StatusDescription"],
        "created for delayed rescheduling"
    );
    sim.until_job("fast", "pending").await;
    sim.until_job("fast", "dead").await;
    assert_eq!(
        sim.read("/v1/job/fast/allocations")
            .await
            .as_array()
            .unwrap()
            .len(),
        1,
        "nothing more is placed"
    );
}

#[tokio::test]
async fn local_restarts_come_first() {
    let sim = Sim::start();
    let mut job = played("again", "sim/exits:1");
    job["TaskGroups"][0]["RestartPolicy"]["Attempts"] = json!(2);
    sim.register(&job).await;
    sim.until_deployment("again", "failed").await;
    let allocation = &sim.read("/v1/job/again/allocations").await[0];
    let task = &allocation["TaskStates"]["app"];
    assert_eq!(task["Restarts"], 2);
    let last = task["Events"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(
        text(&last, "DisplayMessage"),
        "Exceeded allowed attempts 2 in interval 30m0s and mode is \"fail\""
    );
}

#[tokio::test]
async fn deploying_the_same_again_after_a_failure_does_nothing() {
    let sim = Sim::start();
    let job = played("trap", "sim/exits");
    sim.register(&job).await;
    let failed = sim.until_deployment("trap", "failed").await;
    sim.until_job("trap", "dead").await;

    let again = sim.register(&job).await;
    sim.post(
        "/v1/job/trap/evaluate",
        json!({"JobID": "trap", "EvalOptions": {"ForceReschedule": true}}),
    )
    .await;
    sim.settle("trap").await;
    let evaluation = sim
        .read(&format!("/v1/evaluation/{}", text(&again, "EvalID")))
        .await;
    assert_eq!(evaluation["DeploymentID"], failed["ID"]);
    assert_eq!(
        sim.read("/v1/job/trap/allocations")
            .await
            .as_array()
            .unwrap()
            .len(),
        1
    );

    sim.delete("/v1/job/trap").await;
    sim.register(&job).await;
    sim.settle("trap").await;
    let dead = sim.until_job("trap", "dead").await;
    assert_eq!(dead["Version"], 2);
    assert_eq!(
        sim.read("/v1/job/trap/deployments")
            .await
            .as_array()
            .unwrap()
            .len(),
        1,
        "not even stop and register bring it back"
    );

    sim.register(&with_image(job, "nginx")).await;
    sim.until_deployment("trap", "successful").await;
}

#[tokio::test]
async fn with_an_attempt_left_stop_and_register_start_it_again() {
    let sim = Sim::start();
    let job = policies(played("retry", "sim/exits"), attempts(1));
    sim.register(&job).await;
    sim.until_deployment("retry", "failed").await;
    sim.delete("/v1/job/retry").await;
    sim.until_job("retry", "dead").await;
    sim.register(&job).await;
    sim.until("/v1/job/retry/deployment", "a new one", |deployment| {
        deployment["JobVersion"] == 2
    })
    .await;
}

#[tokio::test]
async fn an_unhealthy_check_waits_for_the_progress_deadline() {
    let sim = Sim::start();
    let mut job = policies(played("sick", "sim/unhealthy"), unlimited());
    job["TaskGroups"][0]["Networks"] = json!([{"DynamicPorts": [{"Label": "http"}]}]);
    job["TaskGroups"][0]["Services"] = json!([{
        "Name": "sick", "PortLabel": "http", "Provider": "nomad", "OnUpdate": "require_healthy",
        "Checks": [{"Name": "up", "Type": "http", "Path": "/", "Interval": SECOND, "Timeout": SECOND, "OnUpdate": "require_healthy"}],
    }]);
    sim.register(&job).await;
    let deployment = sim.until_deployment("sick", "failed").await;
    assert_eq!(
        deployment["StatusDescription"],
        "Failed due to progress deadline"
    );
    let allocation = &sim.read("/v1/job/sick/allocations").await[0];
    assert_eq!(allocation["ClientStatus"], "running");
    assert_eq!(allocation["DeploymentStatus"]["Healthy"], false);
    let events = allocation["TaskStates"]["app"]["Events"]
        .as_array()
        .unwrap();
    assert!(
        events
            .iter()
            .any(|event| event["Type"] == "Alloc Unhealthy")
    );
    let checks = sim
        .read(&format!("/v1/allocation/{}/checks", text(allocation, "ID")))
        .await;
    let check = checks.as_object().unwrap().values().next().unwrap();
    assert_eq!(
        (
            text(check, "Status"),
            &check["StatusCode"],
            text(check, "Mode")
        ),
        ("failure", &json!(503), "healthiness")
    );
}

#[tokio::test]
async fn a_batch_job_completes_and_a_failing_one_is_replaced_once() {
    let sim = Sim::start();
    let batch = |id: &str, image: &str| {
        let mut job = policies(played(id, image), attempts(1));
        job["Type"] = json!("batch");
        job
    };
    sim.register(&batch("good", "sim/exits:0")).await;
    let allocations = sim
        .until_allocations("good", "complete", |list| {
            list.iter().any(|one| one["ClientStatus"] == "complete")
        })
        .await;
    assert_eq!(text(&allocations[0], "DesiredStatus"), "run");
    let job = sim.until_job("good", "dead").await;
    assert_eq!(job["Stop"], false);
    assert_eq!(sim.read("/v1/job/good/deployment").await, Value::Null);

    sim.register(&batch("bad", "sim/exits:1")).await;
    let allocations = sim
        .until_allocations("bad", "two failed", |list| {
            list.len() == 2 && list.iter().all(|one| one["ClientStatus"] == "failed")
        })
        .await;
    assert_eq!(allocations.len(), 2);
    sim.until_job("bad", "dead").await;
}

#[tokio::test]
async fn a_command_that_is_not_there_is_a_driver_failure() {
    let sim = Sim::start();
    let mut job = sleeper("nocmd");
    job["TaskGroups"][0]["Tasks"][0]["Config"]["command"] = json!("/no/such/cmd");
    sim.register(&job).await;
    sim.until_deployment("nocmd", "failed").await;
    let allocation = &sim.read("/v1/job/nocmd/allocations").await[0];
    let events = allocation["TaskStates"]["app"]["Events"]
        .as_array()
        .unwrap();
    let failure = events
        .iter()
        .find(|event| event["Type"] == "Driver Failure")
        .unwrap();
    assert!(
        text(failure, "DisplayMessage").contains("\"/no/such/cmd\" could not be found"),
        "{failure}"
    );
}
