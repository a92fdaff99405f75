//! Namespaces, variables, events, blocking queries, logs and the agent itself.

use std::time::Duration;

use futures::StreamExt;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Sim, played, sleeper, text};

#[tokio::test]
async fn the_agent_tells_of_itself() {
    let sim = Sim::start();
    assert_eq!(
        sim.read("/v1/agent/health").await,
        json!({"client": {"message": "ok", "ok": true}, "server": {"message": "ok", "ok": true}})
    );
    assert_eq!(
        sim.read("/v1/agent/health?type=server").await,
        json!({"server": {"message": "ok", "ok": true}})
    );
    assert_eq!(
        sim.read("/v1/agent/self").await["member"]["Tags"]["build"],
        "2.0.6-dev"
    );
    let empty = sim.get("/v1/jobs").await;
    assert_eq!(
        (empty.index, empty.json()),
        (Some(0), json!([])),
        "a fresh cluster has had no job"
    );
    assert_eq!(sim.get("/v1/regions").await.index, None);
    let described = sim.read("/sim").await;
    assert!(
        described["stories"]
            .as_array()
            .unwrap()
            .iter()
            .any(|story| story["image"] == "sim/unpullable")
    );
}

#[tokio::test]
async fn a_namespace_is_replaced_as_a_whole_and_keeps_its_dead_jobs_when_deleted() {
    let sim = Sim::start();
    let put = sim
        .put(
            "/v1/namespace",
            json!({"Name": "t-a", "Description": "d", "Meta": {"k": "v"}}),
        )
        .await;
    assert_eq!((put.status.as_u16(), put.text.as_str()), (200, ""));
    sim.put("/v1/namespace/t-a", json!({"Name": "t-a"})).await;
    let read = sim.read("/v1/namespace/t-a").await;
    assert_eq!(
        (&read["Meta"], &read["Capabilities"], &read["Description"]),
        (&Value::Null, &Value::Null, &json!(""))
    );
    assert_eq!(
        sim.put("/v1/namespace/t-b", json!({"Name": "t-a"}))
            .await
            .failure(),
        (400, "Namespace name does not match request path")
    );

    let mut job = played("ns", "nginx");
    job["Namespace"] = json!("default");
    assert_eq!(
        sim.post("/v1/jobs?namespace=t-a", json!({"Job": job}))
            .await
            .status,
        200
    );
    assert_eq!(
        sim.get("/v1/job/ns").await.status,
        404,
        "the query won over the job"
    );
    sim.until(
        "/v1/job/ns/deployment?namespace=t-a",
        "successful",
        |deployment| deployment["Status"] == "successful",
    )
    .await;
    sim.put("/v1/var/app/x?namespace=t-a", json!({"Items": {"k": "v"}}))
        .await;
    let busy = sim.delete("/v1/namespace/t-a").await;
    assert_eq!(
        busy.failure(),
        (
            500,
            "3 errors occurred:\n\t* namespace \"t-a\" has non-terminal jobs in regions: [global]\n\t* namespace \"t-a\" has non-terminal allocations in regions: [global]\n\t* namespace \"t-a\" has variables associated with it in regions: [global]\n\n"
        )
    );
    sim.delete("/v1/var/app/x?namespace=t-a").await;
    sim.delete("/v1/job/ns?namespace=t-a").await;
    sim.until("/v1/job/ns?namespace=t-a", "dead", |job| {
        job["Status"] == "dead"
    })
    .await;
    assert_eq!(sim.delete("/v1/namespace/t-a").await.status, 200);
    assert_eq!(
        sim.read("/v1/job/ns?namespace=t-a").await["Stop"],
        true,
        "a dead job outlives its namespace"
    );
    assert_eq!(
        sim.read("/v1/jobs?namespace=*")
            .await
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn a_namespace_can_forbid_drivers() {
    let sim = Sim::start();
    sim.put(
        "/v1/namespace",
        json!({"Name": "t-cap", "Capabilities": {"DisabledTaskDrivers": ["raw_exec"]}}),
    )
    .await;
    let refused = sim
        .post("/v1/jobs?namespace=t-cap", json!({"Job": sleeper("no")}))
        .await;
    assert_eq!(
        refused.failure(),
        (
            500,
            "1 error occurred:\n\t* used task driver \"raw_exec\" is not allowed in namespace \"t-cap\"\n\n"
        )
    );
}

#[tokio::test]
async fn variables_compare_and_set() {
    let sim = Sim::start();
    let items = |value: &str| json!({"Items": {"k": value}});
    let first = sim.put("/v1/var/app/cfg?cas=0", items("v")).await.json();
    let conflict = sim.put("/v1/var/app/cfg?cas=1", items("w")).await;
    assert_eq!(
        (conflict.status.as_u16(), conflict.content_type.as_deref()),
        (409, Some("text/plain"))
    );
    assert_eq!(conflict.json(), first);
    let absent = sim.put("/v1/var/app/nope?cas=5", items("w")).await;
    assert_eq!(
        (absent.status.as_u16(), &absent.json()["CreateIndex"]),
        (409, &json!(0))
    );
    assert_eq!(absent.json().get("Items"), None);
    let second = sim
        .put(
            &format!("/v1/var/app/cfg?cas={}", first["ModifyIndex"]),
            items("w"),
        )
        .await
        .json();
    assert_eq!(second["CreateIndex"], first["CreateIndex"]);
    assert_eq!(
        sim.read("/v1/var/app%2Fcfg").await["Items"],
        json!({"k": "w"})
    );
    let listed = sim.read("/v1/vars?prefix=app").await;
    assert_eq!(
        (text(&listed[0], "Path"), listed[0].get("Items")),
        ("app/cfg", None)
    );
    assert_eq!(sim.delete("/v1/var/app/cfg?cas=1").await.status, 409);
    assert_eq!(sim.delete("/v1/var/app/cfg").await.status, 204);
    assert_eq!(sim.delete("/v1/var/app/cfg").await.status, 204);
    assert_eq!(
        sim.get("/v1/var/app/cfg").await.failure(),
        (404, "variable not found")
    );
    assert_eq!(
        sim.call(Method::PATCH, "/v1/var/app/cfg", None)
            .await
            .failure(),
        (400, "Invalid method")
    );
}

#[tokio::test]
async fn a_task_reads_a_variable_through_a_template_and_waits_for_one_that_is_missing() {
    let sim = Sim::start();
    let mut job = sleeper("tpl");
    job["TaskGroups"][0]["Tasks"][0]["Config"] =
        json!({"command": "/bin/sh", "args": ["-c", "printf '%s' \"$K\"; sleep 600"]});
    job["TaskGroups"][0]["Tasks"][0]["Templates"] = json!([{
        "EmbeddedTmpl": "{{ with nomadVar \"nomad/jobs/tpl\" }}K={{ .k | toJSON }}{{ end }}", "DestPath": "secrets/e.env", "Envvars": true,
    }]);
    sim.register(&job).await;
    let waiting = sim
        .until_allocations("tpl", "waiting", |list| {
            list.first().is_some_and(|one| {
                one["TaskStates"]["app"]["Events"]
                    .as_array()
                    .is_some_and(|events| events.iter().any(|event| event["Type"] == "Template"))
            })
        })
        .await;
    assert_eq!(text(&waiting[0], "ClientStatus"), "pending");
    let value = "a\"b\n${node.unique.name} {{ x }} $HOME";
    sim.put("/v1/var/nomad/jobs/tpl", json!({"Items": {"k": value}}))
        .await;
    sim.until_deployment("tpl", "successful").await;
    let id = text(&waiting[0], "ID");
    let logs = sim
        .get(&format!(
            "/v1/client/fs/logs/{id}?task=app&type=stdout&plain=true"
        ))
        .await;
    assert_eq!(logs.text, value);
}

#[tokio::test]
async fn a_blocking_query_waits_for_a_change_and_one_for_an_absent_job_wakes_when_it_comes() {
    let sim = Sim::start();
    sim.register(&played("other", "nginx")).await;
    sim.until_deployment("other", "successful").await;
    let absent = sim.get("/v1/job/late").await;
    let index = absent.index.unwrap();
    assert_eq!(
        sim.get("/v1/job/late?index=1").await.failure(),
        (404, "job not found"),
        "an index that is past answers at once"
    );
    let (path, later) = (
        format!("/v1/job/late?index={index}&wait=60s"),
        played("late", "nginx"),
    );
    let waiting = sim.get(&path);
    let registering = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        sim.register(&later).await
    };
    let (woken, registered) = tokio::join!(waiting, registering);
    assert_eq!(woken.status, 200);
    assert_eq!(
        woken.index.unwrap(),
        registered["JobModifyIndex"].as_u64().unwrap()
    );

    let current = sim.get("/v1/namespaces").await.index.unwrap();
    let timed_out = sim
        .get(&format!("/v1/namespaces?index={current}&wait=50ms"))
        .await;
    assert_eq!(timed_out.index, Some(current));
}

#[tokio::test]
async fn a_job_life_is_told_on_the_event_stream() {
    let sim = Sim::start();
    let response = sim
        .send(Method::GET, "/v1/event/stream?index=0", None)
        .await
        .unwrap();
    let mut stream = response.bytes_stream();
    sim.register(&played("life", "nginx")).await;
    sim.until_deployment("life", "successful").await;
    sim.delete("/v1/job/life?purge=true").await;
    let mut told = String::new();
    let reading = async {
        while !told.contains("\"Deleted\":true") {
            told.push_str(std::str::from_utf8(&stream.next().await.unwrap().unwrap()).unwrap());
        }
    };
    tokio::time::timeout(Duration::from_secs(30), reading)
        .await
        .unwrap();
    assert!(told.starts_with("{}\n"));
    let events: Vec<Value> = told
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .flat_map(|line| line["Events"].as_array().cloned().unwrap_or_default())
        .collect();
    let kinds: Vec<(&str, &str)> = events
        .iter()
        .map(|event| (text(event, "Topic"), text(event, "Type")))
        .collect();
    assert_eq!(
        kinds[..2],
        [("Job", "JobRegistered"), ("Evaluation", "JobRegistered")]
    );
    assert_eq!(
        events[0]["Index"], events[1]["Index"],
        "one index, two lines"
    );
    assert_eq!(
        (&events[0]["Key"], &events[0]["FilterKeys"]),
        (&json!("life"), &Value::Null)
    );
    let deployment = events
        .iter()
        .find(|event| event["Topic"] == "Deployment")
        .unwrap();
    assert_eq!(deployment["FilterKeys"], json!(["life"]));
    let allocation = events
        .iter()
        .find(|event| event["Topic"] == "Allocation")
        .unwrap();
    assert_eq!(allocation["Payload"]["Allocation"].get("Job"), None);
    assert_eq!(
        allocation["Payload"]["Allocation"]["DeploymentID"],
        deployment["Key"]
    );

    assert_eq!(sim.get("/v1/event/stream?topic=a:b:c").await.status, 400);
    assert_eq!(sim.post("/v1/event/stream", json!({})).await.status, 405);
}

#[tokio::test]
async fn a_real_process_is_probed_and_its_output_read() {
    let sim = Sim::with_speed(4.0);
    let mut job = sleeper("real");
    let script = "echo hello; echo oops >&2; exec /usr/bin/python3 -u -m http.server $NOMAD_PORT_http --bind 127.0.0.1";
    job["TaskGroups"][0]["Tasks"][0]["Config"] =
        json!({"command": "/bin/sh", "args": ["-c", script]});
    job["TaskGroups"][0]["Networks"] = json!([{"DynamicPorts": [{"Label": "http"}]}]);
    job["TaskGroups"][0]["Services"] = json!([{
        "Name": "real", "PortLabel": "http", "Provider": "nomad",
        "Checks": [{"Name": "up", "Type": "http", "Path": "/", "Interval": 1_000_000_000, "Timeout": 1_000_000_000}],
    }]);
    job["TaskGroups"][0]["Update"]["HealthyDeadline"] = json!(100_000_000_000_i64);
    job["TaskGroups"][0]["Update"]["ProgressDeadline"] = json!(200_000_000_000_i64);
    sim.register(&job).await;
    sim.until_deployment("real", "successful").await;
    let services = sim.read("/v1/service/real").await;
    let answer = reqwest::get(format!(
        "http://{}:{}/",
        text(&services[0], "Address"),
        services[0]["Port"]
    ))
    .await
    .unwrap();
    assert_eq!(answer.status(), 200);
    let id = text(&sim.read("/v1/job/real/allocations").await[0], "ID").to_owned();
    let checks = sim.read(&format!("/v1/allocation/{id}/checks")).await;
    assert_eq!(
        checks.as_object().unwrap().values().next().unwrap()["Output"],
        "nomad: http ok"
    );
    let out = sim
        .get(&format!(
            "/v1/client/fs/logs/{id}?task=app&type=stdout&plain=true"
        ))
        .await;
    assert!(out.text.starts_with("hello\n"), "{}", out.text);
    assert_eq!(out.content_type.as_deref(), Some("text/plain"));
    let error = sim
        .get(&format!(
            "/v1/client/fs/logs/{id}?task=app&type=stderr&plain=true"
        ))
        .await;
    assert!(error.text.starts_with("oops\n"), "{}", error.text);
    let stats = sim.read(&format!("/v1/client/allocation/{id}/stats")).await;
    assert!(
        stats["ResourceUsage"]["MemoryStats"]["RSS"]
            .as_u64()
            .unwrap()
            > 0
    );
    let port = services[0]["Port"].clone();
    sim.stop().await;
    let gone = async {
        while reqwest::get(format!("http://127.0.0.1:{port}/"))
            .await
            .is_ok()
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), gone)
        .await
        .expect("processes die with the simulator");
}
