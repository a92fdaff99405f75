//! API keys: made, changed and listed.

mod ending;
mod reach;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::app::{TestApp, answer, service};

fn text(key: &Value) -> &str {
    key["key"].as_str().unwrap()
}

fn path(key: &Value) -> String {
    format!("/api-keys/{}", key["id"].as_str().unwrap())
}

#[actix_web::test]
async fn a_key_is_told_once_works_in_either_header_and_is_stored_as_a_hash() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    let body = json!({
        "name": "CI", "scopes": ["deploy", "read"], "expires_at": "2999-01-01T00:00:00Z", "allowed_networks": ["127.0.0.0/8"]
    });
    let request = ada.request(Method::POST, "/api-keys");
    let made = request
        .header("idempotency-key", "once")
        .json(&body)
        .send()
        .await;
    assert_eq!(made.status, StatusCode::CREATED);
    let key = made.json();
    assert_eq!(
        made.header("location"),
        Some(format!("/api/v1{}", path(&key)).as_str())
    );
    assert_eq!(app.key_reads(text(&key), "/services").await, StatusCode::OK);
    let other = app
        .request(Method::GET, "/services")
        .header("x-api-key", text(&key));
    assert_eq!(other.send().await.status, StatusCode::OK);
    let both = app.with_key(text(&key), Method::GET, "/services");
    let both = both.header("x-api-key", text(&key)).send().await;
    assert_eq!(both.status, StatusCode::UNAUTHORIZED);

    let (_, read) = ada.get(&path(&key)).await;
    let (_, list) = ada.get("/api-keys").await;
    assert!(read.get("key").is_none() && list["api_keys"][0].get("key").is_none());
    assert_eq!(read["scopes"], json!(["read", "deploy"]));
    let secret = &text(&key)[21..64];
    let everything = "SELECT string_agg(t, ' ') FROM (SELECT row_to_json(k)::text AS t FROM api_keys k \
         UNION ALL SELECT row_to_json(g)::text FROM api_key_grants g UNION ALL SELECT row_to_json(a)::text FROM audit_logs a \
         UNION ALL SELECT row_to_json(i)::text FROM idempotency_keys i) AS everything";
    let everything = app.query(everything, &[]).await;
    assert!(everything.contains(read["public_id"].as_str().unwrap()));
    assert!(!everything.contains(secret));
}

#[actix_web::test]
async fn a_request_that_is_sent_again_makes_no_other_key_and_is_answered_without_it() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    let body = json!({"name": "CI", "scopes": ["read"]});
    let send = || {
        let request = ada.request(Method::POST, "/api-keys");
        request.header("idempotency-key", "once").json(&body).send()
    };
    let (first, again) = (send().await, send().await);
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    let (mut first, again) = (first.json(), again.json());
    assert!(first.as_object_mut().unwrap().remove("key").is_some());
    assert_eq!(first, again);
    assert_eq!(ada.get("/api-keys").await.1["total"], 1);
}

#[actix_web::test]
async fn a_key_is_changed_in_the_version_that_was_read_and_using_it_makes_no_other() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    let key = ada.key(&["read"]).await;
    let read = ada.request(Method::GET, &path(&key)).send().await;
    let etag = read.header("etag").unwrap().to_owned();
    assert_eq!(app.key_reads(text(&key), "/services").await, StatusCode::OK);
    let patch = |body: Value| {
        let request = ada.request(Method::PATCH, &path(&key)).json(&body);
        request.header("if-match", &etag).send()
    };
    let changed = patch(json!({"scopes": ["write"], "expires_at": "2999-01-01T00:00:00Z"})).await;
    assert_eq!(changed.status, StatusCode::OK);
    assert_eq!(changed.json()["scopes"], json!(["write"]));
    assert_eq!(
        patch(json!({"name": "stale"})).await.status,
        StatusCode::PRECONDITION_FAILED
    );
    let create = app.with_key(text(&key), Method::POST, "/services");
    assert_eq!(
        answer(create.json(&service("made", "custom"))).await.0,
        StatusCode::CREATED
    );
    for (body, pointer) in [
        (
            json!({"user_id": "3b241101-e2bb-4255-8caf-4136c566a962"}),
            "#/user_id",
        ),
        (json!({"is_active": false}), "#/is_active"),
        (json!({"key": "nsk_mine"}), "#/key"),
        (
            json!({"expires_at": "2020-01-01T00:00:00Z"}),
            "#/expires_at",
        ),
        (
            json!({"allowed_networks": ["everywhere"]}),
            "#/allowed_networks/0",
        ),
    ] {
        let (status, problem) = ada.patch(&path(&key), body).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{problem}");
        assert_eq!(problem["errors"][0]["pointer"], pointer);
    }
}

#[actix_web::test]
async fn the_keys_of_a_page_follow_those_of_the_page_before() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    for name in ["first", "second", "third"] {
        let made = ada
            .post("/api-keys", json!({"name": name, "scopes": ["read"]}))
            .await;
        assert_eq!(made.0, StatusCode::CREATED);
    }
    let (_, page) = ada.get("/api-keys?limit=2").await;
    let cursor = page["next_cursor"].as_str().unwrap();
    let (_, rest) = ada.get(&format!("/api-keys?limit=2&cursor={cursor}")).await;
    let names = |page: &Value| -> Vec<String> {
        let keys = page["api_keys"].as_array().unwrap();
        keys.iter()
            .map(|key| key["name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        (names(&page), names(&rest)),
        (
            vec!["third".to_owned(), "second".to_owned()],
            vec!["first".to_owned()]
        )
    );
}
