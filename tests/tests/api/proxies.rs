//! Behind proxies: whose address the audit holds.

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::app::{Person, TestApp};

/// Changes a profile in a request with these lines, and answers with the address that the audit has of it.
async fn recorded(app: &TestApp, person: &Person<'_>, lines: &[&str], name: &str) -> String {
    let request = person.request(Method::PUT, "/users/me");
    let request = lines
        .iter()
        .fold(request, |request, line| {
            request.header("x-forwarded-for", line)
        })
        .header("forwarded", "for=192.0.2.60;proto=http")
        .header("x-real-ip", "192.0.2.61");
    let answer = request.json(&json!({"first_name": name})).send().await;
    assert_eq!(answer.status, StatusCode::OK);
    let row = "SELECT ip_address FROM audit_logs WHERE action = 'user.update'
        AND details::text LIKE '%' || $1 || '%'";
    app.query(row, &[&name]).await
}

#[actix_web::test]
async fn the_audit_names_the_client_behind_trusted_proxies_whatever_it_says_of_itself() {
    let trusted = (
        "NOMAD_SERVICES__SERVER__TRUSTED_NETWORKS",
        "127.0.0.0/8,10.0.0.0/8",
    );
    let app = TestApp::with(&[trusted]).await;
    let ada = app.register("ada").await;
    for (number, (lines, expected)) in [
        (&["198.51.100.7"][..], "198.51.100.7"),
        (&["1.1.1.1, 198.51.100.7, 10.1.1.1"], "198.51.100.7"),
        (&["1.1.1.1", "198.51.100.7", "10.1.1.1"], "198.51.100.7"),
        (&["1.1.1.1, ::ffff:198.51.100.7"], "198.51.100.7"),
        (&["2001:db8::7"], "2001:db8::7"),
        (&["1.1.1.1, unknown"], "127.0.0.1"),
        (&[], "127.0.0.1"),
    ]
    .iter()
    .enumerate()
    {
        let name = format!("through-{number}-proxies");
        assert_eq!(
            recorded(&app, &ada, lines, &name).await,
            *expected,
            "{lines:?}"
        );
    }
}

#[actix_web::test]
async fn without_trusted_networks_whoever_connects_is_the_client() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    let address = recorded(&app, &ada, &["198.51.100.7"], "straight").await;
    assert_eq!(address, "127.0.0.1");
}
