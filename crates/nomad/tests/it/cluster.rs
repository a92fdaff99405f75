//! The cluster as a real agent described it: the agent, tokens, namespaces, variables, nodes.

use nomad_services_nomad::client::agent::Token;
use secrecy::ExposeSecret;

use crate::{
    agent::Agent,
    recorded::{answering, recorded},
};

#[tokio::test]
async fn an_agent_tells_its_health_its_version_and_its_regions() {
    let health = answering(recorded("agent-health.json")).await;
    let health = health.client().health().await.unwrap();
    assert!(health.is_ok());
    assert_eq!(health.server.unwrap().message, "ok");

    let told = answering(recorded("agent-self-trimmed.json")).await;
    let told = told.client().agent().await.unwrap();
    assert_eq!(told.config.region, "global");
    assert_eq!(told.config.version.version, "2.0.6");
    assert!(told.config.dev_mode);
    assert_eq!(told.config.acl, None);
    assert_eq!(told.stats["raft"]["applied_index"], "1706");

    let regions = answering(recorded("regions.json")).await;
    assert_eq!(regions.client().regions().await.unwrap(), ["global"]);

    let leader = answering(recorded("status-leader.json")).await;
    assert_eq!(leader.client().leader().await.unwrap(), "127.0.0.1:4647");
}

#[tokio::test]
async fn a_token_is_known_by_its_accessor_and_its_secret_is_not_kept() {
    let own = answering(recorded("acl-token-self.json")).await;
    let own = own.client().token().await.unwrap();
    assert_eq!(own.accessor_id, "00000000-0000-4000-8000-000000000004");
    assert_eq!((own.kind.as_str(), own.policies.len()), ("client", 1));
    assert_eq!(own.expiration_time, None);
    assert!(!format!("{own:?}").contains("00000000-0000-4000-8000-000000000003"));

    let first: Token = serde_json::from_str(&recorded("acl-bootstrap.json")).unwrap();
    assert_eq!(
        (first.kind.as_str(), first.policies.len()),
        ("management", 0)
    );
}

#[tokio::test]
async fn namespaces_are_read_and_written_back_without_loss() {
    let list = answering(recorded("namespaces.json")).await;
    let list = list.client().namespaces().await.unwrap();
    let names: Vec<_> = list.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["default", "t-a", "t-b"]);

    let plain = answering(recorded("namespace.json")).await;
    let plain = plain.client().namespace("t-a").await.unwrap();
    assert_eq!(plain.description, "d2");
    assert!(plain.meta.is_empty() && plain.capabilities.is_none());

    let limited = answering(recorded("namespace-capabilities.json")).await;
    let namespace = limited.client().namespace("t-cap").await.unwrap().value;
    let capabilities = namespace.capabilities.clone().unwrap();
    assert_eq!(capabilities.disabled_task_drivers, ["raw_exec"]);
    assert!(capabilities.enabled_task_drivers.is_empty());

    let limited = Agent::answering("").await;
    limited.client().write_namespace(&namespace).await.unwrap();
    let sent = limited.last();
    assert_eq!(
        (sent.method.as_str(), sent.path.as_str()),
        ("PUT", "/v1/namespace/t-cap")
    );
    let mut sent = sent.json();
    let mut original: serde_json::Value =
        serde_json::from_str(&recorded("namespace-capabilities.json")).unwrap();
    // An empty list or map is Nomad's null.
    for (key, value) in sent["Capabilities"].as_object_mut().unwrap() {
        if value.as_array().is_some_and(Vec::is_empty) {
            *value = original["Capabilities"][key].take();
        }
    }
    sent["Meta"] = original["Meta"].take();
    original["Capabilities"] = sent["Capabilities"].clone();
    assert_eq!(sent, original);
}

#[tokio::test]
async fn variables_are_read_and_their_items_are_not_printed() {
    let variable = answering(recorded("variable.json")).await;
    let variable = variable.namespace().variable("app/cfg").await.unwrap();
    assert_eq!(variable.stub.modify_index, 1041);
    assert_eq!(variable.items["quote"].expose_secret(), "a\"b\nc");
    assert!(!format!("{variable:?}").contains("a\\\"b"));

    let list = answering(recorded("vars-list.json")).await;
    let list = list.namespace().variables("app/").await.unwrap();
    assert_eq!((list.len(), list[1].path.as_str()), (2, "app/new"));

    let written = answering(recorded("variable-put.json")).await;
    let items = [("k".to_owned(), "v2".into())].into();
    let stub = written
        .namespace()
        .write_variable("app/cfg", &items, Some(1041))
        .await
        .unwrap();
    assert_eq!((stub.create_index, stub.modify_index), (1041, 1045));
    let sent = written.last();
    assert_eq!(sent.json(), serde_json::json!({"Items": {"k": "v2"}}));
    assert_eq!(sent.path, "/v1/var/app%2Fcfg");
    assert!(sent.asks("cas=1041"));
}

#[tokio::test]
async fn nodes_pools_and_the_scheduler_are_read() {
    let nodes = answering(recorded("nodes.json")).await;
    let nodes = nodes.client().nodes().await.unwrap();
    assert!(nodes[0].can_run("raw_exec"));
    assert!(!nodes[0].can_run("docker"));
    assert!(
        nodes[0].drivers["docker"]
            .health_description
            .contains("docker daemon")
    );

    let pools = answering(recorded("node-pools.json")).await;
    let pools = pools.client().node_pools().await.unwrap();
    assert_eq!((pools.len(), pools[1].name.as_str()), (2, "default"));

    let scheduler = answering(recorded("scheduler-configuration.json")).await;
    let scheduler = scheduler.client().scheduler_configuration().await.unwrap();
    assert_eq!(scheduler.scheduler_algorithm, "binpack");
    assert!(!scheduler.memory_oversubscription_enabled);
}
