//! Signing in under attack: guesses, stolen tokens, and a change of the secret.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::app::{Answer, PASSWORD, TestApp, anonymous, answer};

/// Our peers are proxies, so that a test can come from where it likes.
const BEHIND_PROXIES: (&str, &str) = ("NOMAD_SERVICES__SERVER__TRUSTED_NETWORKS", "127.0.0.0/8");

/// Longer than a test takes on the slowest machine.
const PUT_OFF: (&str, &str) = ("NOMAD_SERVICES__AUTH__THROTTLE__FIRST_DELAY", "10m");

async fn sign_in(app: &TestApp, username: &str, password: &str, from: &str) -> Answer {
    app.request(Method::POST, "/auth/login")
        .header("x-forwarded-for", from)
        .json(&json!({"username": username, "password": password}))
        .send()
        .await
}

async fn guess(app: &TestApp, username: &str, from: &str) -> StatusCode {
    sign_in(app, username, "a wrong guess", from).await.status
}

#[actix_web::test]
async fn guesses_on_two_replicas_are_counted_together_and_put_off() {
    let app = TestApp::with(&[BEHIND_PROXIES, PUT_OFF]).await;
    let replica = app.replica(&[BEHIND_PROXIES, PUT_OFF]).await;
    let ada = app.register("ada").await;
    for (number, server) in [&app, &replica, &app, &replica, &app].iter().enumerate() {
        let from = format!("192.0.2.{number}");
        assert_eq!(guess(server, "ada", &from).await, StatusCode::UNAUTHORIZED);
    }
    for server in [&app, &replica] {
        let put_off = sign_in(server, "ada", PASSWORD, "192.0.2.99").await;
        assert_eq!(put_off.status, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(put_off.json()["code"], "too_many_attempts");
        let seconds: u64 = put_off.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=600).contains(&seconds), "{seconds}");
    }
    // Whoever is signed in does not notice, and a success elsewhere changes nothing.
    assert_eq!(ada.get("/services").await.0, StatusCode::OK);
    app.register("grace").await;
    assert_eq!(
        guess(&replica, "ada", "192.0.2.99").await,
        StatusCode::TOO_MANY_REQUESTS
    );
}

#[actix_web::test]
async fn a_network_its_owner_has_signed_in_from_is_not_kept_out_by_strangers() {
    let app = TestApp::with(&[BEHIND_PROXIES, PUT_OFF]).await;
    app.register("ada").await;
    let home = "198.51.100.7";
    let at_home = sign_in(&app, "ada", PASSWORD, home).await;
    assert_eq!(at_home.status, StatusCode::OK);
    for _ in 0..6 {
        guess(&app, "ada", "192.0.2.1").await;
    }
    assert_eq!(
        sign_in(&app, "ada", PASSWORD, "192.0.2.2").await.status,
        StatusCode::TOO_MANY_REQUESTS
    );
    assert_eq!(
        sign_in(&app, "ada", PASSWORD, home).await.status,
        StatusCode::OK
    );
    // Guesses from there are put off all the same.
    for _ in 0..5 {
        assert_eq!(guess(&app, "ada", home).await, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(
        guess(&app, "ada", home).await,
        StatusCode::TOO_MANY_REQUESTS
    );
}

#[actix_web::test]
async fn an_account_that_does_not_exist_is_put_off_like_one_that_does() {
    let app = TestApp::with(&[BEHIND_PROXIES, PUT_OFF]).await;
    app.register("ada").await;
    let mut seen = Vec::new();
    for (username, from) in [("ada", "192.0.2.1"), ("nobody", "192.0.2.2")] {
        let mut answers = Vec::new();
        for _ in 0..6 {
            let answer = sign_in(&app, username, "a wrong guess", from).await;
            let mut problem = anonymous(answer.json());
            // However long the test has taken by then.
            for text in ["detail", "error"] {
                problem[text] = json!(problem[text].as_str().unwrap().split(';').next());
            }
            answers.push((answer.status, problem));
        }
        seen.push(answers);
    }
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[0][5].0, StatusCode::TOO_MANY_REQUESTS);
}

#[actix_web::test]
async fn guesses_at_many_accounts_from_one_network_are_put_off_and_success_does_not_count() {
    let app = TestApp::with(&[
        BEHIND_PROXIES,
        PUT_OFF,
        ("NOMAD_SERVICES__AUTH__THROTTLE__NETWORK_ATTEMPTS", "4"),
    ])
    .await;
    app.register("ada").await;
    for _ in 0..5 {
        let signed_in = sign_in(&app, "ada", PASSWORD, "2001:db8::1").await;
        assert_eq!(signed_in.status, StatusCode::OK);
    }
    for number in 0..4 {
        // One client with IPv6 has many addresses.
        let from = format!("2001:db8::{number}");
        let username = format!("somebody-{number}");
        assert_eq!(
            guess(&app, &username, &from).await,
            StatusCode::UNAUTHORIZED
        );
    }
    assert_eq!(
        guess(&app, "another", "2001:db8::ffff").await,
        StatusCode::TOO_MANY_REQUESTS
    );
    assert_eq!(
        guess(&app, "another", "2001:db8:0:1::1").await,
        StatusCode::UNAUTHORIZED
    );
}

#[actix_web::test]
async fn guesses_made_at_once_are_counted_before_they_are_verified() {
    let app = TestApp::with(&[PUT_OFF]).await;
    app.register("ada").await;
    let body = json!({"username": "ada", "password": "a wrong guess"});
    let guesses = (0..20).map(|_| {
        let request = app.request(Method::POST, "/auth/login").json(&body);
        answer(request)
    });
    let answers = futures::future::join_all(guesses).await;
    let verified = answers
        .iter()
        .filter(|(status, _)| *status == StatusCode::UNAUTHORIZED);
    assert_eq!(verified.count(), 5, "{answers:?}");
}

#[actix_web::test]
async fn the_delay_grows_up_to_the_most_and_is_forgotten() {
    let app = TestApp::new().await;
    app.register("ada").await;
    let mut delays = Vec::new();
    for _ in 0..17 {
        assert_eq!(guess(&app, "ada", "").await, StatusCode::UNAUTHORIZED);
        // How long the next one would be put off, and then the time passes.
        let delay = "SELECT COALESCE(MAX(round(EXTRACT(EPOCH FROM blocked_until - expires_at + INTERVAL '1 hour')))::text, '') \
             FROM sign_in_throttles";
        delays.push(app.query(delay, &[]).await);
        app.execute("UPDATE sign_in_throttles SET blocked_until = NULL", &[])
            .await;
    }
    let delays: Vec<_> = delays.iter().map(String::as_str).collect();
    assert_eq!(
        delays,
        [
            "", "", "", "", "1", "2", "4", "8", "16", "32", "64", "128", "256", "512", "900",
            "900", "900"
        ]
    );
    app.execute(
        "UPDATE sign_in_throttles SET expires_at = CURRENT_TIMESTAMP",
        &[],
    )
    .await;
    assert_eq!(guess(&app, "ada", "").await, StatusCode::UNAUTHORIZED);
    let attempts =
        "SELECT string_agg(attempts::text, ' ') FROM sign_in_throttles WHERE attempts > 0";
    assert_eq!(app.query(attempts, &[]).await, "1 1");
}

#[actix_web::test]
async fn a_stolen_token_ends_the_session_of_thief_and_owner_and_leaves_a_trace() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    let sessions = ada.get("/users/me/sessions").await.1;
    let session = sessions["sessions"][0]["id"].as_str().unwrap().to_owned();
    let refresh = |token: &Value| app.post("/auth/refresh", json!({"refresh_token": token}));
    let first = json!(ada.refresh_token);
    let (_, second) = refresh(&first).await;
    let (_, third) = refresh(&second["refresh_token"]).await;
    let (status, problem) = refresh(&first).await;
    assert_eq!(
        (status, &problem["code"]),
        (StatusCode::UNAUTHORIZED, &json!("invalid_refresh_token"))
    );
    for token in [&first, &second["refresh_token"], &third["refresh_token"]] {
        assert_eq!(refresh(token).await.0, StatusCode::UNAUTHORIZED);
    }
    for token in [&json!(ada.token), &third["token"]] {
        let request = app.request(Method::GET, "/users/me");
        let request = request.header(
            "authorization",
            format!("Bearer {}", token.as_str().unwrap()),
        );
        assert_eq!(request.send().await.status, StatusCode::UNAUTHORIZED);
    }
    let trace = "SELECT string_agg(user_id || ' ' || tenant_id, ',') FROM audit_logs \
         WHERE action = 'session.reuse_detected' AND resource = $1";
    let expected = format!("{} {}", ada.id(), ada.user["tenant_id"].as_str().unwrap());
    assert_eq!(
        app.query(trace, &[&format!("sessions/{session}")]).await,
        expected
    );
}

#[actix_web::test]
async fn of_two_who_exchange_a_token_at_once_one_gets_a_successor_and_the_session_ends() {
    let app = TestApp::new().await;
    let replica = app.replica(&[]).await;
    let ada = app.register("ada").await;
    let mut client = app.database_client().await;
    let lock = client.transaction().await.unwrap();
    lock.execute("SELECT FROM refresh_tokens FOR UPDATE", &[])
        .await
        .unwrap();
    let body = json!({"refresh_token": ada.refresh_token});
    let refresh =
        |server: &TestApp| answer(server.request(Method::POST, "/auth/refresh").json(&body));
    let release = async {
        app.waiting_for_locks(2).await;
        lock.commit().await.unwrap();
    };
    let (first, second, ()) = futures::join!(refresh(&app), refresh(&replica), release);
    let mut statuses = [first.0.as_u16(), second.0.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 401]);
    let successors = "SELECT COUNT(*) || ' ' || COUNT(*) FILTER (WHERE used_at IS NULL AND revoked_at IS NULL) \
         FROM refresh_tokens r JOIN users u ON u.id = r.user_id WHERE u.username = 'ada'";
    // The one that was exchanged and one successor, which the second use has ended.
    assert_eq!(app.query(successors, &[]).await, "2 0");
}

#[actix_web::test]
async fn tokens_of_the_previous_secret_are_good_and_new_ones_name_the_new() {
    let old = "a secret of a test, with thirty-two bytes";
    let new = "another secret of a test, 32 bytes or more";
    let app = TestApp::new().await;
    let changed = app
        .replica(&[("JWT_SECRET", new), ("JWT_PREVIOUS_SECRET", old)])
        .await;
    let later = app.replica(&[("JWT_SECRET", new)]).await;
    let ada = app.register("ada").await;
    let reads = async |server: &TestApp, token: &str| {
        let request = server.request(Method::GET, "/services");
        let request = request.header("authorization", format!("Bearer {token}"));
        request.send().await.status
    };
    assert_eq!(reads(&changed, &ada.token).await, StatusCode::OK);
    assert_eq!(reads(&later, &ada.token).await, StatusCode::UNAUTHORIZED);
    let again = changed.login("ada").await;
    assert_eq!(reads(&later, &again.token).await, StatusCode::OK);
    let header = |token: &str| token.split('.').next().unwrap().to_owned();
    assert_ne!(header(&again.token), header(&ada.token));
    // The session goes on across the change.
    let refresh = json!({"refresh_token": ada.refresh_token});
    assert_eq!(later.post("/auth/refresh", refresh).await.0, StatusCode::OK);
}

#[actix_web::test]
async fn an_attempt_leaves_an_event_whether_it_succeeds_or_not() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    for (username, password) in [("ada", "a wrong guess"), ("nobody", PASSWORD)] {
        let body = json!({"username": username, "password": password});
        assert_eq!(
            app.post("/auth/login", body).await.0,
            StatusCode::UNAUTHORIZED
        );
    }
    let trail = app.audited(&format!("users/{}", ada.id())).await;
    assert_eq!(trail, "user.create user.login user.login_refused");
    assert_eq!(app.audited("users").await, "user.login_refused");
}
