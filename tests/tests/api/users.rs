use reqwest::StatusCode;
use serde_json::json;

use crate::app::TestApp;

#[actix_web::test]
async fn a_profile_is_read_changed_and_sent_back_whole() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    let (status, mut profile) = ada.get("/users/me").await;
    assert_eq!(status, StatusCode::OK);
    profile["first_name"] = json!("Ada");
    profile["email"] = json!("Lovelace@Example.com");
    let (status, changed) = ada.put("/users/me", profile).await;
    assert_eq!(status, StatusCode::OK, "{changed}");
    assert_eq!(changed["first_name"], "Ada");
    assert_eq!(changed["email"], "lovelace@example.com");
}

#[actix_web::test]
async fn nobody_makes_themselves_an_administrator() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    let (status, problem) = ada.put("/users/me", json!({"role": "admin"})).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(problem["errors"][0]["code"], "read_only");
}
