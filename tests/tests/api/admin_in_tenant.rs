//! `/admin/tenants/{tenant_id}/…`: what a platform administrator reads inside a tenant, and what the tenant sees of it.

use std::collections::BTreeSet;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    app::{Answer, Person, TestApp, answer},
    audit_logs::{SOON, sealed},
};

const REASON: &str = "ticket 4711: \"it is slow\", says Ada";

fn tenant(of: &Person<'_>) -> String {
    of.user["tenant_id"].as_str().unwrap().to_owned()
}

fn inside(of: &Person<'_>, path: &str) -> String {
    format!("/admin/tenants/{}{path}", tenant(of))
}

/// What somebody is answered who gives a reason.
async fn read(who: &Person<'_>, path: &str) -> (StatusCode, Value) {
    answer(who.request(Method::GET, path).header("x-reason", REASON)).await
}

/// What the tenant's own audit trail has of looks into it, newest first.
async fn looks(of: &Person<'_>) -> Vec<Value> {
    let (status, trail) = of.get("/audit-logs?limit=200").await;
    assert_eq!(status, StatusCode::OK);
    let rows = trail["audit_logs"].as_array().unwrap().clone();
    let is_look = |row: &Value| row["action"].as_str().unwrap().ends_with(".read");
    rows.into_iter().filter(is_look).collect()
}

/// An answer as text, without what belongs to its moment and without `id`.
fn text(answer: &Answer, id: &str) -> String {
    let own = answer.header("x-request-id").unwrap();
    let body = String::from_utf8_lossy(&answer.bytes);
    format!("{} {body}", answer.status)
        .replace(own, "<request>")
        .replace(id, "<id>")
}

#[actix_web::test]
async fn a_read_answers_what_members_read_and_is_one_event_of_the_tenants_trail_with_the_reason() {
    let app = TestApp::hasty().await;
    let (ada, root) = (app.register("ada").await, app.administrator("root").await);
    let body = json!({"name": "orders", "type": "database", "config": {
        "image": "postgres:17", "environment": {"POSTGRES_PASSWORD": "correct horse"}}});
    let (_, service) = ada.post("/services", body).await;
    let service = service["id"].as_str().unwrap().to_owned();
    let deployment = ada.deploy(&service, "start").await;
    let deployment = deployment["id"].as_str().unwrap();
    for (path, action, resource) in [
        (
            "/services".to_owned(),
            "service.read",
            "services".to_owned(),
        ),
        (
            format!("/services/{service}"),
            "service.read",
            format!("services/{service}"),
        ),
        (
            format!("/services/{service}/deployments"),
            "service.read",
            format!("services/{service}"),
        ),
        (
            format!("/services/{service}/logs"),
            "service.read",
            format!("services/{service}"),
        ),
        (
            format!("/deployments/{deployment}?wait=1s"),
            "deployment.read",
            format!("deployments/{deployment}"),
        ),
        (
            "/templates".to_owned(),
            "template.read",
            "templates".to_owned(),
        ),
        ("/users".to_owned(), "user.read", "users".to_owned()),
        (
            format!("/users/{}", ada.id()),
            "user.read",
            format!("users/{}", ada.id()),
        ),
        (
            "/api-keys".to_owned(),
            "api_key.read",
            "api-keys".to_owned(),
        ),
        (
            "/invitations".to_owned(),
            "invitation.read",
            "invitations".to_owned(),
        ),
        (
            "/tenant".to_owned(),
            "tenant.read",
            format!("tenants/{}", tenant(&ada)),
        ),
    ] {
        let before = looks(&ada).await.len();
        let own = ada.get(&path).await;
        let request = root.request(Method::GET, &inside(&ada, &path));
        let request = request
            .header("x-reason", REASON)
            .header("user-agent", "a browser");
        let answer = request.send().await;
        assert_eq!((answer.status, answer.json()), own, "{path}");
        assert_eq!(own.0, StatusCode::OK, "{path}: {}", own.1);
        assert!(
            !answer.json().to_string().contains("correct horse"),
            "{path}"
        );
        let looks = looks(&ada).await;
        assert_eq!(looks.len(), before + 1, "{path}");
        let look = &looks[0];
        assert_eq!(
            (&look["action"], &look["resource"]),
            (&json!(action), &json!(resource))
        );
        assert_eq!(look["user_id"], root.user["id"]);
        assert_eq!(look["tenant_id"], ada.user["tenant_id"]);
        assert_eq!(
            (&look["ip_address"], &look["user_agent"]),
            (&json!("127.0.0.1"), &json!("a browser"))
        );
        let details: Value = serde_json::from_str(look["details"].as_str().unwrap()).unwrap();
        assert_eq!(details["reason"], REASON);
        let asked = path.split('?').next().unwrap();
        assert_eq!(details["path"], asked.trim_start_matches('/'));
        assert_eq!(
            details["request_id"].as_str(),
            answer.header("x-request-id")
        );
    }
}

#[actix_web::test]
async fn the_trail_its_proofs_and_its_export_are_read_the_same_way_each_as_one_event() {
    let app = TestApp::with(&[SOON]).await;
    let (ada, root) = (app.register("ada").await, app.administrator("root").await);
    let (_, trail) = ada.get("/audit-logs?limit=1").await;
    let row = trail["audit_logs"][0]["id"].as_str().unwrap();
    sealed(&app).await;
    for path in [
        "/audit-logs".to_owned(),
        format!("/audit-logs/{row}"),
        format!("/audit-logs/{row}/proof"),
        "/audit-logs/consistency?from=1&to=1".to_owned(),
        "/audit-logs/checkpoint".to_owned(),
        "/audit-logs/verifier-key".to_owned(),
        "/audit-logs/export".to_owned(),
    ] {
        let before = looks(&ada).await.len();
        let request = root.request(Method::GET, &inside(&ada, &path));
        let answer = request.header("x-reason", REASON).send().await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        assert!(!answer.bytes.is_empty(), "{path}");
        let looks = looks(&ada).await;
        assert_eq!(looks.len(), before + 1, "{path}");
        assert_eq!(looks[0]["action"], "audit_log.read");
    }
    // Whoever reads the trail finds themselves in it.
    let (_, trail) = read(&root, &inside(&ada, "/audit-logs?limit=1")).await;
    assert_eq!(trail["audit_logs"][0]["user_id"], root.user["id"]);
}

#[actix_web::test]
async fn every_read_of_a_tenants_members_is_there_for_platform_administrators() {
    let document = serde_json::to_value(nomad_services::openapi::document()).unwrap();
    let reads: BTreeSet<_> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .filter(|(_, item)| !item["get"].is_null())
        .map(|(path, _)| path.clone())
        .collect();
    // What is one's own, and what is nobody's.
    let others = [
        "/api/v1/users/me",
        "/api/v1/admin/",
        "/livez",
        "/readyz",
        "/health",
    ];
    let below = "/api/v1/admin/tenants/{tenant_id}";
    for path in &reads {
        if others.iter().any(|other| path.starts_with(other)) {
            continue;
        }
        let there = path.replace("/api/v1", below);
        assert!(reads.contains(&there), "{there} is missing");
    }
    let paths = document["paths"].as_object().unwrap();
    for (path, item) in paths.iter().filter(|(path, _)| path.starts_with(below)) {
        let methods: Vec<_> = item.as_object().unwrap().keys().collect();
        assert_eq!(methods, ["get"], "{path}");
    }
}

#[actix_web::test]
async fn without_a_reason_nothing_is_read_and_nothing_recorded() {
    let app = TestApp::new().await;
    let (ada, root) = (app.register("ada").await, app.administrator("root").await);
    let path = inside(&ada, "/services");
    let too_long = "x".repeat(501);
    let reasons: [Option<&[u8]>; 6] = [
        None,
        Some(b""),
        Some(b"  "),
        Some(too_long.as_bytes()),
        Some("für Ada".as_bytes()),
        Some(b"a\tb"),
    ];
    for reason in reasons {
        let mut request = root.request(Method::GET, &path);
        if let Some(reason) = reason {
            request = request.header("x-reason", reason);
        }
        let (status, problem) = answer(request).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{reason:?}");
        assert_eq!(problem["code"], "reason_required");
        let detail = problem["detail"].as_str().unwrap();
        assert!(
            detail.contains("X-Reason") && detail.contains("500"),
            "{detail}"
        );
    }
    let twice = root.request(Method::GET, &path);
    let twice = twice.header("x-reason", "one").header("x-reason", "two");
    assert_eq!(answer(twice).await.0, StatusCode::BAD_REQUEST);
    assert!(looks(&ada).await.is_empty());
    let longest = root.request(Method::GET, &path);
    let longest = longest.header("x-reason", &too_long[1..]);
    assert_eq!(answer(longest).await.0, StatusCode::OK);
    assert_eq!(looks(&ada).await.len(), 1);
}

#[actix_web::test]
async fn nobody_else_reads_there_and_is_not_told_which_tenants_there_are() {
    let app = TestApp::new().await;
    let (ada, eve) = (app.register("ada").await, app.register("eve").await);
    let user = app.member(&ada, "grace", "user").await;
    let key = ada.key(&["admin"]).await;
    let key = key["key"].as_str().unwrap();
    let unknown = uuid::Uuid::new_v4().to_string();
    let known = tenant(&ada);
    for token in [&eve.token, &ada.token, &user.token, &key.to_owned()] {
        for path in ["/services", "/tenant", "/audit-logs/export"] {
            let ask = async |id: &str, reason: Option<&str>| {
                let path = format!("/admin/tenants/{id}{path}");
                let request = app.with_key(token, Method::GET, &path);
                let request = match reason {
                    Some(reason) => request.header("x-reason", reason),
                    None => request,
                };
                let answer = request.send().await;
                assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}");
                text(&answer, id)
            };
            let refused = ask(&known, Some(REASON)).await;
            assert_eq!(refused, ask(&unknown, Some(REASON)).await);
            assert_eq!(refused, ask(&unknown, None).await);
        }
    }
    assert!(looks(&ada).await.is_empty());
    // They are refused like at the tenant itself.
    let path = format!("/admin/tenants/{known}");
    let (_, itself) = eve.get(&path).await;
    let (_, below) = read(&eve, &format!("{path}/services")).await;
    assert_eq!(
        (&below["code"], &below["detail"]),
        (&itself["code"], &itself["detail"])
    );
}

#[actix_web::test]
async fn what_is_not_there_is_not_found_in_the_named_tenant_alone() {
    let app = TestApp::new().await;
    let (ada, eve) = (app.register("ada").await, app.register("eve").await);
    let root = app.administrator("root").await;
    let unknown = uuid::Uuid::new_v4().to_string();
    let missing = format!("/admin/tenants/{unknown}/services");
    assert_eq!(read(&root, &missing).await.0, StatusCode::NOT_FOUND);
    let malformed = "/admin/tenants/x/services";
    assert_eq!(read(&root, malformed).await.0, StatusCode::NOT_FOUND);
    let service = eve.service("database").await;
    let foreign = service["id"].as_str().unwrap();
    let ask = async |id: &str| {
        let path = inside(&ada, &format!("/services/{id}"));
        let request = root.request(Method::GET, &path).header("x-reason", REASON);
        let answer = request.send().await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
        text(&answer, id)
    };
    assert_eq!(ask(foreign).await, ask(&unknown).await);
    // The administrator is nobody of the tenant.
    let myself = inside(&ada, &format!("/users/{}", root.id()));
    assert_eq!(read(&root, &myself).await.0, StatusCode::NOT_FOUND);
    let (_, users) = read(&root, &inside(&ada, "/users")).await;
    assert_eq!(users["total"], 1);
    // What was looked for is in the trail, found or not.
    assert_eq!(
        looks(&ada).await[3]["resource"],
        format!("services/{foreign}")
    );
    assert!(looks(&eve).await.is_empty());
}

#[actix_web::test]
async fn a_suspended_tenant_is_read_and_nothing_can_be_changed_inside_any() {
    let app = TestApp::new().await;
    let (ada, root) = (app.register("ada").await, app.administrator("root").await);
    ada.service("database").await;
    let suspend = format!("/admin/tenants/{}/suspend", tenant(&ada));
    let suspended = answer(root.request(Method::POST, &suspend)).await;
    assert_eq!(suspended.0, StatusCode::OK);
    let (status, list) = read(&root, &inside(&ada, "/services")).await;
    assert_eq!((status, &list["total"]), (StatusCode::OK, &json!(1)));
    for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
        let request = root.request(method, &inside(&ada, "/services"));
        let answer = request.header("x-reason", REASON).send().await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(answer.header("allow"), Some("GET, HEAD, OPTIONS"));
    }
    let id = list["services"][0]["id"].as_str().unwrap();
    let reveal = root.request(
        Method::POST,
        &inside(&ada, &format!("/services/{id}/reveal")),
    );
    assert_eq!(answer(reveal).await.0, StatusCode::NOT_FOUND);
}

#[actix_web::test]
async fn whoever_was_deactivated_or_signed_out_reads_nothing_from_the_next_request_on() {
    let app = TestApp::new().await;
    let (ada, root) = (app.register("ada").await, app.administrator("root").await);
    let rhea = app.administrator("rhea").await;
    let path = inside(&ada, "/services");
    assert_eq!(read(&rhea, &path).await.0, StatusCode::OK);
    let deactivate = format!("/admin/users/{}/deactivate", rhea.id());
    let deactivated = answer(root.request(Method::PUT, &deactivate)).await;
    assert_eq!(deactivated.0, StatusCode::OK);
    let out = json!({"refresh_token": root.refresh_token});
    assert_eq!(
        root.post("/auth/logout", out).await.0,
        StatusCode::NO_CONTENT
    );
    for gone in [&rhea, &root] {
        assert_eq!(read(gone, &path).await.0, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(looks(&ada).await.len(), 1);
}

#[actix_web::test]
async fn what_cannot_be_recorded_is_not_answered() {
    let app = TestApp::new().await;
    let (ada, root) = (app.register("ada").await, app.administrator("root").await);
    ada.service("database").await;
    let path = inside(&ada, "/services");
    let refuse =
        "ALTER TABLE audit_logs ADD CONSTRAINT no_looks CHECK (action <> 'service.read') NOT VALID";
    app.owner_client()
        .await
        .batch_execute(refuse)
        .await
        .unwrap();
    let (status, problem) = read(&root, &path).await;
    assert!(status.is_server_error(), "{status}: {problem}");
    assert!(problem.get("services").is_none(), "{problem}");
    // Members don't depend on it.
    assert_eq!(ada.get("/services").await.0, StatusCode::OK);
}
