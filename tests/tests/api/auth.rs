use reqwest::StatusCode;
use serde_json::json;

use crate::app::{PASSWORD, TestApp, anonymous};

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
    let slugs = app
        .query(
            "SELECT string_agg(slug, ' ' ORDER BY created_at) FROM tenants",
            &[],
        )
        .await;
    let (first, second) = slugs.split_once(' ').unwrap();
    assert_eq!(first, "acme");
    let suffix = second.strip_prefix("acme-").unwrap();
    assert_eq!(suffix.len(), 6, "{second}");
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
async fn unknown_user_wrong_password_and_inactive_user_are_answered_alike() {
    let app = TestApp::new().await;
    let (ada, root) = (app.register("ada").await, app.administrator("root").await);
    app.register("bob").await;
    app.register("cid").await;
    let older = bcrypt::hash(PASSWORD, 4).unwrap();
    let update = "UPDATE users SET password = $1 WHERE username = 'cid'";
    app.execute(update, &[&older]).await;
    app.member(&ada, "grace", "tenant_admin").await;
    let path = format!("/admin/users/{}/deactivate", ada.id());
    assert_eq!(root.put(&path, json!({})).await.0, StatusCode::OK);
    let mut answers = Vec::new();
    for (username, password) in [
        ("bob", "wrong"),
        ("cid", "wrong"),
        ("eve", PASSWORD),
        ("ada", PASSWORD),
    ] {
        let body = json!({"username": username, "password": password});
        let (status, problem) = app.post("/auth/login", body).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
        answers.push(anonymous(problem));
    }
    assert_eq!(answers[0]["code"], "invalid_credentials");
    assert!(
        answers.iter().all(|answer| *answer == answers[0]),
        "{answers:?}"
    );
}

#[actix_web::test]
async fn a_password_has_15_to_256_characters_and_any_of_them() {
    let app = TestApp::new().await;
    let register = |name: &'static str, password: String| {
        let email = format!("{name}@example.com");
        app.post(
            "/auth/register",
            json!({"username": name, "email": email, "password": password}),
        )
    };
    for (name, password) in [("short", "x".repeat(14)), ("long", "x".repeat(257))] {
        let (status, problem) = register(name, password).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(problem["errors"][0]["pointer"], "#/password");
        assert_eq!(
            problem["errors"][0]["detail"],
            "must have 15 to 256 characters"
        );
    }
    for (name, password) in [
        ("least", "\u{1f98a} \u{e9}\n\t'\";--%$\\ x".to_owned()),
        ("most", "\u{1f98a}".repeat(256)),
    ] {
        let (status, answer) = register(name, password.clone()).await;
        assert_eq!(status, StatusCode::CREATED, "{answer}");
        let signed_in = json!({"username": name, "password": password});
        assert_eq!(app.post("/auth/login", signed_in).await.0, StatusCode::OK);
    }
}

#[actix_web::test]
async fn a_bcrypt_hash_of_a_short_password_signs_in_and_is_replaced() {
    let app = TestApp::new().await;
    app.register("ada").await;
    // As the service being replaced has stored it.
    let stored = bcrypt::hash("secret", 4).unwrap();
    app.execute(
        "UPDATE users SET password = $1 WHERE username = 'ada'",
        &[&stored],
    )
    .await;
    let body = json!({"username": "ada", "password": "secret"});
    assert_eq!(
        app.post("/auth/login", body.clone()).await.0,
        StatusCode::OK
    );
    let read = "SELECT password FROM users WHERE username = 'ada'";
    let replaced = app.query(read, &[]).await;
    assert!(replaced.starts_with("$argon2id$"), "{replaced}");
    assert_eq!(app.post("/auth/login", body).await.0, StatusCode::OK);
    assert_eq!(app.query(read, &[]).await, replaced);
}

#[actix_web::test]
async fn a_tenant_is_named_after_its_first_user_unless_it_has_a_name() {
    let app = TestApp::new().await;
    for (username, tenant_name, name, slug) in [
        ("ada", None, "ada", "ada"),
        (
            "bob",
            Some("Ac\u{e9}me & Co"),
            "Ac\u{e9}me & Co",
            "aceme-co",
        ),
    ] {
        let mut body = json!({
            "username": username, "email": format!("{username}@example.com"), "password": PASSWORD
        });
        if let Some(tenant_name) = tenant_name {
            body["tenant_name"] = json!(tenant_name);
        }
        assert_eq!(
            app.post("/auth/register", body).await.0,
            StatusCode::CREATED
        );
        let read = "SELECT t.name || ' / ' || t.slug || ' / ' || t.plan || ' / ' || s.status \
             FROM tenants t JOIN users u ON u.tenant_id = t.id JOIN subscriptions s ON s.tenant_id = t.id \
             WHERE u.username = $1";
        let found = app.query(read, &[&username]).await;
        assert_eq!(found, format!("{name} / {slug} / free / active"));
    }
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
