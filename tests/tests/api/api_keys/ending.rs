//! Keys that are revoked, and keys that take another's place.

use reqwest::{Method, StatusCode};
use serde_json::json;

use super::{path, text};
use crate::app::{TestApp, answer};

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
