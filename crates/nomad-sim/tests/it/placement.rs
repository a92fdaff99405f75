//! What no node takes: it waits, says why, and is placed once there is room.

use serde_json::{Value, json};

use crate::support::{Sim, played, text};

#[tokio::test]
async fn what_cannot_be_placed_is_blocked_and_says_why() {
    let sim = Sim::start();
    let mut job = played("pf", "nginx");
    job["TaskGroups"][0]["Tasks"][0]["Driver"] = json!("podman");
    let reply = sim.register(&job).await;
    sim.settle("pf").await;
    let evaluation = sim
        .read(&format!("/v1/evaluation/{}", text(&reply, "EvalID")))
        .await;
    assert_eq!(
        evaluation["FailedTGAllocs"]["main"]["ConstraintFiltered"],
        json!({"missing drivers": 1})
    );
    assert_eq!(evaluation["QueuedAllocations"], json!({"main": 1}));
    let blocked = sim
        .read(&format!(
            "/v1/evaluation/{}",
            text(&evaluation, "BlockedEval")
        ))
        .await;
    assert_eq!(
        (text(&blocked, "Status"), text(&blocked, "TriggeredBy")),
        ("blocked", "queued-allocs")
    );
    assert_eq!(
        blocked["StatusDescription"],
        "created to place remaining allocations"
    );
    assert_eq!(blocked["PreviousEval"], evaluation["ID"]);
    let deployment = sim.read("/v1/job/pf/deployment").await;
    assert_eq!(
        (
            &deployment["ModifyTime"],
            &deployment["TaskGroups"]["main"]["RequireProgressBy"]
        ),
        (&json!(0), &Value::Null)
    );
    assert_eq!(sim.read("/v1/job/pf").await["Status"], "running");
    assert_eq!(
        sim.read("/v1/job/pf/summary").await["Summary"]["main"]["Queued"],
        1
    );

    let stop = sim.delete("/v1/job/pf").await.json();
    sim.until_job("pf", "dead").await;
    let canceled = sim
        .read(&format!("/v1/evaluation/{}", text(&blocked, "ID")))
        .await;
    assert_eq!(canceled["Status"], "canceled");
    assert_eq!(
        text(&canceled, "StatusDescription"),
        format!("evaluation \"{}\" successful", text(&stop, "EvalID"))
    );
}

#[tokio::test]
async fn too_much_memory_exhausts_the_node_and_room_that_becomes_free_is_used() {
    let sim = Sim::start();
    let mut large = played("large", "nginx");
    large["TaskGroups"][0]["Tasks"][0]["Resources"]["MemoryMB"] = json!(10_000_000);
    large["TaskGroups"][0]["Count"] = json!(2);
    let reply = sim.register(&large).await;
    sim.settle("large").await;
    let failed = sim
        .read(&format!("/v1/evaluation/{}", text(&reply, "EvalID")))
        .await["FailedTGAllocs"]["main"]
        .clone();
    assert_eq!(failed["DimensionExhausted"], json!({"memory": 1}));
    assert_eq!(
        (&failed["CoalescedFailures"], &failed["NodesExhausted"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(failed["ResourcesExhausted"]["app"]["MemoryMB"], 20_000_000);

    let half = |id: &str| {
        let mut job = played(id, "nginx");
        job["TaskGroups"][0]["Tasks"][0]["Resources"]["MemoryMB"] = json!(5_000_000);
        job
    };
    sim.register(&half("first")).await;
    sim.until_deployment("first", "successful").await;
    sim.register(&half("second")).await;
    sim.settle("second").await;
    assert_eq!(sim.read("/v1/job/second/allocations").await, json!([]));
    sim.delete("/v1/job/first").await;
    sim.until_deployment("second", "successful").await;
}
