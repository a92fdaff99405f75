//! Requests sent again with the same `Idempotency-Key`: they take effect once and are answered alike.

use futures::future::join_all;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::app::{Answer, PASSWORD, Person, Request, TestApp, anonymous, service};

fn create(person: &Person<'_>, key: &str, body: &Value) -> Request {
    let request = person.request(Method::POST, "/services").json(body);
    request.header("idempotency-key", key)
}

fn replayed(answer: &Answer) -> bool {
    answer.header("idempotent-replayed") == Some("true")
}

#[actix_web::test]
async fn the_same_key_and_body_are_answered_as_the_first_time() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    let body = service("db", "database");
    let first = create(&ada, "one", &body).send().await;
    let again = create(&ada, "one", &body).send().await;
    assert_eq!(first.status, StatusCode::CREATED);
    assert_eq!((again.status, again.json()), (first.status, first.json()));
    for name in ["location", "etag"] {
        assert!(first.header(name).is_some(), "{name}");
        assert_eq!(again.header(name), first.header(name));
    }
    assert_eq!((replayed(&first), replayed(&again)), (false, true));
    assert_eq!(ada.get("/services").await.1["total"], 1);
}

#[actix_web::test]
async fn another_body_under_the_same_key_is_refused() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    create(&ada, "one", &service("db", "database")).send().await;
    let other = create(&ada, "one", &service("web", "web_server"))
        .send()
        .await;
    assert_eq!(other.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(other.json()["code"], "idempotency_key_reused");
    assert_eq!(ada.get("/services").await.1["total"], 1);
}

#[actix_web::test]
async fn a_key_belongs_to_the_user_who_sends_it() {
    let app = TestApp::new().await;
    let (ada, eve) = (app.register("ada").await, app.register("eve").await);
    let body = service("db", "database");
    let hers = create(&ada, "one", &body).send().await.json();
    let other = create(&eve, "one", &body).send().await;
    assert_eq!(other.status, StatusCode::CREATED);
    assert_ne!(other.json()["id"], hers["id"]);
}

#[actix_web::test]
async fn the_same_request_many_times_at_once_takes_effect_once() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    let body = service("db", "database");
    let answers = join_all((0..8).map(|_| create(&ada, "one", &body).send())).await;
    let mut made = 0;
    for answer in &answers {
        match answer.status {
            StatusCode::CREATED if replayed(answer) => {}
            StatusCode::CREATED => made += 1,
            _ => assert_eq!(answer.json()["code"], "idempotency_key_in_use"),
        }
    }
    assert_eq!(made, 1);
    assert_eq!(ada.get("/services").await.1["total"], 1);
}

#[actix_web::test]
async fn a_refusal_that_follows_from_the_state_of_things_is_replayed_too() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    let made = ada.service("database").await;
    let body = service("other", "database");
    let first = create(&ada, "one", &body).send().await;
    assert_eq!(first.json()["code"], "type_taken");
    let path = format!("/services/{}", made["id"].as_str().unwrap());
    let removed = ada.request(Method::DELETE, &path).send().await;
    assert_eq!(removed.status, StatusCode::NO_CONTENT);
    let again = create(&ada, "one", &body).send().await;
    assert!(replayed(&again));
    assert_eq!(again.status, StatusCode::CONFLICT);
    assert_eq!(anonymous(again.json()), anonymous(first.json()));
}

#[actix_web::test]
async fn a_request_refused_for_its_form_may_use_its_key_again() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    let wrong = create(&ada, "one", &json!({"name": "db"})).send().await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    let right = create(&ada, "one", &service("db", "database")).send().await;
    assert_eq!(right.status, StatusCode::CREATED);
}

#[actix_web::test]
async fn after_a_day_a_key_is_as_good_as_new() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    create(&ada, "one", &service("db", "database")).send().await;
    let age = "UPDATE idempotency_keys SET created_at = created_at - INTERVAL '25 hours'";
    assert_eq!(app.execute(age, &[]).await, 1);
    let next = create(&ada, "one", &service("web", "web_server"))
        .send()
        .await;
    assert_eq!((next.status, replayed(&next)), (StatusCode::CREATED, false));
}

#[actix_web::test]
async fn a_key_has_1_to_255_visible_characters() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    for key in ["", "a b", "\u{e9}", &"k".repeat(256)] {
        let refused = create(&ada, key, &service("db", "database")).send().await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{key}");
        assert_eq!(
            refused.json()["errors"][0]["code"],
            "invalid_idempotency_key"
        );
    }
    let longest = create(&ada, &"k".repeat(255), &service("db", "database"));
    assert_eq!(longest.send().await.status, StatusCode::CREATED);
}

#[actix_web::test]
async fn a_registration_is_replayed_to_the_same_person_alone() {
    let app = TestApp::new().await;
    let register = |username: &str, password: &str| {
        let body = json!({
            "username": username, "email": format!("{username}@example.com"), "password": password
        });
        let request = app.request(Method::POST, "/auth/register").json(&body);
        request.header("idempotency-key", "one").send()
    };
    let first = register("ada", PASSWORD).await;
    let again = register("ada", PASSWORD).await;
    assert_eq!(
        (again.status, again.json()),
        (StatusCode::CREATED, first.json())
    );
    let guessed = register("ada", "another password of hers").await;
    assert_eq!(guessed.json()["code"], "idempotency_key_reused");
    let other = register("bob", PASSWORD).await;
    assert_eq!(
        (other.status, replayed(&other)),
        (StatusCode::CREATED, false)
    );
}

#[actix_web::test]
async fn tokens_are_never_kept() {
    let app = TestApp::new().await;
    app.register("ada").await;
    let login = || {
        let body = json!({"username": "ada", "password": PASSWORD});
        let request = app.request(Method::POST, "/auth/login").json(&body);
        request.header("idempotency-key", "one").send()
    };
    let (first, second) = (login().await.json(), login().await.json());
    assert_ne!(first["refresh_token"], second["refresh_token"]);
    let kept = app
        .query("SELECT COUNT(*)::text FROM idempotency_keys", &[])
        .await;
    assert_eq!(kept, "0");
}
