//! What a client may write: fields it has no say in are refused by name, what it read may be sent back as it is, and of two
//! changes of the same version one takes place. Made from the description, so that a new operation is tried as well.

#![expect(clippy::expect_used, reason = "a test that can't go on has failed")]

use std::sync::LazyLock;

use futures::future::join_all;
use reqwest::{Method, StatusCode};
use serde_json::{Map, Value, json};

use crate::app::{Person, Request, TestApp, answer};

const BASE: &str = "/api/v1";

/// What stands in answers, and nobody changes where it stands in a request.
const READ_ONLY: [&str; 10] = [
    "id",
    "type",
    "status",
    "tenant_id",
    "created_by",
    "created_at",
    "updated_at",
    "username",
    "role",
    "is_active",
];

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    serde_json::to_value(nomad_services::openapi::document()).expect("a document")
});

/// What somebody would write to be more than they are, or to make rows what they are not.
fn privileged() -> Vec<(&'static str, Value)> {
    let id = json!("00000000-0000-4000-8000-000000000000");
    let time = json!("2026-11-24T20:00:00Z");
    vec![
        ("id", id.clone()),
        ("tenant_id", id.clone()),
        ("user_id", id.clone()),
        ("service_id", id.clone()),
        ("created_by", id.clone()),
        ("deployed_by", id),
        ("created_at", time.clone()),
        ("updated_at", time.clone()),
        ("last_used", time),
        ("role", json!("admin")),
        ("is_active", json!(true)),
        ("is_admin", json!(true)),
        ("status", json!("running")),
        (
            "password_hash",
            json!("$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaA"),
        ),
        ("nomad_job_id", json!("somebody-elses")),
        ("max_services", json!(1000)),
        ("plan", json!("enterprise")),
        ("surprise", json!(null)),
    ]
}

struct Operation {
    method: Method,
    path: &'static str,
    described: &'static Value,
}

fn operations() -> impl Iterator<Item = Operation> {
    let paths = DOCUMENT["paths"].as_object().expect("paths");
    paths.iter().flat_map(|(path, item)| {
        let item = item.as_object().expect("operations");
        item.iter().filter_map(move |(method, described)| {
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).ok()?;
            let path = path.strip_prefix(BASE)?;
            described.is_object().then_some(Operation {
                method,
                path,
                described,
            })
        })
    })
}

impl Operation {
    fn schema(&self) -> Option<&'static Value> {
        let schema = &self.described["requestBody"]["content"]["application/json"]["schema"];
        match schema["$ref"].as_str() {
            Some(reference) => DOCUMENT.pointer(reference.trim_start_matches('#')),
            None => schema.is_object().then_some(schema),
        }
    }

    /// Whether `If-Match` is read, and whether it must be there.
    fn precondition(&self) -> Option<bool> {
        let parameters = self.described["parameters"].as_array()?;
        let header = parameters
            .iter()
            .find(|parameter| parameter["name"] == "If-Match")?;
        Some(header["required"] == true)
    }

    fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

/// Somebody of a tenant with a service, somebody who runs the platform, and whom they work on.
struct World<'app> {
    ada: Person<'app>,
    root: Person<'app>,
    service: String,
    bob: Value,
}

impl<'app> World<'app> {
    async fn new(app: &'app TestApp) -> Self {
        let ada = app.register("ada").await;
        let bob = app.register("bob").await;
        Self {
            service: ada.service("database").await["id"]
                .as_str()
                .expect("an id")
                .to_owned(),
            bob: bob.user.clone(),
            root: app.administrator("root").await,
            ada,
        }
    }

    /// A request for the operation by somebody who may, on something that there is; none where it is not known what.
    fn request(&self, operation: &Operation) -> Option<Request> {
        let bobs = |name: &str| self.bob[name].as_str().expect("an id");
        let (person, id) = match operation.path {
            path if path.starts_with("/admin/users") => (&self.root, bobs("id")),
            path if path.starts_with("/admin/tenants") => (&self.root, bobs("tenant_id")),
            path if path.starts_with("/services") => (&self.ada, self.service.as_str()),
            path if !path.contains('{') => (&self.ada, ""),
            _ => return None,
        };
        let path = operation.path.replace("{id}", id);
        Some(person.request(operation.method.clone(), &path)).filter(|_| !path.contains('{'))
    }
}

#[actix_web::test]
async fn fields_that_a_client_has_no_say_in_are_refused_by_name() {
    let app = TestApp::new().await;
    let world = World::new(&app).await;
    let mut tried = Vec::new();
    for operation in operations() {
        let Some(schema) = operation.schema() else {
            continue;
        };
        let good = schema["example"].as_object().expect("an example");
        for (name, value) in privileged() {
            if schema["properties"].get(name).is_some() {
                continue;
            }
            let Some(request) = world.request(&operation) else {
                continue;
            };
            let mut body = good.clone();
            body.insert(name.to_owned(), value);
            let refused = request
                .header("if-match", "*")
                .json(&body.into())
                .send()
                .await;
            let problem = refused.json();
            let place = format!("{} with {name}: {problem}", operation.name());
            assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{place}");
            let errors = problem["errors"].as_array().expect(&place);
            let named = errors
                .iter()
                .find(|error| error["pointer"] == format!("#/{name}"));
            assert_eq!(named.expect(&place)["code"], "unknown_field", "{place}");
            tried.push(operation.name());
        }
    }
    for expected in [
        "POST /services",
        "PATCH /services/{id}",
        "POST /auth/register",
        "PUT /admin/users/{id}/role",
    ] {
        assert!(
            tried.iter().any(|name| name == expected),
            "{expected} was not tried"
        );
    }
}

#[actix_web::test]
async fn a_body_where_there_is_none_is_refused_unless_it_is_empty() {
    let app = TestApp::new().await;
    let world = World::new(&app).await;
    for operation in operations().filter(|operation| operation.schema().is_none()) {
        let Some(request) = world.request(&operation) else {
            continue;
        };
        let body = json!({"tenant_id": "x", "role": "admin"});
        let (status, problem) = answer(request.json(&body)).await;
        let place = format!("{}: {problem}", operation.name());
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{place}");
        assert_eq!(problem["errors"][0]["code"], "unknown_field", "{place}");
        if operation.method == Method::GET {
            let request = world.request(&operation).expect("as before");
            let taken = request.text("application/json", "{}").send().await;
            let text = String::from_utf8_lossy(&taken.bytes);
            assert!(
                !text.contains("unknown_field"),
                "{}: {text}",
                operation.name()
            );
        }
    }
    let untouched = world.ada.get(&format!("/services/{}", world.service)).await;
    assert_eq!(
        untouched.0,
        StatusCode::OK,
        "nothing was started or removed"
    );
    assert_eq!(untouched.1["status"], "stopped");
}

#[actix_web::test]
async fn what_was_read_may_be_sent_back_and_what_can_not_be_changed_is_refused_when_it_is() {
    let app = TestApp::new().await;
    let world = World::new(&app).await;
    let mut tried = Vec::new();
    for operation in operations() {
        let changes = [Method::PUT, Method::PATCH].contains(&operation.method);
        let read =
            operations().find(|read| read.path == operation.path && read.method == Method::GET);
        let (true, Some(schema), Some(read)) = (changes, operation.schema(), read) else {
            continue;
        };
        let Some(reading) = world.request(&read) else {
            continue;
        };
        let current = reading.send().await.json();
        let fields = current.as_object().expect("an object");
        let change = |body: Map<String, Value>| {
            let request = world.request(&operation).expect("as before");
            answer(request.header("if-match", "*").json(&body.into()))
        };
        for (name, value) in fields {
            let described = schema["properties"].get(name).is_some();
            if !described || !READ_ONLY.contains(&name.as_str()) {
                continue;
            }
            let mut body = fields.clone();
            body.insert(name.clone(), another(value));
            let (status, problem) = change(body).await;
            let place = format!("{} with another {name}: {problem}", operation.name());
            assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{place}");
            assert_eq!(
                problem["errors"][0]["pointer"],
                format!("#/{name}"),
                "{place}"
            );
            assert_eq!(problem["errors"][0]["code"], "read_only", "{place}");
            tried.push(format!("{} {name}", operation.name()));
        }
        let takes_whole = fields
            .keys()
            .all(|name| schema["properties"].get(name).is_some());
        if operation.method == Method::PATCH && !takes_whole {
            continue;
        }
        let (status, answered) = change(fields.clone()).await;
        assert_eq!(status, StatusCode::OK, "{}: {answered}", operation.name());
        for (name, value) in fields.iter().filter(|(name, _)| *name != "updated_at") {
            assert_eq!(&answered[name], value, "{}: {name}", operation.name());
        }
    }
    for expected in [
        "PUT /services/{id} tenant_id",
        "PATCH /services/{id} status",
        "PUT /users/me role",
        "PUT /users/me is_active",
    ] {
        assert!(
            tried.iter().any(|name| name == expected),
            "{expected} was not tried"
        );
    }
}

/// Something else of the same type.
fn another(value: &Value) -> Value {
    match value {
        Value::Bool(value) => json!(!value),
        Value::Number(_) => json!(4711),
        Value::String(text) if text.len() == 36 => json!("00000000-0000-4000-8000-000000000000"),
        Value::String(_) => json!("2020-01-01T00:00:00Z"),
        _ => json!("something else"),
    }
}

#[actix_web::test]
async fn a_change_says_what_it_is_a_change_of_where_it_must_and_is_refused_where_that_is_stale() {
    let app = TestApp::new().await;
    let world = World::new(&app).await;
    let mut tried = Vec::new();
    for operation in operations() {
        let Some(required) = operation.precondition() else {
            continue;
        };
        let complete = |request: Request| match operation.schema() {
            Some(schema) => request.json(&schema["example"]),
            None => request,
        };
        let Some(request) = world.request(&operation) else {
            continue;
        };
        if required {
            let (status, problem) = answer(complete(request)).await;
            assert_eq!(
                status,
                StatusCode::PRECONDITION_REQUIRED,
                "{}: {problem}",
                operation.name()
            );
        }
        for stale in ["\"0\"", "\"a\", \"b\"", "W/\"0\"", "", "x"] {
            let request = world.request(&operation).expect("as before");
            let (status, problem) = answer(complete(request).header("if-match", stale)).await;
            assert_eq!(
                status,
                StatusCode::PRECONDITION_FAILED,
                "{} {stale}: {problem}",
                operation.name()
            );
        }
        tried.push(operation.name());
    }
    for expected in [
        "PATCH /services/{id}",
        "DELETE /services/{id}",
        "PUT /admin/users/{id}/deactivate",
    ] {
        assert!(
            tried.iter().any(|name| name == expected),
            "{expected} was not tried"
        );
    }
    let (status, service) = world.ada.get(&format!("/services/{}", world.service)).await;
    assert_eq!(
        (status, &service["name"]),
        (StatusCode::OK, &json!("database"))
    );
    app.login("bob").await;
}

#[actix_web::test]
async fn of_many_changes_of_one_version_exactly_one_takes_place() {
    const CHANGES: usize = 8;
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    let made = ada.service("database").await;
    let path = format!("/services/{}", made["id"].as_str().expect("an id"));
    for method in [Method::PATCH, Method::PUT] {
        let read = ada.request(Method::GET, &path).send().await;
        let (tag, whole) = (read.header("etag").expect("a tag").to_owned(), read.json());
        let changes = (0..CHANGES).map(|number| {
            let mut body = match method {
                Method::PATCH => json!({}),
                _ => whole.clone(),
            };
            body["description"] = json!(format!("{method} {number}"));
            let request = ada.request(method.clone(), &path).header("if-match", &tag);
            answer(request.json(&body))
        });
        let (won, lost): (Vec<_>, Vec<_>) = join_all(changes)
            .await
            .into_iter()
            .partition(|(status, _)| *status == StatusCode::OK);
        assert_eq!(won.len(), 1, "{method}: {won:?}");
        for (status, problem) in lost {
            assert_eq!(status, StatusCode::PRECONDITION_FAILED, "{problem}");
        }
        assert_eq!(ada.get(&path).await.1, won[0].1);
    }
}
