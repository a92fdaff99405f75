//! Updates: rolling, failing, rolled back, canaries, and what a caller can do to a deployment.

use serde_json::{Value, json};

use crate::support::{Sim, played, text, with_image};

fn reverting(mut job: Value) -> Value {
    job["TaskGroups"][0]["Update"]["AutoRevert"] = json!(true);
    job
}

#[tokio::test]
async fn an_update_replaces_its_allocation_at_once_and_moves_to_the_new_version() {
    let sim = Sim::start();
    sim.register(&played("roll", "nginx:1")).await;
    sim.until_deployment("roll", "successful").await;
    sim.register(&played("roll", "nginx:2")).await;
    sim.until(
        "/v1/job/roll/deployment",
        "successful with version 1",
        |deployment| deployment["Status"] == "successful" && deployment["JobVersion"] == 1,
    )
    .await;
    let allocations = sim
        .until_allocations("roll", "one stopped", |list| {
            list.iter().any(|one| one["ClientStatus"] == "complete")
        })
        .await;
    let old = allocations
        .iter()
        .find(|one| one["JobVersion"] == 0)
        .unwrap();
    let new = allocations
        .iter()
        .find(|one| one["JobVersion"] == 1)
        .unwrap();
    assert_eq!(
        old["DesiredDescription"],
        "alloc is being updated due to job update"
    );
    assert_eq!(old["NextAllocation"], new["ID"]);
    assert_eq!(
        sim.versions("roll").await,
        [(1, true, false), (0, true, false)]
    );
}

#[tokio::test]
async fn one_of_two_is_replaced_at_a_time() {
    let sim = Sim::start();
    let mut job = played("pair", "nginx:1");
    job["TaskGroups"][0]["Count"] = json!(2);
    sim.register(&job).await;
    sim.until_deployment("pair", "successful").await;
    sim.register(&with_image(job, "nginx:2")).await;
    sim.until(
        "/v1/job/pair/deployment",
        "successful with version 1",
        |deployment| deployment["Status"] == "successful" && deployment["JobVersion"] == 1,
    )
    .await;
    let mut new: Vec<Value> = sim
        .read("/v1/job/pair/allocations")
        .await
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["JobVersion"] == 1)
        .cloned()
        .collect();
    new.sort_by_key(|one| one["CreateIndex"].as_u64());
    assert_eq!(new.len(), 2);
    let healthy_at = new[0]["DeploymentStatus"]["ModifyIndex"].as_u64().unwrap();
    assert!(
        new[1]["CreateIndex"].as_u64().unwrap() > healthy_at,
        "the second waits until the first is healthy"
    );
}

#[tokio::test]
async fn a_job_that_changes_in_place_keeps_its_allocation() {
    let sim = Sim::start();
    let mut job = played("place", "nginx");
    sim.register(&job).await;
    sim.until_deployment("place", "successful").await;
    let before = sim.read("/v1/job/place/allocations").await;
    job["Priority"] = json!(60);
    sim.register(&job).await;
    let deployment = sim
        .until(
            "/v1/job/place/deployment",
            "successful with version 1",
            |deployment| deployment["Status"] == "successful" && deployment["JobVersion"] == 1,
        )
        .await;
    let progress = &deployment["TaskGroups"]["main"];
    assert_eq!(
        (&progress["PlacedAllocs"], &progress["HealthyAllocs"]),
        (&json!(1), &json!(1))
    );
    assert_ne!(progress["RequireProgressBy"], Value::Null);
    let after = sim.read("/v1/job/place/allocations").await;
    assert_eq!(after.as_array().unwrap().len(), 1);
    assert_eq!(
        (&after[0]["ID"], &after[0]["JobVersion"]),
        (&before[0]["ID"], &json!(1))
    );
}

#[tokio::test]
async fn a_failed_update_rolls_back_to_a_version_that_is_stable_from_the_start() {
    let sim = Sim::start();
    let job = reverting(played("back", "nginx"));
    sim.register(&job).await;
    sim.until_deployment("back", "successful").await;
    let bad = sim.register(&with_image(job, "sim/exits:1")).await;
    sim.until("/v1/job/back", "version 2", |job| job["Version"] == 2)
        .await;
    assert_eq!(
        sim.versions("back").await,
        [(2, true, false), (1, false, false), (0, true, false)]
    );

    let mut deployments = sim
        .until("/v1/job/back/deployments", "all over", |list| {
            list.as_array().unwrap().len() == 3
                && list
                    .as_array()
                    .unwrap()
                    .iter()
                    .all(|one| one["Status"] != "running")
        })
        .await;
    deployments
        .as_array_mut()
        .unwrap()
        .sort_by_key(|one| one["CreateIndex"].as_u64());
    assert_eq!(
        deployments[1]["StatusDescription"],
        "Failed due to unhealthy allocations - rolling back to job version 0"
    );
    assert_eq!(deployments[1]["JobSpecModifyIndex"], bad["JobModifyIndex"]);
    assert_eq!(
        (&deployments[2]["Status"], &deployments[2]["JobVersion"]),
        (&json!("successful"), &json!(2))
    );
    let evaluations = sim.read("/v1/job/back/evaluations").await;
    let registered = evaluations
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["TriggeredBy"] == "job-register")
        .count();
    assert_eq!(registered, 2, "the rollback is the watcher's evaluation");
}

#[tokio::test]
async fn a_rollback_after_a_stop_ends_stopped() {
    let sim = Sim::start();
    let job = reverting(played("trap", "nginx"));
    sim.register(&job).await;
    sim.until_deployment("trap", "successful").await;
    sim.delete("/v1/job/trap").await;
    sim.until_job("trap", "dead").await;
    sim.register(&with_image(job, "sim/exits:1")).await;
    let job = sim
        .until("/v1/job/trap", "stopped version 3", |job| {
            job["Version"] == 3 && job["Status"] == "dead"
        })
        .await;
    assert_eq!((&job["Stop"], &job["Stable"]), (&json!(true), &json!(true)));
    let deployment = sim.until_deployment("trap", "failed").await;
    assert_eq!(
        deployment["StatusDescription"],
        "Failed due to unhealthy allocations - rolling back to job version 1"
    );
}

#[tokio::test]
async fn a_newer_version_and_a_stop_cancel_a_deployment() {
    let sim = Sim::start();
    sim.register(&played("cut", "sim/slow:600")).await;
    sim.until_deployment("cut", "running").await;
    sim.register(&played("cut", "sim/slow:601")).await;
    sim.until("/v1/job/cut/deployments", "two", |list| {
        list.as_array().unwrap().len() == 2
    })
    .await;
    sim.delete("/v1/job/cut").await;
    sim.until_job("cut", "dead").await;
    let mut deployments = sim.read("/v1/job/cut/deployments").await;
    deployments
        .as_array_mut()
        .unwrap()
        .sort_by_key(|one| one["CreateIndex"].as_u64());
    let said: Vec<(&str, &str)> = deployments
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (text(one, "Status"), text(one, "StatusDescription")))
        .collect();
    assert_eq!(
        said,
        [
            ("cancelled", "Cancelled due to newer version of job"),
            ("cancelled", "Cancelled because job is stopped")
        ]
    );
}

#[tokio::test]
async fn a_canary_waits_for_promotion() {
    let sim = Sim::start();
    let mut job = played("can", "nginx:1");
    sim.register(&job).await;
    sim.until_deployment("can", "successful").await;
    job["TaskGroups"][0]["Update"]["Canary"] = json!(1);
    sim.register(&with_image(job, "nginx:2")).await;
    let deployment = sim
        .until("/v1/job/can/deployment", "a healthy canary", |deployment| {
            deployment["JobVersion"] == 1 && deployment["TaskGroups"]["main"]["HealthyAllocs"] == 1
        })
        .await;
    assert_eq!(
        deployment["StatusDescription"],
        "Deployment is running but requires manual promotion"
    );
    assert_eq!(
        deployment["TaskGroups"]["main"]["PlacedCanaries"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    let statuses = sim.read("/v1/jobs/statuses").await;
    assert_eq!(statuses[0]["LatestDeployment"]["RequiresPromotion"], true);
    let id = text(&deployment, "ID");
    let promoted = sim
        .post(
            &format!("/v1/deployment/promote/{id}"),
            json!({"DeploymentID": id, "All": true}),
        )
        .await;
    assert_eq!(promoted.status, 200, "{}", promoted.text);
    let deployment = sim.until_deployment("can", "successful").await;
    assert_eq!(deployment["TaskGroups"]["main"]["Promoted"], true);
    let running = sim
        .until_allocations("can", "one running", |list| {
            list.iter()
                .filter(|one| one["ClientStatus"] == "running")
                .count()
                == 1
        })
        .await;
    assert_eq!(
        running
            .iter()
            .find(|one| one["ClientStatus"] == "running")
            .unwrap()["JobVersion"],
        1
    );
    let late = sim
        .post(
            &format!("/v1/deployment/promote/{id}"),
            json!({"DeploymentID": id, "All": true}),
        )
        .await;
    assert_eq!(late.failure(), (500, "can't promote terminal deployment"));
}

#[tokio::test]
async fn a_paused_deployment_still_succeeds_and_a_failed_one_goes_on_running() {
    let sim = Sim::start();
    sim.register(&played("hand", "nginx")).await;
    let id = text(&sim.until_deployment("hand", "running").await, "ID").to_owned();
    let paused = sim
        .post(
            &format!("/v1/deployment/pause/{id}"),
            json!({"DeploymentID": id, "Pause": true}),
        )
        .await
        .json();
    assert_eq!(
        (&paused["EvalID"], &paused["RevertedJobVersion"]),
        (&json!(""), &Value::Null)
    );
    sim.until_deployment("hand", "successful").await;

    sim.register(&played("hand2", "sim/slow:1")).await;
    let id = text(&sim.until_deployment("hand2", "running").await, "ID").to_owned();
    sim.post(&format!("/v1/deployment/fail/{id}"), json!({}))
        .await;
    assert_eq!(
        sim.read(&format!("/v1/deployment/{id}")).await["StatusDescription"],
        "Deployment marked as failed"
    );
    sim.until_allocations("hand2", "running", |list| {
        list[0]["ClientStatus"] == "running"
    })
    .await;
}
