//! A log that is followed: it ends with the right to read it, and says why.

use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

use super::WEB;
use crate::app::{Person, TestApp};

/// A running service that writes nothing while nobody asks it.
async fn running(ada: &Person<'_>) -> String {
    let config = json!({"nomad_job_file": WEB});
    let id = ada.define("web_server", config).await;
    ada.deploy(&id, "start").await;
    id
}

/// An answer that has begun, and goes on. The tests' own client waits for the end of every answer.
async fn followed(app: &TestApp, service: &str, credential: &str) -> Response {
    let address = &app.address;
    let url = format!("{address}/api/v1/services/{service}/logs?type=stderr&follow=true");
    let request = reqwest::Client::new().get(url).bearer_auth(credential);
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    answer
}

/// Why it ended: the code in the data of the last event.
async fn reason(followed: Response) -> String {
    let text = followed.text().await.unwrap();
    let (_, last) = text.rsplit_once("event: end\ndata: ").unwrap();
    let data: Value = serde_json::from_str(last.trim_end()).unwrap();
    assert!(
        data["detail"]
            .as_str()
            .is_some_and(|detail| !detail.is_empty())
    );
    data["code"].as_str().unwrap().to_owned()
}

#[actix_web::test]
async fn a_followed_log_ends_with_whatever_let_it_be_read() {
    let app = TestApp::new().await;
    let (ada, root) = (app.register("ada").await, app.administrator("root").await);
    let id = running(&ada).await;
    let grace = app.member(&ada, "grace", "user").await;
    let again = app.login("ada").await;
    let key = ada.key(&["read"]).await;
    let text = key["key"].as_str().unwrap();
    let by_key = followed(&app, &id, text).await;
    let by_session = followed(&app, &id, &again.token).await;
    let by_member = followed(&app, &id, &grace.token).await;

    let revoke = ada.request(
        Method::DELETE,
        &format!("/api-keys/{}", key["id"].as_str().unwrap()),
    );
    assert_eq!(revoke.send().await.status, StatusCode::NO_CONTENT);
    let out = json!({"refresh_token": again.refresh_token});
    assert_eq!(
        again.post("/auth/logout", out).await.0,
        StatusCode::NO_CONTENT
    );
    let remove = ada.request(Method::DELETE, &format!("/users/{}", grace.id()));
    assert_eq!(remove.send().await.status, StatusCode::NO_CONTENT);
    for ended in [by_key, by_session, by_member] {
        assert_eq!(reason(ended).await, "unauthenticated");
    }

    let of_tenant = followed(&app, &id, &ada.token).await;
    let tenant = ada.user["tenant_id"].as_str().unwrap();
    let suspend = root.request(Method::POST, &format!("/admin/tenants/{tenant}/suspend"));
    assert_eq!(suspend.send().await.status, StatusCode::OK);
    assert_eq!(reason(of_tenant).await, "unauthenticated");
}

#[actix_web::test]
async fn a_followed_log_ends_when_its_access_token_expires_and_a_key_follows_on() {
    let app = TestApp::with(&[("JWT_TOKEN_DURATION", "12s")]).await;
    let ada = app.register("ada").await;
    let id = running(&ada).await;
    let ada = app.login("ada").await;
    let key = ada.key(&["read"]).await;
    let by_key = followed(&app, &id, key["key"].as_str().unwrap()).await;
    let by_key = actix_web::rt::spawn(reason(by_key));
    let by_token = followed(&app, &id, &ada.token).await;
    assert_eq!(reason(by_token).await, "unauthenticated");
    assert!(!by_key.is_finished());
    let ada = app.login("ada").await;
    let revoke = format!("/api-keys/{}", key["id"].as_str().unwrap());
    let revoke = ada.request(Method::DELETE, &revoke).send().await;
    assert_eq!(revoke.status, StatusCode::NO_CONTENT);
    assert_eq!(by_key.await.unwrap(), "unauthenticated");
}

#[actix_web::test]
async fn a_followed_log_ends_when_its_service_is_gone_from_the_tenant() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    let id = running(&ada).await;
    let log = followed(&app, &id, &ada.token).await;
    // What deletes rows behind the product's back leaves the job running.
    app.execute("DELETE FROM services WHERE id = $1::text::uuid", &[&id])
        .await;
    assert_eq!(reason(log).await, "not_found");
}
