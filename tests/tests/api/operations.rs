//! What operators see of a server: whether it is ready, and whose request it was.

use reqwest::{Method, StatusCode};

use crate::app::TestApp;

#[actix_web::test]
async fn without_nomad_the_server_is_degraded_and_still_ready() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", nobody.local_addr().unwrap());
    drop(nobody);
    let app = TestApp::with(&[("NOMAD_ADDR", &address)]).await;
    let answer = app.at_root(Method::GET, "/readyz").send().await;
    let body = answer.json();
    assert_eq!(answer.status, StatusCode::OK, "{body}");
    assert_eq!(body["status"], "degraded");
    assert_eq!(body["checks"]["database"], "ok");
    assert_ne!(body["checks"]["nomad"], "ok");
}

#[actix_web::test]
async fn with_database_and_nomad_the_server_is_ready() {
    let app = TestApp::new().await;
    let answer = app.at_root(Method::GET, "/readyz").send().await;
    let expected =
        serde_json::json!({"status": "ready", "checks": {"database": "ok", "nomad": "ok"}});
    assert_eq!(answer.json(), expected);
}

#[actix_web::test]
async fn a_request_keeps_the_id_it_came_with_unless_that_is_unfit_for_a_log() {
    let app = TestApp::new().await;
    let ask = async |id: &str| {
        let request = app
            .request(Method::GET, "/services")
            .header("x-request-id", id);
        let answer = request.send().await;
        let header = answer.headers["x-request-id"].to_str().unwrap().to_owned();
        assert_eq!(answer.json()["request_id"], header.as_str());
        assert_eq!(answer.json()["instance"], "/api/v1/services");
        header
    };
    assert_eq!(ask("deploy_42.a-b").await, "deploy_42.a-b");
    for unfit in ["a b", "a\"b", &"x".repeat(129)] {
        let given = ask(unfit).await;
        assert!(given != unfit && !given.is_empty(), "{given}");
    }
}
