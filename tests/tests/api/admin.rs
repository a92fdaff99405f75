use reqwest::StatusCode;
use serde_json::json;

use crate::app::TestApp;

#[actix_web::test]
async fn an_administrator_lists_users_of_every_tenant_page_by_page() {
    let app = TestApp::new().await;
    app.register("ada").await;
    app.register("bob").await;
    let root = app.administrator("root").await;
    let (status, page) = root.get("/admin/users?limit=2").await;
    assert_eq!((status, &page["total"]), (StatusCode::OK, &json!(3)));
    let cursor = page["next_cursor"].as_str().unwrap();
    let (_, last) = root
        .get(&format!("/admin/users?limit=2&cursor={cursor}"))
        .await;
    assert_eq!(last["users"][0]["username"], "ada");
    assert_eq!(
        root.get("/admin/users?offset=2").await.1["users"],
        last["users"]
    );
}

#[actix_web::test]
async fn nobody_else_does() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    assert_eq!(ada.get("/admin/users").await.0, StatusCode::FORBIDDEN);
    let own = format!("/admin/users/{}/role", ada.user["id"].as_str().unwrap());
    assert_eq!(
        ada.put(&own, json!({"role": "admin"})).await.0,
        StatusCode::FORBIDDEN
    );
}

#[actix_web::test]
async fn a_deactivated_user_is_refused_at_the_next_request_and_can_come_back() {
    let app = TestApp::new().await;
    let (ada, root) = (app.register("ada").await, app.administrator("root").await);
    app.member(&ada, "grace", "tenant_admin").await;
    let path = format!("/admin/users/{}", ada.user["id"].as_str().unwrap());
    let (status, user) = root.put(&format!("{path}/deactivate"), json!({})).await;
    assert_eq!(
        (status, &user["is_active"]),
        (StatusCode::OK, &json!(false))
    );
    assert_eq!(ada.get("/services").await.0, StatusCode::UNAUTHORIZED);
    let refresh = json!({"refresh_token": ada.refresh_token});
    assert_eq!(
        app.post("/auth/refresh", refresh).await.0,
        StatusCode::UNAUTHORIZED
    );

    assert_eq!(
        root.put(&format!("{path}/activate"), json!({})).await.0,
        StatusCode::OK
    );
    // What was ended stays ended.
    assert_eq!(ada.get("/services").await.0, StatusCode::UNAUTHORIZED);
    let again = app.login("ada").await;
    assert_eq!(again.get("/services").await.0, StatusCode::OK);
}

#[actix_web::test]
async fn a_role_fits_whether_the_user_has_a_tenant() {
    let app = TestApp::new().await;
    let (ada, root) = (app.register("ada").await, app.administrator("root").await);
    app.member(&ada, "grace", "tenant_admin").await;
    let path = format!("/admin/users/{}/role", ada.user["id"].as_str().unwrap());
    assert_eq!(
        root.put(&path, json!({"role": "user"})).await.1["role"],
        "user"
    );
    assert_eq!(
        root.put(&path, json!({"role": "admin"})).await.0,
        StatusCode::CONFLICT
    );
    let (status, problem) = root.put(&path, json!({"role": "king"})).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(problem["errors"][0]["pointer"], "#/role");
}
