use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::app::{PASSWORD, Person, TestApp, answer};

const NEW: &str = "battery staple correct";

impl Person<'_> {
    async fn changes_password(&self, current: &str, new: &str) -> (StatusCode, Value) {
        let body = json!({"current_password": current, "new_password": new});
        self.post("/users/me/password", body).await
    }

    async fn sessions(&self) -> Vec<Value> {
        let (status, list) = self.get("/users/me/sessions").await;
        assert_eq!(status, StatusCode::OK, "{list}");
        list["sessions"].as_array().unwrap().clone()
    }
}

#[actix_web::test]
async fn another_password_ends_every_other_session() {
    let app = TestApp::new().await;
    let (here, there) = (app.register("ada").await, app.login("ada").await);
    assert_eq!(
        here.changes_password(PASSWORD, NEW).await.0,
        StatusCode::NO_CONTENT
    );
    assert_eq!(here.get("/users/me").await.0, StatusCode::OK);
    assert_eq!(there.get("/users/me").await.0, StatusCode::UNAUTHORIZED);
    let refresh = |person: &Person<'_>| json!({"refresh_token": person.refresh_token});
    assert_eq!(
        app.post("/auth/refresh", refresh(&there)).await.0,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        app.post("/auth/refresh", refresh(&here)).await.0,
        StatusCode::OK
    );
    let sign_in = |password: &str| json!({"username": "ada", "password": password});
    assert_eq!(
        app.post("/auth/login", sign_in(PASSWORD)).await.0,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        app.post("/auth/login", sign_in(NEW)).await.0,
        StatusCode::OK
    );
    let trail = app.audited(&format!("users/{}", here.id())).await;
    assert!(trail.contains("user.password_change"), "{trail}");
}

#[actix_web::test]
async fn a_password_that_is_not_allowed_is_refused_by_the_rule_it_breaks() {
    let app = TestApp::new().await;
    let body = json!({
        "username": "ada.lovelace.1815", "email": "countess-of-lovelace@example.com", "password": PASSWORD,
        "tenant_name": "Analytical Engines"
    });
    assert_eq!(
        app.post("/auth/register", body).await.0,
        StatusCode::CREATED
    );
    let ada = app.login("ada.lovelace.1815").await;
    for (new, code) in [
        ("too short", "invalid_password"),
        (&"x".repeat(257), "invalid_password"),
        ("PasswordPassword", "common_password"),
        ("Ada.Lovelace.1815", "password_is_a_name"),
        ("countess-of-lovelace", "password_is_a_name"),
        ("Countess-of-Lovelace@example.com", "password_is_a_name"),
        ("analytical engines", "password_is_a_name"),
        (PASSWORD, "unchanged"),
    ] {
        let (status, problem) = ada.changes_password(PASSWORD, new).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{problem}");
        let error = &problem["errors"][0];
        assert_eq!(
            (error["pointer"].as_str(), error["code"].as_str()),
            (Some("#/new_password"), Some(code)),
            "{new}"
        );
        assert!(!problem.to_string().contains(new), "{problem}");
    }
    for password in [
        "iloveyouiloveyou",
        "Grace.Hopper@example.com",
        "grace hopper inc",
    ] {
        let body = json!({
            "username": "grace", "email": "grace.hopper@example.com", "password": password, "tenant_name": "Grace Hopper Inc"
        });
        let (status, problem) = app.post("/auth/register", body).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{password}");
        assert_eq!(problem["errors"][0]["pointer"], "#/password");
    }
}

#[actix_web::test]
async fn a_password_may_be_long_and_hold_anything_and_is_the_same_in_every_form_of_unicode() {
    let app = TestApp::new().await;
    let mut ada = app.register("ada").await;
    let mut current = PASSWORD.to_owned();
    for (chosen, typed) in [
        ("z".repeat(64), "z".repeat(64)),
        (
            "  zwei  Worte  davor  ".to_owned(),
            "  zwei  Worte  davor  ".to_owned(),
        ),
        (
            "u\u{308}ber den Wolken fliegen".to_owned(),
            "\u{fc}ber den Wolken fliegen".to_owned(),
        ),
    ] {
        let (status, problem) = ada.changes_password(&current, &chosen).await;
        assert_eq!(status, StatusCode::NO_CONTENT, "{problem}");
        for password in [&chosen, &typed] {
            let body = json!({"username": "ada", "password": password});
            let (status, session) = app.post("/auth/login", body).await;
            assert_eq!(status, StatusCode::OK, "{session}");
            ada.token = session["token"].as_str().unwrap().to_owned();
        }
        current = typed;
    }
}

#[actix_web::test]
async fn guesses_of_the_current_password_are_put_off_and_change_nothing() {
    let put_off = ("NOMAD_SERVICES__AUTH__THROTTLE__FIRST_DELAY", "10m");
    let app = TestApp::with(&[put_off]).await;
    let ada = app.register("ada").await;
    for _ in 0..5 {
        let (status, problem) = ada.changes_password("a wrong guess", NEW).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(problem["errors"][0]["code"], "wrong_password");
    }
    let (status, problem) = ada.changes_password(PASSWORD, NEW).await;
    assert_eq!(
        (status, &problem["code"]),
        (StatusCode::TOO_MANY_REQUESTS, &json!("too_many_attempts"))
    );
    // Who is signed in goes on, and signing in with the right one is not affected.
    assert_eq!(ada.get("/users/me").await.0, StatusCode::OK);
    app.login("ada").await;
}

#[actix_web::test]
async fn a_change_that_is_sent_again_with_its_key_is_answered_again() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    let body = json!({"current_password": PASSWORD, "new_password": NEW});
    for _ in 0..2 {
        let request = ada.request(Method::POST, "/users/me/password");
        let request = request.header("idempotency-key", "once").json(&body);
        let (status, answer) = answer(request).await;
        assert_eq!((status, &answer), (StatusCode::NO_CONTENT, &Value::Null));
    }
}

#[actix_web::test]
async fn sessions_are_listed_with_where_they_are_and_end_one_by_one() {
    let app = TestApp::new().await;
    let (here, eve) = (app.register("ada").await, app.register("eve").await);
    let sign_in = app
        .request(Method::POST, "/auth/login")
        .header("user-agent", "a phone")
        .json(&json!({"username": "ada", "password": PASSWORD}));
    let (_, there) = answer(sign_in).await;

    let sessions = here.sessions().await;
    assert_eq!(sessions.len(), 2);
    let (phone, own) = (&sessions[0], &sessions[1]);
    assert_eq!(
        (
            &phone["user_agent"],
            &phone["ip_address"],
            &phone["is_current"]
        ),
        (&json!("a phone"), &json!("127.0.0.1"), &json!(false))
    );
    assert_eq!(own["is_current"], true);

    let path = format!("/users/me/sessions/{}", phone["id"].as_str().unwrap());
    assert_eq!(eve.delete(&path).await.0, StatusCode::NOT_FOUND);
    assert_eq!(here.delete(&path).await.0, StatusCode::NO_CONTENT);
    assert_eq!(here.delete(&path).await.0, StatusCode::NOT_FOUND);
    let token = there["token"].as_str().unwrap();
    let asked = app.request(Method::GET, "/users/me");
    let asked = asked.header("authorization", format!("Bearer {token}"));
    assert_eq!(asked.send().await.status, StatusCode::UNAUTHORIZED);
    let refresh = json!({"refresh_token": there["refresh_token"]});
    assert_eq!(
        app.post("/auth/refresh", refresh).await.0,
        StatusCode::UNAUTHORIZED
    );

    let own = format!("/users/me/sessions/{}", own["id"].as_str().unwrap());
    assert_eq!(here.delete(&own).await.0, StatusCode::NO_CONTENT);
    assert_eq!(here.get("/users/me").await.0, StatusCode::UNAUTHORIZED);
}

#[actix_web::test]
async fn an_exchanged_token_stays_in_its_session() {
    let app = TestApp::new().await;
    let mut ada = app.register("ada").await;
    let before = ada.sessions().await;
    let refresh = json!({"refresh_token": ada.refresh_token});
    let (_, next) = app.post("/auth/refresh", refresh).await;
    // The token that was issued before is as good as the session is.
    let after = ada.sessions().await;
    assert_eq!(after.len(), 1);
    assert_eq!(
        (&after[0]["id"], &after[0]["created_at"]),
        (&before[0]["id"], &before[0]["created_at"])
    );
    assert_ne!(after[0]["last_used_at"], before[0]["last_used_at"]);
    ada.token = next["token"].as_str().unwrap().to_owned();
    assert_eq!(ada.sessions().await[0]["is_current"], true);
}

#[actix_web::test]
async fn signing_out_ends_the_access_token_as_well() {
    let app = TestApp::new().await;
    let (here, there) = (app.register("ada").await, app.login("ada").await);
    let ended = json!({"refresh_token": here.refresh_token});
    assert_eq!(
        app.post("/auth/logout", ended).await.0,
        StatusCode::NO_CONTENT
    );
    assert_eq!(here.get("/services").await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(there.get("/services").await.0, StatusCode::OK);
}

#[actix_web::test]
async fn a_platform_administrator_has_sessions_and_a_password_too() {
    let app = TestApp::new().await;
    let (root, again) = (app.administrator("root").await, app.login("root").await);
    // One is from before it was an administrator.
    assert_eq!(root.sessions().await.len(), 3);
    assert_eq!(
        root.changes_password(PASSWORD, NEW).await.0,
        StatusCode::NO_CONTENT
    );
    assert_eq!(root.sessions().await.len(), 1);
    assert_eq!(again.get("/admin/users").await.0, StatusCode::UNAUTHORIZED);
}
