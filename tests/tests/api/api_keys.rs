use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::app::{TestApp, answer, service};

fn text(key: &Value) -> &str {
    key["key"].as_str().unwrap()
}

fn path(key: &Value) -> String {
    format!("/api-keys/{}", key["id"].as_str().unwrap())
}

/// A good key with another secret and a checksum that fits.
fn unknown() -> String {
    let key = domain::api_key::ApiKeyText::from_random([1; 8], [2; 32]);
    key.expose().to_owned()
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
async fn a_key_that_was_revoked_is_refused_at_the_next_request_on_every_replica() {
    let app = TestApp::new().await;
    let replica = app.replica(&[]).await;
    let ada = app.register("ada").await;
    let key = ada.key(&["read"]).await;
    for server in [&app, &replica] {
        assert_eq!(
            server.key_reads(text(&key), "/services").await,
            StatusCode::OK
        );
    }
    assert_eq!(ada.delete(&path(&key)).await.0, StatusCode::NO_CONTENT);
    for server in [&app, &replica] {
        assert_eq!(
            server.key_reads(text(&key), "/services").await,
            StatusCode::UNAUTHORIZED
        );
    }
    assert_eq!(ada.delete(&path(&key)).await.0, StatusCode::NO_CONTENT);
    assert_eq!(ada.get(&path(&key)).await.1["is_active"], false);
    let (status, problem) = ada.patch(&path(&key), json!({"name": "back"})).await;
    assert_eq!(
        (status, &problem["code"]),
        (StatusCode::CONFLICT, &json!("api_key_revoked"))
    );
    let trail = app
        .audited(&format!("api-keys/{}", key["id"].as_str().unwrap()))
        .await;
    assert!(
        trail.ends_with("api_key.update api_key.revoke")
            || trail.ends_with("api_key.revoke api_key.update"),
        "{trail}"
    );
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

#[actix_web::test]
async fn a_rotated_key_works_beside_its_successor_for_a_while_and_ends_with_it() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    let key = ada.key(&["read"]).await;
    let request = ada.request(Method::POST, &format!("{}/rotate", path(&key)));
    let (status, next) = answer(request).await;
    assert_eq!(status, StatusCode::OK, "{next}");
    assert_eq!(next["id"], key["id"]);
    assert_ne!(next["public_id"], key["public_id"]);
    assert!(next["previous_valid_until"].is_string());
    for text in [text(&key), text(&next)] {
        assert_eq!(app.key_reads(text, "/services").await, StatusCode::OK);
    }
    let over = "UPDATE api_key_grants SET previous_valid_until = CURRENT_TIMESTAMP";
    app.owner_updates(over).await;
    assert_eq!(
        app.key_reads(text(&key), "/services").await,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        app.key_reads(text(&next), "/services").await,
        StatusCode::OK
    );

    let request = ada.request(Method::POST, &format!("{}/rotate", path(&key)));
    let (_, last) = answer(request).await;
    assert_eq!(ada.delete(&path(&key)).await.0, StatusCode::NO_CONTENT);
    for text in [text(&next), text(&last)] {
        assert_eq!(
            app.key_reads(text, "/services").await,
            StatusCode::UNAUTHORIZED
        );
    }
    let trail = app
        .audited(&format!("api-keys/{}", key["id"].as_str().unwrap()))
        .await;
    assert_eq!(trail.matches("api_key.rotate").count(), 2, "{trail}");
}

#[actix_web::test]
async fn nobody_rotates_somebody_elses_key() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    let grace = app.member(&ada, "grace", "tenant_admin").await;
    let key = grace.key(&["admin"]).await;
    let rotate = ada.request(Method::POST, &format!("{}/rotate", path(&key)));
    assert_eq!(answer(rotate).await.0, StatusCode::FORBIDDEN);
    assert_eq!(ada.delete(&path(&key)).await.0, StatusCode::NO_CONTENT);
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

impl TestApp {
    /// Changes rows as nobody but the owner can, who is bound by row-level security as well.
    async fn owner_updates(&self, sql: &str) {
        let client = self.owner_client().await;
        let table = sql.split_whitespace().nth(1).unwrap();
        let statements = format!(
            "BEGIN; ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY; {sql}; \
             ALTER TABLE {table} FORCE ROW LEVEL SECURITY; COMMIT"
        );
        client.batch_execute(&statements).await.unwrap();
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
