//! What happens before any route: which web pages may call, and how long a request may take to arrive.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::app::{Answer, TestApp};

const OURS: &str = "https://console.example";
const THEIRS: &str = "https://elsewhere.example";

/// Generous, because it only bounds a test that fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a browser asks before a page of `origin` may send a request that is not simple.
async fn preflight(app: &TestApp, origin: &str) -> Answer {
    let request = app.request(Method::OPTIONS, "/services");
    request
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .header(
            "access-control-request-headers",
            "authorization,content-type",
        )
        .send()
        .await
}

async fn call(app: &TestApp, origin: &str) -> Answer {
    let request = app.at_root(Method::GET, "/health");
    request.header("origin", origin).send().await
}

/// Whom a browser lets read the answer.
fn allowed(answer: &Answer) -> Option<&str> {
    assert_eq!(answer.header("access-control-allow-credentials"), None);
    answer.header("access-control-allow-origin")
}

#[actix_web::test]
async fn no_web_page_may_call_unless_its_origin_is_listed() {
    let app = TestApp::new().await;
    let asked = preflight(&app, OURS).await;
    assert_eq!(asked.status, StatusCode::NO_CONTENT);
    assert_eq!(allowed(&asked), None);
    let answer = call(&app, OURS).await;
    assert_eq!((answer.status, allowed(&answer)), (StatusCode::OK, None));
}

#[actix_web::test]
async fn pages_of_a_listed_origin_may_call_and_no_others() {
    let app = TestApp::with(&[("CORS_ORIGINS", &format!("{OURS},http://localhost:3000"))]).await;
    let asked = preflight(&app, OURS).await;
    assert_eq!(asked.status, StatusCode::OK);
    assert_eq!(allowed(&asked), Some(OURS));
    assert!(
        asked
            .header("access-control-allow-methods")
            .unwrap()
            .contains("POST")
    );
    let headers = asked.header("access-control-allow-headers").unwrap();
    let headers = headers.to_lowercase();
    assert!(headers.contains("authorization") && headers.contains("content-type"));
    let answer = call(&app, OURS).await;
    assert_eq!(allowed(&answer), Some(OURS));
    let readable = answer.header("access-control-expose-headers").unwrap();
    for header in ["etag", "location", "retry-after", "x-request-id"] {
        assert!(readable.to_lowercase().contains(header), "{readable}");
    }
    let vary = answer.header("vary").unwrap().to_lowercase();
    assert!(vary.contains("origin"), "{vary}");
    for other in [
        THEIRS,
        "https://console.example:8443",
        "http://console.example",
        "null",
    ] {
        assert_eq!(allowed(&preflight(&app, other).await), None, "{other}");
        assert_eq!(allowed(&call(&app, other).await), None, "{other}");
    }
}

#[actix_web::test]
async fn a_star_lets_every_page_call() {
    let app = TestApp::with(&[("CORS_ORIGINS", "*")]).await;
    assert_eq!(allowed(&preflight(&app, THEIRS).await), Some("*"));
    assert_eq!(allowed(&call(&app, THEIRS).await), Some("*"));
}

/// What is answered to a request of which no more than this arrives.
async fn answer_to_the_beginning(app: &TestApp, sent: &'static str) -> (String, Value) {
    let address = app.address.trim_start_matches("http://").to_owned();
    let exchange = move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(sent.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let answer = tokio::task::spawn_blocking(exchange).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (
        head.to_lowercase(),
        serde_json::from_str(body).unwrap_or_default(),
    )
}

#[actix_web::test]
async fn a_body_or_headers_that_do_not_arrive_in_time_are_answered_with_408() {
    let app = TestApp::with(&[("NOMAD_SERVICES__SERVER__RECEIVE_TIMEOUT", "300ms")]).await;
    let (head, problem) = answer_to_the_beginning(
        &app,
        "POST /api/v1/auth/login HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n\
         content-length: 100\r\n\r\n{\"username\": ",
    )
    .await;
    assert!(head.starts_with("http/1.1 408"), "{head}");
    assert!(head.contains("application/problem+json"), "{head}");
    assert_eq!(problem["code"], "request_timeout");
    let (head, _) =
        answer_to_the_beginning(&app, "GET /livez HTTP/1.1\r\nhost: a\r\nx-slow: ").await;
    assert!(head.starts_with("http/1.1 408"), "{head}");
}
