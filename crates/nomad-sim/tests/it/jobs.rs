//! Registering, reading, stopping and purging jobs.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Sim, played, sleeper, text, with_image};

#[tokio::test]
async fn a_registered_job_becomes_healthy_and_stable() {
    let sim = Sim::start();
    let reply = sim.register(&played("web", "nginx:1")).await;
    assert_eq!(reply["JobModifyIndex"], reply["EvalCreateIndex"]);

    let deployment = sim.until_deployment("web", "successful").await;
    assert_eq!(
        deployment["StatusDescription"],
        "Deployment completed successfully"
    );
    assert_eq!(deployment["JobSpecModifyIndex"], reply["JobModifyIndex"]);
    assert_eq!(deployment["TaskGroups"]["main"]["HealthyAllocs"], 1);
    assert_eq!(
        deployment["TaskGroups"]["main"]["PlacedCanaries"],
        Value::Null
    );

    let job = sim.read("/v1/job/web").await;
    assert_eq!(
        (&job["Version"], &job["Stable"], &job["Status"]),
        (&json!(0), &json!(true), &json!("running"))
    );
    assert_eq!(
        job["JobModifyIndex"], reply["JobModifyIndex"],
        "status changes leave the specification's index alone"
    );

    let evaluation = sim
        .read(&format!("/v1/evaluation/{}", text(&reply, "EvalID")))
        .await;
    assert_eq!(evaluation["Status"], "complete");
    assert_eq!(evaluation["DeploymentID"], deployment["ID"]);
    assert_eq!(
        evaluation.get("BlockedEval"),
        None,
        "what is unset is absent"
    );

    let stubs = sim.read("/v1/job/web/allocations").await;
    assert_eq!(stubs[0]["ClientDescription"], "Tasks are running");
    assert_eq!(stubs[0]["DeploymentStatus"]["Healthy"], true);
    assert_eq!(
        stubs[0].get("DeploymentID"),
        None,
        "a stub does not tell its deployment"
    );
    let events = stubs[0]["TaskStates"]["app"]["Events"].as_array().unwrap();
    let kinds: Vec<&str> = events.iter().map(|event| text(event, "Type")).collect();
    assert_eq!(kinds, ["Received", "Task Setup", "Started"]);

    let allocation = sim
        .read(&format!("/v1/allocation/{}", text(&stubs[0], "ID")))
        .await;
    assert_eq!(allocation["DeploymentID"], deployment["ID"]);
    assert_eq!(allocation["Job"]["Version"], 0);
}

#[tokio::test]
async fn registering_compares_and_sets() {
    let sim = Sim::start();
    let enforced =
        |index: u64, job: Value| json!({"Job": job, "EnforceIndex": true, "JobModifyIndex": index});
    let job = played("cas", "nginx");

    let absent = sim.post("/v1/jobs", enforced(7, job.clone())).await;
    assert_eq!(
        absent.failure(),
        (500, "Enforcing job modify index 7: job does not exist")
    );
    assert_eq!(
        absent.content_type.as_deref(),
        Some("text/plain; charset=utf-8")
    );
    let first = sim.post("/v1/jobs", enforced(0, job.clone())).await.json();
    let index = first["JobModifyIndex"].as_u64().unwrap();

    let twice = sim.post("/v1/jobs", enforced(0, job.clone())).await;
    assert_eq!(
        twice.failure(),
        (500, "Enforcing job modify index 0: job already exists")
    );
    let stale = sim.post("/v1/jobs", enforced(1, job.clone())).await;
    assert_eq!(stale.failure(), (500, format!("Enforcing job modify index 1: job exists with conflicting job modify index: {index}").as_str()));

    let second = sim
        .post("/v1/jobs", enforced(index, with_image(job, "nginx:2")))
        .await
        .json();
    assert!(second["JobModifyIndex"].as_u64().unwrap() > index);
    let versions = sim.versions("cas").await;
    assert_eq!(
        versions.iter().map(|version| version.0).collect::<Vec<_>>(),
        [1, 0]
    );
}

#[tokio::test]
async fn fifty_callers_with_the_same_index_leave_one_version() {
    let sim = Sim::start();
    let first = sim.register(&played("race", "nginx:0")).await;
    let calls = (1..=50).map(|number| {
        let job = played("race", &format!("nginx:{number}"));
        sim.post(
            "/v1/jobs",
            json!({"Job": job, "EnforceIndex": true, "JobModifyIndex": first["JobModifyIndex"]}),
        )
    });
    let answers = futures::future::join_all(calls).await;
    assert_eq!(
        answers.iter().filter(|answer| answer.status == 200).count(),
        1
    );
    assert_eq!(sim.read("/v1/job/race").await["Version"], 1);
}

#[tokio::test]
async fn an_identical_register_is_only_an_evaluation_that_points_at_the_old_deployment() {
    let sim = Sim::start();
    let job = played("same", "nginx");
    let first = sim.register(&job).await;
    let deployment = sim.until_deployment("same", "successful").await;
    let before = sim.read("/v1/job/same").await;

    let again = sim.register(&job).await;
    assert_ne!(again["EvalID"], first["EvalID"]);
    assert_eq!(
        again["JobModifyIndex"], before["ModifyIndex"],
        "the trap: not the index to compare with"
    );
    assert_ne!(again["JobModifyIndex"], before["JobModifyIndex"]);
    sim.settle("same").await;
    let evaluation = sim
        .read(&format!("/v1/evaluation/{}", text(&again, "EvalID")))
        .await;
    assert_eq!(evaluation["DeploymentID"], deployment["ID"]);
    assert_eq!(sim.read("/v1/job/same").await, before);
    assert_eq!(
        sim.read("/v1/job/same/deployments")
            .await
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn a_stop_is_a_version_that_inherits_stability_and_a_purge_takes_all_at_once() {
    let sim = Sim::start();
    let job = sleeper("halt");
    sim.register(&job).await;
    sim.until_deployment("halt", "successful").await;

    let reply = sim.delete("/v1/job/halt").await.json();
    assert_eq!(reply["JobModifyIndex"], reply["EvalCreateIndex"]);
    let stopped = sim.until_job("halt", "dead").await;
    assert_eq!(
        (&stopped["Version"], &stopped["Stable"], &stopped["Stop"]),
        (&json!(1), &json!(true), &json!(true))
    );
    let ended = sim
        .until_allocations("halt", "complete", |allocations| {
            allocations[0]["ClientStatus"] == "complete"
        })
        .await;
    assert_eq!(ended[0]["DesiredStatus"], "stop");
    assert_eq!(
        ended[0]["DesiredDescription"],
        "alloc not needed due to job update"
    );
    sim.delete("/v1/job/halt").await;
    assert_eq!(
        sim.versions("halt").await,
        [(2, true, true), (1, true, true), (0, true, false)],
        "a stop of a stopped job is one more"
    );

    sim.register(&job).await;
    sim.until(
        "/v1/job/halt/deployment",
        "successful with version 3",
        |deployment| deployment["Status"] == "successful" && deployment["JobVersion"] == 3,
    )
    .await;
    let allocation = sim
        .until_allocations("halt", "two", |allocations| allocations.len() == 2)
        .await;
    let id = text(&allocation[0], "ID").to_owned();

    let before = sim.get("/v1/jobs").await.index;
    sim.delete("/v1/job/halt?purge=true").await;
    assert_eq!(
        sim.get("/v1/job/halt").await.failure(),
        (404, "job not found")
    );
    assert_eq!(
        sim.get("/v1/job/halt/versions").await.failure(),
        (404, "job versions not found")
    );
    assert_eq!(sim.read("/v1/job/halt/allocations").await, json!([]));
    assert_eq!(sim.read("/v1/job/halt/deployments").await, json!([]));
    assert_eq!(sim.read("/v1/job/halt/deployment").await, Value::Null);
    assert_eq!(
        sim.get(&format!("/v1/allocation/{id}")).await.failure(),
        (404, "alloc not found")
    );
    let unknown = format!("Unknown allocation \"{id}\"");
    assert_eq!(
        sim.get(&format!("/v1/client/fs/logs/{id}?task=app&type=stdout"))
            .await
            .failure(),
        (404, unknown.as_str())
    );
    assert_eq!(
        sim.get(&format!("/v1/client/allocation/{id}/stats"))
            .await
            .failure(),
        (404, unknown.as_str())
    );
    assert!(
        !sim.read("/v1/job/halt/evaluations")
            .await
            .as_array()
            .unwrap()
            .is_empty(),
        "evaluations stay"
    );
    assert!(sim.get("/v1/jobs").await.index >= before);

    let nothing = sim.delete("/v1/job/halt").await.json();
    assert_eq!(
        (&nothing["EvalID"], &nothing["Index"]),
        (&json!(""), &json!(0))
    );
    let fresh = sim.register(&job).await;
    assert_eq!(sim.read("/v1/job/halt").await["Version"], 0);
    assert_eq!(
        sim.read("/v1/job/halt").await["CreateIndex"],
        fresh["JobModifyIndex"]
    );
}

#[tokio::test]
async fn only_six_versions_are_kept() {
    let sim = Sim::start();
    for number in 0..8 {
        sim.register(&played("many", &format!("nginx:{number}")))
            .await;
    }
    let versions = sim.versions("many").await;
    assert_eq!(
        versions.iter().map(|version| version.0).collect::<Vec<_>>(),
        [7, 6, 5, 4, 3, 2]
    );
}

#[tokio::test]
async fn a_jobs_own_update_is_emptied_and_its_groups_keep_it() {
    let sim = Sim::start();
    let mut job = played("form", "nginx");
    job["Update"] = job["TaskGroups"][0]["Update"].clone();
    sim.register(&job).await;
    let seen = sim.read("/v1/job/form").await;
    assert_eq!(seen["Update"]["ProgressDeadline"], 0);
    assert_eq!(seen["Update"]["HealthCheck"], "");
    assert_eq!(
        seen["TaskGroups"][0]["Update"]["ProgressDeadline"],
        20_000_000_000_i64
    );
    assert_eq!(
        seen["TaskGroups"][0]["Tasks"][0]["Identity"]["Name"],
        "default"
    );
    assert_eq!(
        (&seen["NodePool"], &seen["Namespace"]),
        (&json!("default"), &json!("default"))
    );
}

#[tokio::test]
async fn an_id_with_a_slash_works_and_one_that_ends_like_a_path_can_only_be_stopped_by_its_body() {
    let sim = Sim::start();
    sim.register(&played("team/x", "nginx")).await;
    assert_eq!(
        sim.read("/v1/job/team%2Fx/summary").await["JobID"],
        "team/x"
    );
    assert_eq!(sim.read("/v1/job/team/x/summary").await["JobID"], "team/x");

    let mut trapped = played("x/plan", "nginx");
    sim.register(&trapped).await;
    assert_eq!(
        sim.get("/v1/job/x%2Fplan").await.failure(),
        (405, "Invalid method")
    );
    assert_eq!(
        sim.delete("/v1/job/x%2Fplan").await.failure(),
        (405, "Invalid method")
    );
    trapped["Stop"] = json!(true);
    sim.register(&trapped).await;
    sim.until("/v1/jobs?prefix=x/", "dead", |jobs| {
        jobs[0]["Status"] == "dead"
    })
    .await;
}

#[tokio::test]
async fn what_is_wrong_is_said_as_the_agent_says_it() {
    let sim = Sim::start();
    // What the recorded answers speak of: a job, and a deployment of it that is over.
    let registered = sim.register(&played("err-x", "nginx")).await;
    let deployment = sim.until_deployment("err-x", "successful").await;
    let recorded = include_str!("errors.json")
        .replace("1707", &registered["JobModifyIndex"].to_string())
        .replace(
            "ff389e14-02f6-8028-6ff0-327c16ab036c",
            text(&deployment, "ID"),
        );
    let errors: Vec<Value> = serde_json::from_str(&recorded).unwrap();
    let mut unlike = Vec::new();
    for error in &errors {
        let method: Method = text(error, "Method").parse().unwrap();
        let path = text(error, "Path");
        let url = format!("{}{path}", sim.url());
        let request = reqwest::Client::new().request(method, url);
        let request = match &error["Body"] {
            Value::Null => request,
            Value::String(raw) => request.body(raw.clone()),
            body => request.json(body),
        };
        let answer = request.send().await.unwrap();
        let content_type = answer
            .headers()
            .get("content-type")
            .map(|value| value.to_str().unwrap().to_owned());
        let seen = (
            answer.status().as_u16(),
            json!(content_type),
            answer.text().await.unwrap(),
        );
        let wanted = (
            u16::try_from(error["Status"].as_u64().unwrap()).unwrap(),
            error["ContentType"].clone(),
            text(error, "Text").to_owned(),
        );
        if seen != wanted {
            unlike.push(format!(
                "{} {path}: {seen:?} instead of {wanted:?}",
                error["Method"]
            ));
        }
    }
    assert!(unlike.is_empty(), "{}", unlike.join("\n"));
}
