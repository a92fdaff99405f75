use reqwest::StatusCode;
use serde_json::json;

use crate::app::{PASSWORD, TestApp};

#[actix_web::test]
async fn registering_makes_a_tenant_and_its_administrator() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    assert_eq!(ada.user["role"], "tenant_admin");
    assert!(ada.user["tenant_id"].is_string());
    assert!(ada.user.get("password").is_none());
}

#[actix_web::test]
async fn username_and_email_are_unique_whatever_their_case() {
    let app = TestApp::new().await;
    app.register("ada").await;
    for (username, email, code) in [
        ("ADA", "other@example.com", "username_taken"),
        ("other", "Ada@Example.com", "email_taken"),
    ] {
        let body = json!({"username": username, "email": email, "password": PASSWORD});
        let (status, problem) = app.post("/auth/register", body).await;
        assert_eq!(
            (status, &problem["code"]),
            (StatusCode::CONFLICT, &json!(code))
        );
    }
}

#[actix_web::test]
async fn tenants_of_the_same_name_get_different_slugs() {
    let app = TestApp::new().await;
    for username in ["ada", "bob"] {
        let body = json!({
            "username": username, "email": format!("{username}@example.com"),
            "password": PASSWORD, "tenant_name": "Acme"
        });
        assert_eq!(
            app.post("/auth/register", body).await.0,
            StatusCode::CREATED
        );
    }
}

#[actix_web::test]
async fn every_bad_field_of_a_registration_is_named() {
    let app = TestApp::new().await;
    let body = json!({"username": "a", "email": "a", "password": "short", "role": "admin"});
    let (status, problem) = app.post("/auth/register", body).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let pointers: Vec<_> = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["pointer"].as_str().unwrap())
        .collect();
    assert_eq!(pointers, ["#/username", "#/email", "#/password", "#/role"]);
}

#[actix_web::test]
async fn an_unknown_user_and_a_wrong_password_are_answered_alike() {
    let app = TestApp::new().await;
    app.register("ada").await;
    let wrong = app
        .post(
            "/auth/login",
            json!({"username": "ada", "password": "wrong"}),
        )
        .await;
    let unknown = app
        .post(
            "/auth/login",
            json!({"username": "eve", "password": "wrong"}),
        )
        .await;
    assert_eq!(wrong.0, StatusCode::UNAUTHORIZED);
    assert_eq!(wrong, unknown);
}

#[actix_web::test]
async fn the_email_address_signs_in_too() {
    let app = TestApp::new().await;
    app.register("ada").await;
    let body = json!({"email": "ADA@example.com", "password": PASSWORD});
    assert_eq!(app.post("/auth/login", body).await.0, StatusCode::OK);
}

#[actix_web::test]
async fn a_refresh_token_used_twice_ends_its_session() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    let first = json!({"refresh_token": ada.refresh_token});
    let (status, next) = app.post("/auth/refresh", first.clone()).await;
    assert_eq!(status, StatusCode::OK);

    let (status, problem) = app.post("/auth/refresh", first).await;
    assert_eq!(
        (status, &problem["code"]),
        (StatusCode::UNAUTHORIZED, &json!("invalid_refresh_token"))
    );

    let successor = json!({"refresh_token": next["refresh_token"]});
    assert_eq!(
        app.post("/auth/refresh", successor).await.0,
        StatusCode::UNAUTHORIZED
    );
}

#[actix_web::test]
async fn signing_out_ends_the_session_and_no_other() {
    let app = TestApp::new().await;
    let (here, there) = (app.register("ada").await, app.login("ada").await);
    let ended = json!({"refresh_token": here.refresh_token});
    assert_eq!(
        app.post("/auth/logout", ended.clone()).await.0,
        StatusCode::NO_CONTENT
    );
    assert_eq!(
        app.post("/auth/refresh", ended).await.0,
        StatusCode::UNAUTHORIZED
    );
    let kept = json!({"refresh_token": there.refresh_token});
    assert_eq!(app.post("/auth/refresh", kept).await.0, StatusCode::OK);
}
