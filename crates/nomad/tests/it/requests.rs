//! What every request carries, what is refused before there is one, and what bounds the answer.

use std::{fmt::Debug, time::Duration};

use nomad_services_nomad::{
    Client,
    ErrorKind::{self, *},
    SetupError,
    client::{
        MAX_ANSWER_BYTES, Result, Wait,
        logs::{LogSource, LogTail},
    },
};
use serde_json::json;

use crate::agent::{Agent, Answer, ID, settings};

fn kind<T: Debug>(result: Result<T>) -> ErrorKind {
    result.unwrap_err().kind()
}

#[tokio::test]
async fn every_call_on_a_namespace_names_it_with_the_region_and_the_token() {
    let agent = Agent::answering("null").await;
    let namespace = agent.namespace();
    let job = json!({"ID": "web", "Namespace": "other", "Region": "mars"});
    let (nothing, items) = (serde_json::Map::new(), [("k".into(), "v".into())].into());
    // The answers fit few of these; only what was sent counts here.
    drop(namespace.parse("", &nothing, false).await);
    drop(namespace.validate(&job).await);
    drop(namespace.plan(&job).await);
    drop(namespace.register(&job, None).await);
    drop(namespace.stop("web", false).await);
    drop(namespace.revert("web", 1).await);
    drop(namespace.scale("web", "main", 1).await);
    drop(namespace.scale_status("web").await);
    drop(namespace.job("web").await);
    drop(namespace.versions("web").await);
    drop(namespace.jobs("").await);
    drop(namespace.job_states().await);
    drop(namespace.job_summary("web").await);
    drop(namespace.job_services("web").await);
    drop(namespace.evaluations("web").await);
    drop(namespace.evaluation(ID).await);
    drop(namespace.deployments("web").await);
    drop(namespace.deployment(ID).await);
    drop(namespace.fail_deployment(ID).await);
    drop(namespace.pause_deployment(ID, true).await);
    drop(namespace.promote_deployment(ID).await);
    drop(namespace.allocations("web").await);
    drop(namespace.allocation(ID).await);
    drop(namespace.restart(ID, Duration::ZERO).await);
    drop(namespace.stop_allocation(ID).await);
    drop(namespace.stats(ID).await);
    drop(namespace.checks(ID).await);
    drop(namespace.services().await);
    drop(namespace.service("web").await);
    drop(
        namespace
            .logs(ID, "app", LogSource::Stdout, LogTail::Bytes(1))
            .await,
    );
    drop(namespace.variables("").await);
    drop(namespace.variable("a").await);
    drop(namespace.write_variable("a", &items, None).await);
    drop(namespace.delete_variable("a", None).await);
    drop(agent.client().events(0, &[], "team-a").await);
    let requests = agent.requests();
    assert_eq!(requests.len(), 35);
    for request in requests {
        let call = format!("{} {}?{}", request.method, request.path, request.query);
        assert!(request.asks("namespace=team-a"), "{call}");
        assert!(request.asks("region=global"), "{call}");
        let token = request.headers.get("x-nomad-token");
        assert_eq!(
            token.unwrap(),
            "00000000-0000-4000-8000-00000000cafe",
            "{call}"
        );
        assert!(!request.headers.contains_key("accept-encoding"), "{call}");
    }
}

#[tokio::test]
async fn without_a_configured_region_the_agents_own_is_learned_once_and_sent() {
    let agent = Agent::start(|request| match request.path.as_str() {
        "/v1/regions" => Answer::json(r#"["eu-1"]"#),
        _ => Answer::json("[]"),
    })
    .await;
    let mut settings = agent.settings();
    settings.region = None;
    let client = Client::new(&settings).unwrap();
    client.in_namespace("a").jobs("").await.unwrap();
    client.clone().in_namespace("b").jobs("").await.unwrap();
    let requests = agent.requests();
    let paths: Vec<_> = requests.iter().map(|one| one.path.as_str()).collect();
    assert_eq!(paths, ["/v1/regions", "/v1/jobs", "/v1/jobs"]);
    assert!(requests[1..].iter().all(|one| one.asks("region=eu-1")));
}

#[tokio::test]
async fn in_a_federation_the_agent_is_asked_for_its_own_region() {
    for (answer, region) in [
        (r#"{"config":{"Region":"us-2"}}"#, Some("us-2")),
        ("Permission denied", None),
    ] {
        let agent = Agent::start(move |request| match request.path.as_str() {
            "/v1/regions" => Answer::json(r#"["eu-1","us-2"]"#),
            "/v1/agent/self" if region.is_none() => Answer::text(403, answer),
            "/v1/agent/self" => Answer::json(answer),
            _ => Answer::json("[]"),
        })
        .await;
        let mut settings = agent.settings();
        settings.region = None;
        let namespace = Client::new(&settings).unwrap().in_namespace("a");
        let listed = namespace.jobs("").await;
        match region {
            Some(region) => {
                listed.unwrap();
                assert!(agent.last().asks(&format!("region={region}")));
            }
            None => assert_eq!(kind(listed), Invalid),
        }
    }
}

#[tokio::test]
async fn segments_of_a_path_are_encoded() {
    let agent = Agent::answering("[]").await;
    let namespace = agent.namespace();
    for (id, path) in [
        ("team/x", "/v1/job/team%2Fx/evaluations"),
        ("a b", "/v1/job/a%20b/evaluations"),
        ("../x", "/v1/job/..%2Fx/evaluations"),
        ("//host/x", "/v1/job/%2F%2Fhost%2Fx/evaluations"),
        ("a?b#c%2F", "/v1/job/a%3Fb%23c%252F/evaluations"),
        ("é", "/v1/job/%C3%A9/evaluations"),
        ("a\\b", "/v1/job/a%5Cb/evaluations"),
        ("%2e%2e", "/v1/job/%252e%252e/evaluations"),
    ] {
        namespace.evaluations(id).await.unwrap();
        assert_eq!(agent.last().path, path, "{id}");
    }
    namespace.jobs("a&namespace=b").await.unwrap();
    assert!(agent.last().asks("prefix=a%26namespace%3Db"));
    let other = agent.client().in_namespace("a&region=b");
    other.jobs("").await.unwrap();
    assert!(agent.last().asks("namespace=a%26region%3Db"));
}

#[tokio::test]
async fn a_path_in_the_address_stays_before_the_calls() {
    let agent = Agent::answering("[]").await;
    for address in [
        format!("{}/nomad", agent.address),
        format!("{}/nomad/", agent.address),
    ] {
        let client = Client::new(&settings(&address)).unwrap();
        client.in_namespace("a").jobs("").await.unwrap();
        assert_eq!(agent.last().path, "/nomad/v1/jobs");
    }
}

#[tokio::test]
async fn ids_that_nomad_cannot_address_are_refused_without_a_call() {
    let agent = Agent::answering("{}").await;
    let namespace = agent.namespace();
    for id in [
        "zz",
        "",
        "4092c6f4",
        "4092c6f4b8feff70d3a4b1236a1448d6",
        "{4092c6f4-b8fe-ff70-d3a4-b1236a1448d6}",
        "../../../jobs",
    ] {
        assert_eq!(kind(namespace.evaluation(id).await), Invalid, "{id}");
        assert_eq!(kind(namespace.deployment(id).await), Invalid, "{id}");
        assert_eq!(kind(namespace.allocation(id).await), Invalid, "{id}");
        assert_eq!(kind(namespace.stats(id).await), Invalid, "{id}");
        assert_eq!(
            kind(namespace.restart(id, Duration::ZERO).await),
            Invalid,
            "{id}"
        );
        let logs = namespace.logs(id, "app", LogSource::Stderr, LogTail::Bytes(9));
        assert_eq!(kind(logs.await), Invalid, "{id}");
    }
    for id in [
        "",
        ".",
        "..",
        "x/plan",
        "x/summary",
        "x/versions",
        "x/versions/v1/tag",
        "a/periodic/force",
    ] {
        assert_eq!(kind(namespace.job(id).await), Invalid, "{id}");
        assert_eq!(kind(namespace.stop(id, true).await), Invalid, "{id}");
        let job = json!({ "ID": id });
        assert_eq!(kind(namespace.register(&job, None).await), Invalid, "{id}");
        assert_eq!(kind(namespace.plan(&job).await), Invalid, "{id}");
    }
    assert_eq!(kind(namespace.register(&json!({}), None).await), Invalid);
    assert_eq!(kind(agent.client().namespace("..").await), Invalid);
    assert!(agent.requests().is_empty());
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let elsewhere = Agent::answering("{}").await;
    let target = format!("Location: {}/v1/job/x\r\n", elsewhere.address);
    for status in [301, 302, 307, 308] {
        let target = target.clone();
        let agent = Agent::start(move |_| Answer::new(status, &target, "")).await;
        let error = agent.namespace().job("x").await.unwrap_err();
        assert_eq!((error.kind(), error.status()), (Unexpected, Some(status)));
        assert!(error.text().contains("not followed"), "{error}");
        assert_eq!(agent.requests().len(), 1);
    }
    assert!(elsewhere.requests().is_empty());
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_not_read_whether_or_not_it_says_so() {
    let announced = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
        MAX_ANSWER_BYTES + 1
    );
    let agent = Agent::start(move |_| Answer::raw(announced.as_str())).await;
    assert_eq!(kind(agent.namespace().job("x").await), TooLarge);

    let endless = vec![b' '; MAX_ANSWER_BYTES + 1];
    let agent = Agent::start(move |_| Answer::stream(&endless)).await;
    assert_eq!(kind(agent.namespace().job("x").await), TooLarge);
}

#[tokio::test]
async fn an_answer_that_is_nested_too_deeply_is_refused() {
    let nested = ["[".repeat(20_000), "]".repeat(20_000)].concat();
    let agent = Agent::answering(format!(r#"{{"ID":"x","Meta":null,"Deep":{nested}}}"#)).await;
    let (namespace, nothing) = (agent.namespace(), serde_json::Map::new());
    let parsed = namespace.parse("", &nothing, false);
    assert_eq!(kind(parsed.await), TooLarge);
}

#[tokio::test]
async fn an_answer_of_another_shape_is_malformed_and_its_values_are_not_told() {
    let agent = Agent::answering(r#"{"Items":{"a":{"hunter2":1}},"ModifyIndex":"hunter2"}"#).await;
    let error = agent.namespace().variable("x").await.unwrap_err();
    assert_eq!(error.kind(), Malformed);
    assert!(
        !format!("{error} {error:?}").contains("hunter2"),
        "{error:?}"
    );

    let agent = Agent::answering("<html>").await;
    assert_eq!(kind(agent.namespace().job("x").await), Malformed);
}

#[tokio::test]
async fn a_call_that_hangs_ends_at_its_deadline_wherever_it_hangs() {
    for (sent, place) in [
        ("", "before the head"),
        ("HTTP/1.1 200 OK\r\nContent-Le", "in the head"),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{\"ID",
            "in the body",
        ),
        (
            "HTTP/1.1 500 No\r\nContent-Length: 9\r\n\r\nNo",
            "in the text of an error",
        ),
    ] {
        let agent = Agent::start(move |_| Answer::raw(sent).then_hang()).await;
        let mut settings = agent.settings();
        settings.request_timeout = Duration::from_millis(300);
        let namespace = Client::new(&settings).unwrap().in_namespace("a");
        let error = namespace.job("x").await.unwrap_err();
        assert_eq!(error.kind(), Timeout, "{place}");
        assert!(error.outcome_is_unknown() && error.is_transient());
        // As it is for a stream that never begins.
        let topics = [nomad_services_nomad::client::events::Topic::all("Job")];
        let client = Client::new(&settings).unwrap();
        if place == "before the head" {
            let events = client.events(0, &topics, "a").await;
            assert_eq!(events.err().unwrap().kind(), Timeout);
        }
    }
}

#[tokio::test]
async fn a_blocking_query_names_its_index_and_may_take_that_much_longer() {
    let agent = Agent::start(|request| {
        if request.asks("index=7") {
            Answer::raw("").then_hang()
        } else {
            Answer::json("[]")
        }
    })
    .await;
    let mut settings = agent.settings();
    settings.request_timeout = Duration::from_millis(200);
    let namespace = Client::new(&settings).unwrap().in_namespace("a");
    let index = namespace.deployments("x").await.unwrap().index;
    assert_eq!(index, 7);
    let waiting = namespace.after(Wait {
        index,
        at_most: Duration::from_millis(1600),
    });
    let error = waiting.deployments("x").await.unwrap_err();
    assert!(error.text().contains("1900 ms"), "{error}");
    let asked = agent.last();
    assert!(
        asked.asks("index=7") && asked.asks("wait=1600ms"),
        "{asked:?}"
    );
}

#[tokio::test]
async fn an_absent_job_has_an_index_to_wait_from() {
    let agent = Agent::start(|_| Answer::new(404, "X-Nomad-Index: 933\r\n", "job not found")).await;
    let error = agent.namespace().job("x").await.unwrap_err();
    assert_eq!((error.kind(), error.index()), (NotFound, Some(933)));
}

#[tokio::test]
async fn an_ailing_agent_and_an_absent_leader_are_told() {
    let body = r#"{"server":{"ok":false,"message":"No cluster leader"}}"#;
    let agent = Agent::start(move |_| Answer::new(500, "", body)).await;
    let health = agent.client().health().await.unwrap();
    assert!(!health.is_ok());
    assert_eq!(health.server.unwrap().message, "No cluster leader");

    let agent = Agent::answering("\"\"").await;
    assert_eq!(kind(agent.client().leader().await), NoLeader);
}

#[test]
fn printing_a_client_its_settings_or_a_namespace_shows_no_token() {
    let settings = settings("http://127.0.0.1:4646");
    let client = Client::new(&settings).unwrap();
    let printed = format!("{settings:?} {client:?} {:?}", client.in_namespace("a"));
    assert!(printed.contains("127.0.0.1:4646"));
    assert!(!printed.contains("cafe"), "{printed}");
}

#[test]
fn settings_that_cannot_be_used_are_refused_by_name() {
    for address in [
        "",
        "127.0.0.1:4646",
        "ftp://host",
        "http://host/?a=b",
        "http://me:hunter2@host",
    ] {
        let error = Client::new(&settings(address)).unwrap_err();
        assert!(matches!(error, SetupError::Address { .. }), "{error}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
    let mut unusable = settings("http://host");
    unusable.token = Some("line\nend".into());
    assert!(matches!(Client::new(&unusable), Err(SetupError::Token)));
    let mut unusable = settings("http://host");
    unusable.server_name = Some("server.global.nomad".to_owned());
    let error = Client::new(&unusable).unwrap_err();
    assert!(matches!(error, SetupError::TlsWithoutHttps(_)), "{error}");
    for name in ["127.0.0.1", "a b", "", "host/path"] {
        let mut unusable = settings("https://host");
        unusable.server_name = Some(name.to_owned());
        let error = Client::new(&unusable).unwrap_err();
        assert!(
            matches!(error, SetupError::ServerName(_)),
            "{name}: {error}"
        );
    }
    let mut unusable = settings("https://host");
    unusable.ca_certificate = Some("/no/such/file".into());
    let error = Client::new(&unusable).unwrap_err();
    assert!(error.to_string().contains("/no/such/file"), "{error}");
}
