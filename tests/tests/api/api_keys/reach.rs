//! What a key may do, from where and for how long, and what is noted of its use.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{path, text};
use crate::app::{TestApp, answer};

/// A good key with another secret and a checksum that fits.
fn unknown() -> String {
    let key = domain::api_key::ApiKeyText::from_random([1; 8], [2; 32]);
    key.expose().to_owned()
}

#[actix_web::test]
async fn each_scope_reaches_as_far_as_it_says() {
    let app = TestApp::hasty().await;
    let ada = app.register("ada").await;
    let service_path = format!(
        "/services/{}",
        ada.service("custom").await["id"].as_str().unwrap()
    );
    let start = format!("{service_path}/start");
    for (scopes, read, write, deploy, admin) in [
        (vec!["read"], true, false, false, false),
        (vec!["write"], true, true, false, false),
        (vec!["deploy"], true, false, true, false),
        (vec!["write", "deploy"], true, true, true, false),
        (vec!["admin"], true, true, true, true),
    ] {
        let key = ada.key(&scopes).await;
        let describe = app.with_key(text(&key), Method::PATCH, &service_path);
        let describe = describe
            .header("if-match", "*")
            .json(&json!({"description": "described"}));
        for (request, may) in [
            (app.with_key(text(&key), Method::GET, "/services"), read),
            (describe, write),
            (app.with_key(text(&key), Method::POST, &start), deploy),
            (app.with_key(text(&key), Method::GET, "/users"), admin),
            (app.with_key(text(&key), Method::GET, "/api-keys"), admin),
            (
                app.with_key(text(&key), Method::GET, "/users/me/sessions"),
                admin,
            ),
        ] {
            let (status, answer) = answer(request).await;
            assert_eq!(status != StatusCode::FORBIDDEN, may, "{scopes:?}: {answer}");
            assert_ne!(status, StatusCode::UNAUTHORIZED, "{scopes:?}: {answer}");
        }
    }
}

#[actix_web::test]
async fn a_key_never_may_more_than_its_owner_may_now_and_makes_none_that_may_more_than_it() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    let grace = app.member(&ada, "grace", "tenant_admin").await;
    let (admin, write) = (grace.key(&["admin"]).await, grace.key(&["write"]).await);
    assert_eq!(app.key_reads(text(&admin), "/users").await, StatusCode::OK);
    let make = |key: &Value| {
        let request = app.with_key(text(key), Method::POST, "/api-keys");
        answer(request.json(&json!({"name": "another", "scopes": ["read"]})))
    };
    assert_eq!(make(&write).await.0, StatusCode::FORBIDDEN);
    assert_eq!(make(&admin).await.0, StatusCode::CREATED);

    let demoted = ada
        .patch(&format!("/users/{}", grace.id()), json!({"role": "user"}))
        .await;
    assert_eq!(demoted.0, StatusCode::OK);
    assert_eq!(
        app.key_reads(text(&admin), "/users").await,
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        app.key_reads(text(&admin), "/services").await,
        StatusCode::OK
    );
    assert_eq!(make(&admin).await.0, StatusCode::FORBIDDEN);
    assert_eq!(
        grace
            .post("/api-keys", json!({"name": "mine", "scopes": ["read"]}))
            .await
            .0,
        StatusCode::FORBIDDEN
    );
}

#[actix_web::test]
async fn a_key_stays_in_its_tenant() {
    let app = TestApp::new().await;
    let (ada, eve) = (app.register("ada").await, app.register("eve").await);
    let (mine, other) = (ada.service("custom").await, eve.service("custom").await);
    let key = ada.key(&["admin"]).await;
    let read = |service: &Value| {
        let path = format!("/services/{}", service["id"].as_str().unwrap());
        app.with_key(text(&key), Method::GET, &path).send()
    };
    assert_eq!(read(&mine).await.status, StatusCode::OK);
    assert_eq!(read(&other).await.status, StatusCode::NOT_FOUND);
    assert_eq!(eve.get(&path(&key)).await.0, StatusCode::NOT_FOUND);
}

#[actix_web::test]
async fn an_expired_key_is_refused_and_one_from_another_network_is_told_why() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    let key = ada.key(&["read"]).await;
    assert_eq!(app.key_reads(text(&key), "/services").await, StatusCode::OK);
    let (_, changed) = ada
        .patch(&path(&key), json!({"allowed_networks": ["192.0.2.0/24"]}))
        .await;
    assert_eq!(changed["allowed_networks"], json!(["192.0.2.0/24"]));
    let elsewhere = app.with_key(text(&key), Method::GET, "/services");
    let (status, problem) = answer(elsewhere).await;
    assert_eq!(
        (status, &problem["code"]),
        (StatusCode::FORBIDDEN, &json!("network_not_allowed"))
    );
    assert_eq!(
        ada.patch(&path(&key), json!({"allowed_networks": []}))
            .await
            .0,
        StatusCode::OK
    );
    assert_eq!(app.key_reads(text(&key), "/services").await, StatusCode::OK);
    let expire = "UPDATE api_keys SET expires_at = CURRENT_TIMESTAMP - INTERVAL '1 second'";
    app.execute(expire, &[]).await;
    assert_eq!(
        app.key_reads(text(&key), "/services").await,
        StatusCode::UNAUTHORIZED
    );
}

/// Whoever asks the table of keys waits for our lock: a mistyped key is refused without that.
#[actix_web::test]
async fn a_mistyped_key_is_refused_without_a_query_and_an_unknown_one_with_one() {
    let app = TestApp::new().await;
    let mut mistyped = unknown();
    mistyped.replace_range(30..31, if &mistyped[30..31] == "x" { "y" } else { "x" });
    let mut client = app.owner_client().await;
    let lock = client.transaction().await.unwrap();
    lock.batch_execute("LOCK TABLE api_keys, users, tenants IN ACCESS EXCLUSIVE MODE")
        .await
        .unwrap();
    assert_eq!(
        app.key_reads(&mistyped, "/services").await,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        app.key_reads("nsk_short", "/services").await,
        StatusCode::UNAUTHORIZED
    );
    let release = async {
        app.waiting_for_locks(1).await;
        lock.commit().await.unwrap();
    };
    let unknown = unknown();
    let (status, ()) = futures::join!(app.key_reads(&unknown, "/services"), release);
    assert_eq!(status, StatusCode::UNAUTHORIZED);
}

#[actix_web::test]
async fn the_use_of_a_key_is_noted_now_and_then_and_not_audited() {
    let app = TestApp::new().await;
    let replica = app.replica(&[]).await;
    let ada = app.register("ada").await;
    let key = ada.key(&["read"]).await;
    assert_eq!(key["last_used"], Value::Null);
    let version = "SELECT xmin::text || ' ' || last_used::text FROM api_keys";
    let count = "SELECT COUNT(*)::text FROM audit_logs WHERE action LIKE 'api_key.%'";
    let before = app.query(count, &[]).await;
    assert_eq!(app.key_reads(text(&key), "/services").await, StatusCode::OK);
    let noted = app.query(version, &[]).await;
    for server in [&app, &replica].repeat(10) {
        assert_eq!(
            server.key_reads(text(&key), "/services").await,
            StatusCode::OK
        );
    }
    assert_eq!(app.query(version, &[]).await, noted);
    assert_eq!(app.query(count, &[]).await, before);
    // Once it is long enough ago, it is noted again.
    app.execute(
        "UPDATE api_keys SET last_used = last_used - INTERVAL '6 minutes'",
        &[],
    )
    .await;
    let another = app.replica(&[]).await;
    assert_eq!(
        another.key_reads(text(&key), "/services").await,
        StatusCode::OK
    );
    let recent = "SELECT (last_used > CURRENT_TIMESTAMP - INTERVAL '1 minute')::text FROM api_keys";
    assert_eq!(app.query(recent, &[]).await, "true");
}
