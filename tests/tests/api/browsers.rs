//! What answers tell browsers, and which web pages may call.

#![expect(clippy::expect_used, reason = "a test that can't go on has failed")]

use reqwest::{Client, Method, Response, StatusCode};
use serde_json::Value;

use crate::app::TestApp;

const API: &str = "default-src 'none'; frame-ancestors 'none'";

/// Past the check against the API's description, which knows nothing of web pages.
async fn ask(app: &TestApp, method: Method, path: &str, headers: &[(&str, &str)]) -> Response {
    let url = format!("{}{path}", app.address);
    let request = headers.iter().fold(
        Client::new().request(method, url),
        |request, (name, value)| request.header(*name, *value),
    );
    request.send().await.expect("an answer")
}

fn header<'answer>(answer: &'answer Response, name: &str) -> Option<&'answer str> {
    let value = answer.headers().get(name)?;
    value.to_str().ok()
}

#[actix_web::test]
async fn every_answer_says_what_a_browser_may_do_with_it_and_not_what_made_it() {
    let app = TestApp::new().await;
    for (method, path, status) in [
        (Method::GET, "/livez", 200),
        (Method::GET, "/readyz", 200),
        (Method::GET, "/health", 200),
        (Method::GET, "/api/v1/openapi.json", 200),
        (Method::GET, "/api/v1/services", 401),
        (Method::HEAD, "/api/v1/services", 401),
        (Method::POST, "/api/v1/auth/login", 415),
        (Method::DELETE, "/api/v1/auth/login", 405),
        (Method::OPTIONS, "/api/v1/auth/login", 204),
        (Method::GET, "/api/v1/nowhere", 404),
        (Method::GET, "/nowhere", 404),
        (Method::GET, "/", 404),
        (Method::GET, "/docs/", 200),
        (Method::GET, "/docs/nothing.js", 404),
    ] {
        let answer = ask(&app, method.clone(), path, &[]).await;
        let place = format!("{method} {path}");
        assert_eq!(answer.status().as_u16(), status, "{place}");
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("x-frame-options", "DENY"),
        ] {
            assert_eq!(header(&answer, name), Some(value), "{place}: {name}");
        }
        let page = path.starts_with("/docs/");
        let policy = header(&answer, "content-security-policy").expect(&place);
        assert_eq!(policy == API, !page, "{place}: {policy}");
        assert!(!policy.contains("unsafe"), "{place}: {policy}");
        assert_eq!(
            header(&answer, "cache-control") == Some("no-store"),
            !page,
            "{place}"
        );
        for absent in [
            "server",
            "x-powered-by",
            "strict-transport-security",
            "set-cookie",
        ] {
            assert_eq!(header(&answer, absent), None, "{place}: {absent}");
        }
        if status >= 400 && method != Method::HEAD {
            assert_eq!(
                header(&answer, "content-type"),
                Some("application/problem+json"),
                "{place}"
            );
            let problem: Value = answer.json().await.expect("JSON");
            assert_eq!(problem["status"], status, "{place}");
        }
    }
}

#[actix_web::test]
async fn the_page_that_shows_the_description_keeps_to_its_own_policy() {
    let app = TestApp::new().await;
    let page = ask(&app, Method::GET, "/docs/", &[]).await;
    let policy = header(&page, "content-security-policy")
        .expect("a policy")
        .to_owned();
    for needed in [
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "img-src 'self' data:",
    ] {
        assert!(policy.contains(needed), "{policy}");
    }
    let page = page.text().await.expect("text");
    let outside_tags = ["<style", " style=", " onload=", "javascript:"];
    for inline in outside_tags {
        assert!(!page.contains(inline), "{inline} stands in {page}");
    }
    for script in page.split("<script").skip(1) {
        let (tag, rest) = script.split_once('>').expect("a tag");
        assert!(tag.contains("src=\"./"), "{tag}");
        assert_eq!(
            rest.split("</script").next().map(str::trim),
            Some(""),
            "{rest}"
        );
    }
    for file in [
        "swagger-initializer.js",
        "swagger-ui-bundle.js",
        "swagger-ui.css",
        "index.css",
    ] {
        let file = ask(&app, Method::GET, &format!("/docs/{file}"), &[]).await;
        assert_eq!(file.status(), StatusCode::OK);
        let kind = header(&file, "content-type").expect("a type").to_owned();
        assert!(
            kind.contains("javascript") || kind.contains("css"),
            "{kind}"
        );
    }
}

#[actix_web::test]
async fn https_is_asked_for_where_a_trusted_proxy_says_that_it_was_used() {
    let app = TestApp::with(&[("NOMAD_SERVICES__SERVER__TRUSTED_NETWORKS", "127.0.0.0/8")]).await;
    for (said, expected) in [
        ("https", Some("max-age=31536000")),
        ("http", None),
        ("https, http", None),
        ("", None),
    ] {
        let answer = ask(&app, Method::GET, "/livez", &[("x-forwarded-proto", said)]).await;
        assert_eq!(
            header(&answer, "strict-transport-security"),
            expected,
            "{said}"
        );
    }
    let app = TestApp::new().await;
    let answer = ask(
        &app,
        Method::GET,
        "/livez",
        &[("x-forwarded-proto", "https")],
    )
    .await;
    assert_eq!(header(&answer, "strict-transport-security"), None);
}

/// Asks as a browser does for a web page of another origin: first whether it may, then really.
async fn call_from(app: &TestApp, origin: &str) -> [Response; 2] {
    let path = "/api/v1/auth/login";
    let asking = [
        ("origin", origin),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "content-type"),
    ];
    let preflight = ask(app, Method::OPTIONS, path, &asking).await;
    let call = ask(app, Method::POST, path, &[("origin", origin)]).await;
    [preflight, call]
}

#[actix_web::test]
async fn without_origins_no_answer_speaks_of_them() {
    let app = TestApp::new().await;
    for answer in call_from(&app, "https://app.example.com").await {
        for name in answer.headers().keys() {
            let name = name.as_str();
            assert!(
                !name.starts_with("access-control") && name != "vary",
                "{name}"
            );
        }
    }
}

#[actix_web::test]
async fn web_pages_of_exactly_the_named_origins_may_call() {
    let app = TestApp::with(&[(
        "CORS_ORIGINS",
        "https://app.example.com,http://localhost:3000",
    )])
    .await;
    for origin in ["https://app.example.com", "http://localhost:3000"] {
        let [preflight, call] = call_from(&app, origin).await;
        assert_eq!(preflight.status(), StatusCode::OK);
        for answer in [preflight, call] {
            assert_eq!(header(&answer, "access-control-allow-origin"), Some(origin));
            assert_eq!(header(&answer, "access-control-allow-credentials"), None);
            let vary = header(&answer, "vary").expect("a Vary").to_lowercase();
            assert!(vary.contains("origin"), "{vary}");
        }
    }
    for origin in [
        "https://app.example.com.evil.example",
        "https://evil-app.example.com",
        "http://app.example.com",
        "https://app.example.com:8443",
        "https://APP.example.com",
        "null",
    ] {
        let [preflight, call] = call_from(&app, origin).await;
        // An OPTIONS like any other, which allows the page nothing.
        assert_eq!(preflight.status(), StatusCode::NO_CONTENT);
        for answer in [&preflight, &call] {
            assert_eq!(
                header(answer, "access-control-allow-origin"),
                None,
                "{origin}"
            );
        }
        assert!(header(&call, "vary").is_some_and(|vary| vary.contains("Origin")));
    }
}
