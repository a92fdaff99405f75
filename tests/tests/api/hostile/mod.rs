//! Every operation of the description, with whatever somebody who means no good might send: each answer is one that the
//! description names, none is a failure of the server, and none says how the server is made.
//!
//! What is sent follows from a seed. `HOSTILE_SEED` and `HOSTILE_ROUNDS` (requests an operation) make another or a longer run.

mod values;

use std::{fmt::Write, sync::LazyLock};

use futures::future::join_all;
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use reqwest::{
    Method, StatusCode,
    header::{CONTENT_TYPE, HeaderMap, HeaderValue},
};
use serde_json::{Value, json};

use self::values::{body, header_value, query_value, segment};
use crate::app::{Answer, Person, Request, TestApp};

const ROUNDS: usize = 64;
const AT_ONCE: usize = 8;

/// Passwords are hashed, which is slow by design.
const SLOW: [&str; 4] = [
    "/auth/login",
    "/auth/register",
    "/users/me/password",
    "/invitations/accept",
];

/// Headers that some operation or the edge reads.
const HEADERS: [&str; 14] = [
    "if-match",
    "idempotency-key",
    "x-request-id",
    "x-reason",
    "x-forwarded-for",
    "x-forwarded-proto",
    "forwarded",
    "user-agent",
    "last-event-id",
    "accept",
    "origin",
    "authorization",
    "x-api-key",
    "content-encoding",
];

/// What an answer has in it when it shows how it was made. Nothing that is sent holds any of it.
const LEAKS: [&str; 22] = [
    "panicked",
    "stack backtrace",
    ".rs:",
    "/rustc/",
    "/src/",
    "crates/",
    "sqlx",
    "sea_orm",
    "SeaORM",
    "DbErr",
    "tokio_postgres",
    "tokio-postgres",
    "SqlState",
    "SQLSTATE",
    "SELECT ",
    "INSERT INTO",
    "UPDATE ",
    "nomad_services_",
    "violates",
    "invalid input syntax",
    "row-level",
    "config/jobs",
];

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    serde_json::to_value(nomad_services::openapi::document()).expect("a document")
});

struct Operation {
    method: Method,
    path: &'static str,
    described: &'static Value,
}

fn operations() -> Vec<Operation> {
    let paths = DOCUMENT["paths"].as_object().expect("paths");
    let all = paths.iter().flat_map(|(path, item)| {
        let item = item.as_object().expect("operations");
        item.iter().filter_map(move |(method, described)| {
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).ok()?;
            described.is_object().then_some(Operation {
                method,
                path,
                described,
            })
        })
    });
    all.collect()
}

impl Operation {
    fn parameters(&self, place: &'static str) -> impl Iterator<Item = &'static str> {
        let parameters = self.described["parameters"]
            .as_array()
            .into_iter()
            .flatten();
        parameters
            .filter(move |parameter| parameter["in"] == place)
            .filter_map(|parameter| parameter["name"].as_str())
    }

    /// A body that would be accepted.
    fn good_body(&self) -> Option<&'static Value> {
        let schema = &self.described["requestBody"]["content"]["application/json"]["schema"];
        let schema = match schema["$ref"].as_str() {
            Some(reference) => DOCUMENT.pointer(reference.trim_start_matches('#'))?,
            None => schema,
        };
        Some(&schema["example"]).filter(|example| example.is_object())
    }

    fn url(&self, random: &mut StdRng, known: &[String]) -> String {
        let mut url = self.path.to_owned();
        for name in self.parameters("path") {
            let known = known.choose(random).expect("an id");
            url = url.replace(&format!("{{{name}}}"), &segment(random, known));
        }
        let mut separator = '?';
        for name in self.parameters("query").chain(["surprise"]) {
            let rarely = if name == "surprise" { 12 } else { 3 };
            if random.random_range(0..rarely) == 0 {
                let _ = write!(url, "{separator}{name}={}", query_value(random));
                separator = '&';
            }
        }
        url
    }
}

/// A request for an operation, and what it is in words.
fn attack(
    app: &TestApp,
    caller: Option<&Person<'_>>,
    operation: &Operation,
    known: &[String],
    random: &mut StdRng,
) -> (String, Request) {
    let url = operation.url(random, known);
    let mut words = format!("{} {url}", operation.method);
    let mut request = app.at_root(operation.method.clone(), &url);
    let mut signed_in = caller;
    for name in HEADERS {
        if random.random_range(0..10) == 0 {
            let value = header_value(random);
            let _ = write!(words, " {name}: {}", value.escape_ascii());
            if name == "authorization" {
                signed_in = None;
            }
            request = request.header(name, value);
        }
    }
    if let Some(person) = signed_in {
        request = request.header("authorization", format!("Bearer {}", person.token));
    }
    let needs_match = operation
        .parameters("header")
        .any(|name| name == "If-Match");
    if needs_match && !words.contains("if-match") && random.random_range(0..3) > 0 {
        request = request.header("if-match", "*");
    }
    let needs_reason = operation
        .parameters("header")
        .any(|name| name == "X-Reason");
    if needs_reason && !words.contains("x-reason") && random.random_range(0..3) > 0 {
        request = request.header("x-reason", "a ticket");
    }
    let good = operation.good_body().cloned();
    if good.is_some() || random.random_range(0..6) == 0 {
        let sent = body(random, &good.unwrap_or_else(|| json!({})));
        let shown: String = sent
            .escape_ascii()
            .to_string()
            .chars()
            .take(2_000)
            .collect();
        let _ = write!(words, " body: {shown}");
        let content_type = match random.random_range(0..15) {
            0 => "text/plain",
            1 => "application/json; charset=utf-16",
            _ => "application/json",
        };
        request = request.text(content_type, sent);
    }
    (words, request)
}

/// What is wrong with an answer, besides what the check against the description sees.
fn fault(answer: &Answer, is_head: bool) -> Option<String> {
    if answer.status.is_server_error() {
        return Some(format!("answers {}", answer.status));
    }
    if answer.status.is_success() || is_head {
        return None;
    }
    let text = String::from_utf8_lossy(&answer.bytes);
    if answer.header("content-type") != Some("application/problem+json") {
        return Some(format!("answers no problem: {text}"));
    }
    let leak = LEAKS.iter().find(|leak| text.contains(*leak))?;
    Some(format!("says {leak:?}: {text}"))
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Ids that there are: of a service, a deployment, and a user with a tenant who does nothing.
async fn known_ids(mona: &Person<'_>, idle: &Person<'_>) -> Vec<String> {
    let (_, list) = mona.get("/services?type=database").await;
    let service = match list["services"][0]["id"].as_str() {
        Some(id) => id.to_owned(),
        None => mona.service("database").await["id"]
            .as_str()
            .unwrap()
            .to_owned(),
    };
    let (_, list) = mona.get(&format!("/services/{service}/deployments")).await;
    let deployment = match list["deployments"][0]["id"].as_str() {
        Some(id) => mona.ended(id).await,
        None => mona.deploy(&service, "stop").await,
    };
    let deployment = deployment["id"].as_str().unwrap().to_owned();
    let tenant = idle.user["tenant_id"].as_str().unwrap().to_owned();
    vec![service, deployment, idle.id().to_owned(), tenant]
}

/// Signs somebody in again where what was sent in their name has ended their session.
async fn ensure_signed_in<'app>(app: &'app TestApp, name: &str, person: &mut Person<'app>) {
    if person.get("/users/me").await.0 != StatusCode::OK {
        *person = app.login(name).await;
    }
}

/// Sends everything to every operation in the name of each person, and of nobody. What it needs is made again for each,
/// because the one before may have taken it away.
async fn attack_all(app: &TestApp, faults: &mut Vec<String>) {
    // None of them is called like somebody in the examples, whose sign-ins would be throttled.
    let (mut mona, mut root) = (app.register("mona").await, app.administrator("rhea").await);
    let idle = app.register("ida").await;
    let seed = setting("HOSTILE_SEED").unwrap_or(1);
    let rounds = setting("HOSTILE_ROUNDS").map_or(ROUNDS, |rounds| rounds as usize);
    let mut random = StdRng::seed_from_u64(seed);
    for operation in operations() {
        ensure_signed_in(app, "mona", &mut mona).await;
        ensure_signed_in(app, "rhea", &mut root).await;
        let known = known_ids(&mona, &idle).await;
        let is_slow = SLOW.iter().any(|path| operation.path.ends_with(path));
        let rounds = if is_slow { rounds / 4 } else { rounds };
        let callers = [None, Some(&mona), Some(&mona), Some(&root)];
        let requests: Vec<_> = (0..rounds)
            .map(|round| {
                let caller = callers[round % callers.len()];
                attack(app, caller, &operation, &known, &mut random)
            })
            .collect();
        let mut requests = requests.into_iter();
        loop {
            let some: Vec<_> = requests.by_ref().take(AT_ONCE).collect();
            if some.is_empty() {
                break;
            }
            let sent = some.into_iter().map(async |(words, request)| {
                // Shown where the check against the description ends the test.
                println!("{words}");
                (words, request.send().await)
            });
            for (words, answer) in join_all(sent).await {
                if let Some(fault) = fault(&answer, operation.method == Method::HEAD) {
                    faults.push(format!("{words}\n    {fault}"));
                }
            }
        }
    }
}

#[actix_web::test]
async fn whatever_is_sent_the_answer_is_described_and_no_failure() {
    let app = TestApp::new().await;
    let mut faults = Vec::new();
    attack_all(&app, &mut faults).await;
    assert!(
        faults.is_empty(),
        "{} faults:\n{}",
        faults.len(),
        faults.join("\n")
    );
    let ready = app.at_root(Method::GET, "/readyz").send().await;
    assert_eq!(ready.status, StatusCode::OK);
}

#[test]
fn a_failure_or_a_leak_would_be_noticed() {
    let noticed = |status: u16, kind: &'static str, body: &'static str| {
        let answer = Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(kind))]),
            bytes: body.into(),
            sent: body.len(),
        };
        fault(&answer, false).is_some()
    };
    let problem = "application/problem+json";
    assert!(!noticed(422, problem, "{}") && !noticed(200, "application/json", "{}"));
    assert!(noticed(500, problem, "{}") && noticed(404, "text/plain", "no"));
    assert!(noticed(400, problem, r#"{"detail": "relation violates"}"#));
}
