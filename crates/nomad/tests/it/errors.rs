//! The kinds of errors, from answers recorded from a real agent and from those that were only described.

use nomad_services_nomad::{
    ErrorKind::{self, *},
    client::classify,
};
use serde::Deserialize;

use crate::{
    agent::{Agent, Answer},
    recorded::recorded,
};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Recorded {
    method: String,
    path: String,
    status: u16,
    text: String,
}

/// How the text begins, and the kind, in the order of the file.
const EXPECTED: [(&str, ErrorKind); 50] = [
    ("", Unexpected),
    ("Invalid method", Unexpected),
    ("Request body is empty", Invalid),
    ("unexpected EOF", Invalid),
    ("Job must be specified", Invalid),
    ("1 error occurred:\n\t* Task group main", Invalid),
    ("1 error occurred:\n\t* Job ID contains a space", Invalid),
    (
        "1 error occurred:\n\t* job \"err\" is in nonexistent namespace",
        NamespaceMissing,
    ),
    (
        "1 error occurred:\n\t* job \"err\" is in nonexistent node pool",
        Invalid,
    ),
    (
        "Enforcing job modify index 0: job already exists",
        IndexConflict,
    ),
    (
        "Enforcing job modify index 1: job exists with",
        IndexConflict,
    ),
    (
        "Enforcing job modify index 7: job does not exist",
        IndexConflict,
    ),
    ("Job ID does not match name", Invalid),
    ("job not found", NotFound),
    ("job versions not found", NotFound),
    ("job not found", NotFound),
    ("eval not found", NotFound),
    ("failed to lookup eval: ", Invalid),
    ("deployment not found", NotFound),
    ("alloc not found", NotFound),
    ("alloc lookup failed: ", Invalid),
    ("deployment not found", NotFound),
    ("can't fail terminal deployment", AlreadyEnded),
    ("can't pause terminal deployment", AlreadyEnded),
    ("can't promote terminal deployment", AlreadyEnded),
    ("can't revert to current version", Invalid),
    ("can't revert to current version", Invalid),
    (
        "job \"err-x\" in namespace \"default\" at version 9 not found",
        NotFound,
    ),
    ("job \"nope\" not found", NotFound),
    ("job \"nope\" not found", NotFound),
    (
        "task group \"zz\" specified for scaling does not exist",
        Invalid,
    ),
    ("Unknown allocation", NotFound),
    ("Unknown allocation", NotFound),
    ("allocation not found", NotFound),
    ("Unknown allocation", NotFound),
    ("must provide task name", Invalid),
    ("No path to region", RegionMissing),
    ("Invalid index", Invalid),
    ("Invalid wait time", Invalid),
    ("Nomad Enterprise only endpoint", EnterpriseOnly),
    ("Namespace not found", NotFound),
    ("namespace not found", NotFound),
    ("can not delete default namespace", Invalid),
    ("Invalid namespace \"a b\"", Invalid),
    ("variable not found", NotFound),
    ("RPC Error:: 400,invalid path \"a.b\"", Invalid),
    ("variable missing required Items object", Invalid),
    ("Failed to parse job: input.hcl:1,13-13", Invalid),
    ("Job spec is empty", Invalid),
    ("Unable to parse index: ", Invalid),
];

#[tokio::test]
async fn every_recorded_error_has_its_kind_and_keeps_its_text() {
    let answers: Vec<Recorded> = serde_json::from_str(&recorded("errors.json")).unwrap();
    assert_eq!(answers.len(), EXPECTED.len());
    for (answer, (begins, kind)) in answers.into_iter().zip(EXPECTED) {
        let call = format!("{} {}", answer.method, answer.path);
        assert!(answer.text.starts_with(begins), "{call}: {}", answer.text);
        let (status, text) = (answer.status, answer.text.clone());
        let agent = Agent::start(move |_| Answer::text(status, &text)).await;
        let error = agent.namespace().job("any").await.unwrap_err();
        assert_eq!(error.kind(), kind, "{call}: {error}");
        assert_eq!(error.status(), Some(status), "{call}");
        assert_eq!(error.text(), answer.text.trim(), "{call}");
    }
}

#[test]
fn described_errors_have_their_kinds() {
    for (status, text, kind) in [
        (403, "Permission denied", PermissionDenied),
        (500, "Unknown allocation \"4092c6f4\"", PermissionDenied),
        (500, "ACL token expired", PermissionDenied),
        (
            500,
            "ACL token not found or invalid workload identity: x",
            PermissionDenied,
        ),
        (
            500,
            "failed to parse signed token: go-jose/go-jose: compact",
            PermissionDenied,
        ),
        (
            403,
            "Job registration, dispatch, and scale are disabled by the scheduler configuration",
            RegistrationDisabled,
        ),
        (
            429,
            "Your IP is issuing too many concurrent connections",
            TooManyConnections,
        ),
        (500, "No cluster leader", NoLeader),
        (500, "rpc error: No cluster leader", NoLeader),
        (404, "No path to node", NodeUnreachable),
        (
            404,
            "task \"app\" not started yet. No logs available",
            NotStarted,
        ),
        (
            400,
            "job scaling blocked due to active deployment",
            DeploymentActive,
        ),
        (500, "restart of an alloc that should not run", AlreadyEnded),
        (500, "Task not running", AlreadyEnded),
        (
            500,
            "cannot update job from type \"service\" to \"batch\"",
            Invalid,
        ),
        (
            500,
            "1 error occurred:\n\t* used task driver \"raw_exec\" is not allowed in namespace \"t-cap\"",
            Invalid,
        ),
        (
            500,
            "2 errors occurred:\n\t* namespace \"t-a\" has non-terminal jobs in regions: [global]",
            NamespaceInUse,
        ),
        (502, "bad gateway", Unreachable),
        (500, "something new", Unexpected),
    ] {
        assert_eq!(classify(status, text), kind, "{status} {text}");
    }
}

#[test]
fn a_foreign_404_does_not_read_as_an_absent_job() {
    for text in ["", "404 page not found", "<html>not found</html>"] {
        assert_eq!(classify(404, text), Unexpected, "{text}");
    }
}

#[test]
fn text_of_a_tenant_does_not_choose_the_kind() {
    let hostile = "1 error occurred:\n\t* Task group Enforcing job modify index, \
                   nonexistent namespace, has non-terminal, Permission denied failed";
    assert_eq!(classify(500, hostile), Invalid);
}

#[tokio::test]
async fn a_conflict_of_variables_names_the_index_and_no_item() {
    let body = recorded("variable-conflict.json");
    let agent = Agent::start(move |_| Answer::text(409, &body)).await;
    let items = [("k".to_owned(), "new".into())].into();
    let error = agent
        .namespace()
        .write_variable("app/cfg", &items, Some(3))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), VariableConflict);
    assert!(error.text().contains("1041"), "{error}");
    assert!(!format!("{error} {error:?}").contains("quote"), "{error:?}");
    assert!(agent.last().asks("cas=3"));
}

#[tokio::test]
async fn an_agent_at_its_limit_of_connections_is_told_from_one_that_cannot_be_reached() {
    let full = Agent::start(|_| Answer::text(429, "too many concurrent connections")).await;
    let error = full.namespace().job("x").await.unwrap_err();
    assert_eq!(error.kind(), TooManyConnections);
    assert!(error.is_transient() && !error.outcome_is_unknown());

    let cut = Agent::start(|_| Answer::raw("")).await;
    let error = cut.namespace().job("x").await.unwrap_err();
    assert_eq!(error.kind(), Interrupted);
    assert!(error.is_transient() && error.outcome_is_unknown());

    let half =
        Agent::start(|_| Answer::raw("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}")).await;
    let error = half.namespace().job("x").await.unwrap_err();
    assert_eq!(error.kind(), Interrupted);

    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let client = nomad_services_nomad::Client::new(&crate::agent::settings(&address)).unwrap();
    let error = client.in_namespace("a").job("x").await.unwrap_err();
    assert_eq!(error.kind(), Unreachable);
    assert!(error.is_transient() && !error.outcome_is_unknown());
}
