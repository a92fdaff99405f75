//! How answers are sent: not again where the client has them, at the path with a slash at its end, too, and compressed where
//! that is wanted and safe.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::app::{Answer, Person, Request, TestApp};

/// More than what is sent as it is.
const LONG: usize = 2000;

async fn sent(request: Request) -> Answer {
    request.send().await
}

async fn compressed(request: Request) -> Answer {
    sent(request.header("accept-encoding", "gzip")).await
}

/// A service whose answer is long.
async fn long_service(ada: &Person<'_>) -> String {
    let mut body = crate::app::service("long", "custom");
    body["description"] = json!("x".repeat(LONG));
    let (status, service) = ada.post("/services", body).await;
    assert_eq!(status, StatusCode::CREATED, "{service}");
    format!("/services/{}", service["id"].as_str().unwrap())
}

#[actix_web::test]
async fn what_a_client_has_in_its_current_version_is_not_sent_again() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    let service = long_service(&ada).await;
    let read = ada.request(Method::GET, &service).send().await;
    let tag = read.header("etag").unwrap().to_owned();
    for known in [
        tag.clone(),
        format!("W/{tag}"),
        format!("\"other\", {tag}"),
        format!("{tag},\"other\""),
        "*".to_owned(),
    ] {
        for method in [Method::GET, Method::HEAD] {
            let request = ada.request(method, &service);
            let answer = sent(request.header("if-none-match", &known)).await;
            assert_eq!(answer.status, StatusCode::NOT_MODIFIED, "{known}");
            assert_eq!(answer.header("etag"), Some(tag.as_str()), "{known}");
            assert_eq!(answer.sent, 0, "{known}");
        }
    }
    let request = ada.request(Method::GET, &service);
    let (one, another) = ("\"other\"", tag.as_str());
    let in_two_lines = request
        .header("if-none-match", one)
        .header("if-none-match", another);
    assert_eq!(sent(in_two_lines).await.status, StatusCode::NOT_MODIFIED);

    for other in ["\"other\"", "other", "", &tag[1..tag.len() - 1]] {
        let request = ada.request(Method::GET, &service);
        let answer = sent(request.header("if-none-match", other)).await;
        assert_eq!(answer.status, StatusCode::OK, "{other}");
    }
    ada.patch(&service, json!({"description": "changed"})).await;
    let request = ada.request(Method::GET, &service);
    let changed = sent(request.header("if-none-match", &tag)).await;
    assert_eq!(changed.status, StatusCode::OK);
    assert_eq!(changed.json()["description"], "changed");
}

#[actix_web::test]
async fn what_may_not_be_read_is_refused_whatever_the_client_has() {
    let app = TestApp::new().await;
    let (ada, eve) = (app.register("ada").await, app.register("eve").await);
    let service = long_service(&ada).await;
    let request = eve.request(Method::GET, &service);
    let refused = sent(request.header("if-none-match", "*")).await;
    assert_eq!(refused.status, StatusCode::NOT_FOUND);
}

#[actix_web::test]
async fn a_change_names_any_of_the_versions_it_may_be_of() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    let service = long_service(&ada).await;
    let change = async |of: &str, description: &str| {
        let request = ada.request(Method::PATCH, &service).header("if-match", of);
        let answer = request.json(&json!({"description": description})).send();
        answer.await.status
    };
    let tag = async || {
        let read = ada.request(Method::GET, &service).send().await;
        read.header("etag").unwrap().to_owned()
    };
    let first = tag().await;
    assert_eq!(
        change(&format!("\"other\", {first}"), "b").await,
        StatusCode::OK
    );
    for stale in [
        first.clone(),
        format!("{first}, \"other\""),
        // A weak tag says of no bytes that they are the same.
        format!("W/{}", tag().await),
    ] {
        assert_eq!(
            change(&stale, "c").await,
            StatusCode::PRECONDITION_FAILED,
            "{stale}"
        );
    }
}

#[actix_web::test]
async fn a_slash_at_the_end_means_the_same_path() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    let body = crate::app::service("orders", "database");
    let create = async |path: &str| {
        let request = ada.request(Method::POST, path);
        let request = request.header("idempotency-key", "one").json(&body);
        request.send().await
    };
    let made = create("/services/").await;
    assert_eq!(made.status, StatusCode::CREATED);
    let again = create("/services").await;
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    let location = made.header("location").unwrap();
    let read = ada
        .at_root(Method::GET, &format!("{location}/"))
        .send()
        .await;
    assert_eq!((read.status, &read.json()), (StatusCode::OK, &made.json()));
    let (status, page) = ada.get("/services/?limit=1").await;
    assert_eq!((status, &page["total"]), (StatusCode::OK, &json!(1)));
    let health = app.at_root(Method::GET, "/health/").send().await;
    assert_eq!(health.status, StatusCode::OK);
    let unknown = ada.get("/services//").await;
    assert_eq!(unknown.0, StatusCode::NOT_FOUND);
    let refused = app.request(Method::GET, "/services/").send().await;
    assert_eq!(refused.json()["instance"], "/api/v1/services");
}

#[actix_web::test]
async fn a_long_answer_is_compressed_for_clients_that_can_read_that() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    let service = long_service(&ada).await;
    let read = || ada.request(Method::GET, &service);
    let plain = sent(read()).await;
    for accepted in ["gzip", "br, gzip;q=0.5", "deflate, gzip, identity;q=0.1"] {
        let answer = sent(read().header("accept-encoding", accepted)).await;
        assert_eq!(
            answer.header("content-encoding"),
            Some("gzip"),
            "{accepted}"
        );
        assert!(answer.sent < LONG / 4, "{}", answer.sent);
        assert_eq!(answer.json(), plain.json());
        assert!(answer.header("vary").unwrap().contains("accept-encoding"));
    }
    for accepted in ["identity", "br", "gzip;q=0", ""] {
        let answer = sent(read().header("accept-encoding", accepted)).await;
        assert_eq!(answer.header("content-encoding"), None, "{accepted}");
        assert_eq!(answer.bytes, plain.bytes);
    }
    assert!(plain.header("vary").unwrap().contains("accept-encoding"));

    let description = app.request(Method::GET, "/openapi.json");
    let description = compressed(description).await;
    assert_eq!(description.header("content-encoding"), Some("gzip"));
    assert!(description.sent < description.bytes.len() / 4);

    let mut refused = json!({"name": "many", "type": "custom", "config": {}});
    for number in 0..100 {
        refused[format!("unknown{number}")] = json!(number);
    }
    let problem = compressed(ada.request(Method::POST, "/services").json(&refused)).await;
    assert_eq!(problem.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(problem.header("content-encoding"), Some("gzip"));
}

#[actix_web::test]
async fn a_short_answer_and_a_stream_are_sent_as_they_are() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    for _ in 0..20 {
        ada.put("/users/me", json!({"first_name": "x".repeat(200)}))
            .await;
    }
    for request in [
        ada.request(Method::GET, "/users/me"),
        ada.at_root(Method::GET, "/health"),
        ada.request(Method::GET, "/audit-logs/export"),
    ] {
        let answer = compressed(request).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.header("content-encoding"), None);
    }
}

#[actix_web::test]
async fn the_tag_of_what_was_sent_compressed_stands_for_the_same_version() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    let service = long_service(&ada).await;
    let read = || ada.request(Method::GET, &service);
    let plain = sent(read()).await.header("etag").unwrap().to_owned();
    let tag = compressed(read()).await.header("etag").unwrap().to_owned();
    assert_ne!(tag, plain, "other bytes have another strong tag");
    for known in [&tag, &plain] {
        let answer = compressed(read().header("if-none-match", known)).await;
        assert_eq!(answer.status, StatusCode::NOT_MODIFIED);
        assert_eq!(answer.header("etag"), Some(tag.as_str()));
    }
    let change = ada
        .request(Method::PATCH, &service)
        .header("if-match", &tag);
    let changed = compressed(change.json(&json!({"name": "renamed"}))).await;
    assert_eq!(changed.status, StatusCode::OK);
    let stale = ada
        .request(Method::PATCH, &service)
        .header("if-match", &tag);
    let stale = sent(stale.json(&json!({"name": "again"}))).await;
    assert_eq!(stale.status, StatusCode::PRECONDITION_FAILED);
}

#[actix_web::test]
async fn an_answer_that_holds_a_secret_is_never_compressed() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    let long_name = json!({"first_name": "x".repeat(255), "last_name": "y".repeat(255)});
    ada.put("/users/me", long_name).await;
    let networks: Vec<_> = (0..32)
        .map(|number| format!("192.0.{number}.0/24"))
        .collect();
    let mut service = crate::app::service("secrets", "custom");
    service["config"]["environment"] = json!({"PASSWORD": "z".repeat(LONG)});
    let (_, service) = ada.post("/services", service).await;
    let id = service["id"].as_str().unwrap();
    let asked: [(&str, Value); 4] = [
        (
            "/auth/login",
            json!({"username": "ada", "password": crate::app::PASSWORD}),
        ),
        ("/auth/refresh", json!({"refresh_token": ada.refresh_token})),
        (
            "/api-keys",
            json!({"name": "k".repeat(255), "scopes": ["read"], "allowed_networks": networks}),
        ),
        (
            &format!("/services/{id}/reveal"),
            json!({"pointers": ["/config/environment/PASSWORD"]}),
        ),
    ];
    for (path, body) in asked {
        let answer = compressed(ada.request(Method::POST, path).json(&body)).await;
        assert!(answer.status.is_success(), "{path}: {}", answer.json());
        assert!(answer.sent > 1024, "{path}: {} bytes", answer.sent);
        assert_eq!(answer.header("content-encoding"), None, "{path}");
    }
}
