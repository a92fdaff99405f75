use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::app::{PASSWORD, Person, TestApp, anonymous, answer};

async fn invite(by: &Person<'_>, role: &str) -> Value {
    let body = json!({"email": "Grace@Example.com", "role": role});
    let (status, invitation) = by.post("/invitations", body).await;
    assert_eq!(status, StatusCode::CREATED, "{invitation}");
    invitation
}

async fn accept(app: &TestApp, invitation: &Value) -> (StatusCode, Value) {
    let body = json!({"token": invitation["token"], "username": "grace", "password": PASSWORD, "first_name": "Grace"});
    app.post("/invitations/accept", body).await
}

fn path(invitation: &Value) -> String {
    format!("/invitations/{}", invitation["id"].as_str().unwrap())
}

#[actix_web::test]
async fn whoever_has_the_token_joins_the_tenant_once() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    let invitation = invite(&ada, "user").await;
    let (_, read) = ada.get(&path(&invitation)).await;
    assert!(read.get("token").is_none());
    let (status, joined) = accept(&app, &invitation).await;
    assert_eq!(status, StatusCode::CREATED, "{joined}");
    let grace = &joined["user"];
    assert_eq!(
        (&grace["email"], &grace["role"], &grace["tenant_id"]),
        (
            &json!("grace@example.com"),
            &json!("user"),
            &ada.user["tenant_id"]
        )
    );
    app.login("grace").await;
    assert!(ada.get(&path(&invitation)).await.1["accepted_at"].is_string());

    let again = json!({"token": invitation["token"], "username": "hopper", "password": PASSWORD});
    let (status, problem) = app.post("/invitations/accept", again).await;
    assert_eq!(
        (status, &problem["code"]),
        (StatusCode::UNAUTHORIZED, &json!("invalid_invitation"))
    );
    let (status, problem) = ada.delete(&path(&invitation)).await;
    assert_eq!(
        (status, &problem["code"]),
        (StatusCode::CONFLICT, &json!("invitation_accepted"))
    );
    let trail = app
        .audited(&format!("users/{}", grace["id"].as_str().unwrap()))
        .await;
    assert!(trail.starts_with("user.create"), "{trail}");
}

#[actix_web::test]
async fn the_token_is_nowhere_in_clear_text_and_not_in_an_answer_that_is_repeated() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    let body = json!({"email": "grace@example.com", "role": "user"});
    let send = || {
        let request = ada.request(Method::POST, "/invitations");
        answer(request.header("idempotency-key", "once").json(&body))
    };
    let ((_, first), (_, again)) = (send().await, send().await);
    assert_eq!(first["id"], again["id"]);
    assert!(again.get("token").is_none());
    let token = first["token"].as_str().unwrap();
    let everything = "SELECT string_agg(t, ' ') FROM (SELECT row_to_json(i)::text AS t FROM invitations i \
         UNION ALL SELECT row_to_json(a)::text FROM audit_logs a UNION ALL SELECT row_to_json(k)::text FROM idempotency_keys k) AS e";
    assert!(!app.query(everything, &[]).await.contains(token));
}

#[actix_web::test]
async fn an_invitation_that_stands_no_more_is_refused_whatever_the_reason() {
    let app = TestApp::new().await;
    let (ada, root) = (app.register("ada").await, app.administrator("root").await);
    let grace = app.member(&ada, "hopper", "tenant_admin").await;
    let member = format!("/users/{}", grace.id());
    let mut refusals = vec![accept(&app, &json!({"token": "unknown"})).await];

    let withdrawn = invite(&ada, "user").await;
    assert_eq!(
        ada.delete(&path(&withdrawn)).await.0,
        StatusCode::NO_CONTENT
    );
    refusals.push(accept(&app, &withdrawn).await);

    let expired = invite(&ada, "user").await;
    let id: uuid::Uuid = expired["id"].as_str().unwrap().parse().unwrap();
    let expire = "UPDATE invitations SET expires_at = CURRENT_TIMESTAMP WHERE id = $1";
    app.execute(expire, &[&id]).await;
    refusals.push(accept(&app, &expired).await);

    // Whoever was demoted could not invite any more.
    let demoted = invite(&grace, "user").await;
    assert_eq!(
        ada.patch(&member, json!({"role": "user"})).await.0,
        StatusCode::OK
    );
    refusals.push(accept(&app, &demoted).await);
    assert_eq!(
        ada.patch(&member, json!({"role": "tenant_admin", "is_active": false}))
            .await
            .0,
        StatusCode::OK
    );
    refusals.push(accept(&app, &demoted).await);

    let suspended = invite(&ada, "user").await;
    let tenant = format!(
        "/admin/tenants/{}/suspend",
        ada.user["tenant_id"].as_str().unwrap()
    );
    assert_eq!(
        answer(root.request(Method::POST, &tenant)).await.0,
        StatusCode::OK
    );
    refusals.push(accept(&app, &suspended).await);

    for (status, problem) in &refusals {
        assert_eq!(
            (*status, &problem["code"]),
            (StatusCode::UNAUTHORIZED, &json!("invalid_invitation"))
        );
        assert_eq!(anonymous(problem.clone()), anonymous(refusals[0].1.clone()));
    }
}

#[actix_web::test]
async fn nobody_invites_somebody_who_may_more_and_nobody_joins_as_more() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    let grace = app.member(&ada, "hopper", "user").await;
    let body = |role: &str| json!({"email": "eve@example.com", "role": role});
    assert_eq!(
        grace.post("/invitations", body("user")).await.0,
        StatusCode::FORBIDDEN
    );
    assert_eq!(grace.get("/invitations").await.0, StatusCode::FORBIDDEN);
    let (status, problem) = ada.post("/invitations", body("admin")).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(problem["errors"][0]["pointer"], "#/role");
    let invitation = invite(&ada, "user").await;
    for (name, value) in [
        ("role", json!("tenant_admin")),
        ("email", json!("eve@example.com")),
        ("tenant_id", json!(null)),
    ] {
        let mut body =
            json!({"token": invitation["token"], "username": "grace", "password": PASSWORD});
        body[name] = value;
        let (status, problem) = app.post("/invitations/accept", body).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(problem["errors"][0]["pointer"], format!("#/{name}"));
    }
    let named =
        json!({"token": invitation["token"], "username": "grace", "password": "Grace@Example.Com"});
    let (status, problem) = app.post("/invitations/accept", named).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(problem["errors"][0]["code"], "password_is_a_name");
    // Nothing of that used the token up.
    assert_eq!(accept(&app, &invitation).await.0, StatusCode::CREATED);
}

#[actix_web::test]
async fn two_who_accept_at_once_are_one_member() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    let invitation = invite(&ada, "user").await;
    let join = |username: &str| {
        let body =
            json!({"token": invitation["token"], "username": username, "password": PASSWORD});
        let request = app.request(Method::POST, "/invitations/accept").json(&body);
        answer(request)
    };
    let ((first, _), (second, _)) = futures::join!(join("grace"), join("hopper"));
    let mut statuses = [first.as_u16(), second.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 401]);
    assert_eq!(ada.get("/users").await.1["total"], 2);
}
