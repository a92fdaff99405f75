//! Scaling, reverting, marking stable, and acting on single allocations; and ten thousand jobs at once.

use serde_json::{Value, json};

use crate::support::{Sim, played, sleeper, text};

#[tokio::test]
async fn scaling_makes_a_version_that_stays_stable_and_a_deployment() {
    let sim = Sim::start();
    let mut job = played("grow", "sim/slow:1");
    job["TaskGroups"][0]["Update"]["HealthyDeadline"] = json!(300_000_000_000_i64);
    job["TaskGroups"][0]["Update"]["ProgressDeadline"] = json!(600_000_000_000_i64);
    sim.register(&job).await;
    sim.until_deployment("grow", "running").await;
    let scale = |count: u64, group: &str| {
        sim.post(
            "/v1/job/grow/scale",
            json!({"Count": count, "Target": {"Group": group}, "Message": "up"}),
        )
    };
    let early = scale(2, "main").await;
    assert_eq!(
        early.failure(),
        (400, "job scaling blocked due to active deployment")
    );
    sim.until_deployment("grow", "successful").await;
    assert_eq!(
        scale(2, "zz").await.failure(),
        (
            400,
            "task group \"zz\" specified for scaling does not exist in job"
        )
    );
    let scaled = scale(2, "main").await.json();
    assert_eq!(scaled["KnownLeader"], true);
    assert_eq!(
        sim.versions("grow").await,
        [(1, true, false), (0, true, false)]
    );
    let evaluation = sim
        .read(&format!("/v1/evaluation/{}", text(&scaled, "EvalID")))
        .await;
    assert_eq!(evaluation["TriggeredBy"], "job-scaling");
    let deployment = sim
        .until(
            "/v1/job/grow/deployment",
            "successful with two",
            |deployment| deployment["JobVersion"] == 1 && deployment["Status"] == "successful",
        )
        .await;
    let progress = &deployment["TaskGroups"]["main"];
    assert_eq!(
        (&progress["PlacedAllocs"], &progress["HealthyAllocs"]),
        (&json!(2), &json!(2))
    );
    let status = sim.read("/v1/job/grow/scale").await;
    assert_eq!(
        (
            &status["TaskGroups"]["main"]["Desired"],
            &status["TaskGroups"]["main"]["Running"]
        ),
        (&json!(2), &json!(2))
    );
    assert_eq!(
        status["TaskGroups"]["main"]["Events"][0]["PreviousCount"],
        1
    );

    scale(1, "main").await;
    let left = sim
        .until_allocations("grow", "one left", |list| {
            list.iter()
                .filter(|one| one["DesiredStatus"] == "run")
                .count()
                == 1
        })
        .await;
    let stopped = left
        .iter()
        .find(|one| one["DesiredStatus"] == "stop")
        .unwrap();
    assert_eq!(text(stopped, "Name"), "grow.main[1]");
}

#[tokio::test]
async fn a_revert_is_a_new_version_that_is_not_stable_yet() {
    let sim = Sim::start();
    sim.register(&played("undo", "nginx:1")).await;
    sim.until_deployment("undo", "successful").await;
    sim.register(&played("undo", "nginx:2")).await;
    let revert = |body: Value| sim.post("/v1/job/undo/revert", body);
    assert_eq!(
        revert(json!({"JobID": "undo", "JobVersion": 1}))
            .await
            .failure(),
        (500, "can't revert to current version")
    );
    assert_eq!(
        revert(json!({"JobID": "undo", "JobVersion": 0, "EnforcePriorVersion": 77}))
            .await
            .failure(),
        (500, "Current job has version 1; enforcing version 77")
    );
    assert_eq!(
        revert(json!({"JobID": "undo", "JobVersion": 55}))
            .await
            .failure(),
        (
            500,
            "job \"undo\" in namespace \"default\" at version 55 not found"
        )
    );
    assert_eq!(
        revert(json!({"JobID": "other", "JobVersion": 0}))
            .await
            .failure(),
        (400, "Job ID does not match")
    );
    assert_eq!(
        revert(json!({"JobID": "undo", "JobVersion": 0}))
            .await
            .status,
        200
    );
    let job = sim.read("/v1/job/undo").await;
    assert_eq!(
        (&job["Version"], &job["Stable"]),
        (&json!(2), &json!(false))
    );
    assert_eq!(
        job["TaskGroups"][0]["Tasks"][0]["Config"]["image"],
        "nginx:1"
    );

    sim.delete("/v1/job/undo").await;
    sim.until_job("undo", "dead").await;
    revert(json!({"JobID": "undo", "JobVersion": 0})).await;
    let started = sim
        .until("/v1/job/undo", "running", |job| job["Status"] == "running")
        .await;
    assert_eq!(started["Stop"], false, "reverting starts a stopped job");
}

#[tokio::test]
async fn marking_an_old_version_stable_makes_it_the_one_that_is_read() {
    let sim = Sim::start();
    sim.register(&played("odd", "nginx:1")).await;
    sim.register(&played("odd", "nginx:2")).await;
    sim.post(
        "/v1/job/odd/stable",
        json!({"JobID": "odd", "JobVersion": 0, "Stable": true}),
    )
    .await;
    assert_eq!(sim.read("/v1/job/odd").await["Version"], 0);
    sim.register(&played("odd", "nginx:3")).await;
    assert_eq!(sim.read("/v1/job/odd").await["Version"], 2);
}

#[tokio::test]
async fn a_restart_answers_when_the_task_was_killed_and_the_allocation_stays() {
    let sim = Sim::start();
    sim.register(&sleeper("spin")).await;
    sim.until_deployment("spin", "successful").await;
    let id = text(&sim.read("/v1/job/spin/allocations").await[0], "ID").to_owned();
    let path = format!("/v1/client/allocation/{id}/restart");
    assert_eq!(
        sim.put(&path, json!({"TaskName": "nope"})).await.failure(),
        (500, "Could not find task runner for task: nope")
    );
    assert_eq!(
        sim.put(&path, json!({"TaskName": "app", "AllTasks": true}))
            .await
            .failure(),
        (500, "task name cannot be set when restarting all tasks")
    );
    assert_eq!(sim.put(&path, json!({})).await.json(), json!({"Index": 0}));
    let task = sim
        .until_allocations("spin", "restarted", |list| {
            list[0]["TaskStates"]["app"]["Restarts"] == 1
                && list[0]["TaskStates"]["app"]["Events"]
                    .as_array()
                    .unwrap()
                    .last()
                    .unwrap()["Type"]
                    == "Started"
        })
        .await;
    assert_eq!(text(&task[0], "ClientStatus"), "running");
    let kinds: Vec<&str> = task[0]["TaskStates"]["app"]["Events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| text(event, "Type"))
        .collect();
    assert_eq!(
        kinds[3..],
        ["Restart Signaled", "Terminated", "Restarting", "Started"]
    );
    assert!(task[0]["TaskStates"]["app"]["LastRestart"].is_string());

    let signal = |body: Value| {
        sim.put(
            Box::leak(format!("/v1/client/allocation/{id}/signal").into_boxed_str()),
            body,
        )
    };
    assert_eq!(
        signal(json!({"Task": "app", "Signal": "SIGNOPE"}))
            .await
            .json(),
        json!({"Index": 0})
    );
    assert_eq!(
        signal(json!({"Task": "nope", "Signal": "SIGHUP"}))
            .await
            .failure(),
        (500, "Task not found")
    );

    sim.delete("/v1/job/spin").await;
    sim.until_allocations("spin", "complete", |list| {
        list[0]["ClientStatus"] == "complete"
    })
    .await;
    assert_eq!(
        sim.put(&path, json!({})).await.failure(),
        (500, "restart of an alloc that should not run")
    );
    assert_eq!(
        sim.read(&format!("/v1/allocation/{id}/checks")).await,
        Value::Null
    );
    assert_eq!(
        sim.read(&format!("/v1/client/allocation/{id}/stats")).await["Timestamp"],
        0
    );
}

#[tokio::test]
async fn a_stopped_allocation_is_replaced_without_a_deployment() {
    let sim = Sim::start();
    sim.register(&played("move", "nginx")).await;
    sim.until_deployment("move", "successful").await;
    let id = text(&sim.read("/v1/job/move/allocations").await[0], "ID").to_owned();
    let stopped = sim
        .post(&format!("/v1/allocation/{id}/stop"), json!({}))
        .await
        .json();
    let evaluation = sim
        .read(&format!("/v1/evaluation/{}", text(&stopped, "EvalID")))
        .await;
    assert_eq!(evaluation["TriggeredBy"], "alloc-stop");
    let allocations = sim
        .until_allocations("move", "one new running", |list| {
            list.len() == 2
                && list
                    .iter()
                    .any(|one| one["ID"] != id && one["ClientStatus"] == "running")
        })
        .await;
    let (old, new): (Vec<&Value>, Vec<&Value>) =
        allocations.iter().partition(|one| one["ID"] == id);
    assert_eq!(
        text(old[0], "DesiredDescription"),
        "alloc is being migrated"
    );
    assert_eq!(old[0]["DesiredTransition"]["Migrate"], true);
    assert_eq!(new[0]["DeploymentStatus"], Value::Null);
    assert_eq!(
        sim.read("/v1/job/move/deployments")
            .await
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_played_jobs_run_in_one_process() {
    const JOBS: usize = 10_000;
    let sim = &Sim::start();
    for chunk in (0..JOBS).collect::<Vec<_>>().chunks(32) {
        let calls = chunk.iter().map(|number| async move {
            let job = played(&format!("job-{number}"), "nginx");
            let seen = sim.post("/v1/jobs", json!({"Job": job})).await;
            assert_eq!(seen.status, 200, "{}", seen.text);
        });
        futures::future::join_all(calls).await;
    }
    sim.until("/v1/deployments", "all successful", |list| {
        let list = list.as_array().unwrap();
        list.len() == JOBS && list.iter().all(|one| one["Status"] == "successful")
    })
    .await;
    let mut token = String::new();
    let mut seen = 0;
    loop {
        let page = sim
            .send(
                reqwest::Method::GET,
                &format!("/v1/jobs?per_page=1000&next_token={token}"),
                None,
            )
            .await
            .unwrap();
        let next = page
            .headers()
            .get("x-nomad-nexttoken")
            .map(|next| next.to_str().unwrap().to_owned());
        let jobs: Vec<Value> = page.json().await.unwrap();
        assert!(jobs.iter().all(|job| job["Status"] == "running"
            && job["JobSummary"]["Summary"]["main"]["Running"] == 1));
        seen += jobs.len();
        match next {
            Some(next) => token = next,
            None => break,
        }
    }
    assert_eq!(seen, JOBS);
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let memory = status
        .lines()
        .find(|line| line.starts_with("VmRSS"))
        .unwrap_or("VmRSS unknown");
    println!("with {JOBS} jobs running: {memory}");
}
