//! What operators see of a server: whether it is ready, and whose request it was.

use futures::join;
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
    let mut body = answer.json();
    let ages = body["seconds_ago"].take();
    for part in ["database", "nomad"] {
        assert!(ages[part].as_f64().is_some_and(|age| age >= 0.0), "{ages}");
    }
    let expected = serde_json::json!(
        {"status": "ready", "checks": {"database": "ok", "nomad": "ok"}, "seconds_ago": null}
    );
    assert_eq!(body, expected);
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

#[actix_web::test]
async fn a_request_that_gets_no_connection_in_time_is_told_when_to_come_back() {
    let app = TestApp::with(&[
        ("NOMAD_SERVICES__DATABASE__MAX_OPEN", "1"),
        ("NOMAD_SERVICES__DATABASE__MAX_IDLE", "1"),
        ("NOMAD_SERVICES__DATABASE__ACQUIRE_TIMEOUT", "3s"),
    ])
    .await;
    let ada = app.register("ada").await;
    let (blocker, observer) = join!(app.database_client(), app.database_client());
    let lock = "BEGIN; SELECT FROM tenants FOR UPDATE";
    blocker.batch_execute(lock).await.unwrap();
    let create = ada.service("database");
    let meanwhile = async {
        // From then on the only connection waits for the lock.
        let waiting = "SELECT COUNT(*) FROM pg_locks JOIN pg_stat_activity USING (pid)
             WHERE NOT granted AND datname = current_database()";
        while observer
            .query_one(waiting, &[])
            .await
            .unwrap()
            .get::<_, i64>(0)
            == 0
        {
            tokio::task::yield_now().await;
        }
        let refused = ada.request(Method::GET, "/services").send().await;
        blocker.batch_execute("ROLLBACK").await.unwrap();
        refused
    };
    let (_, refused) = join!(create, meanwhile);
    let problem = refused.json();
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE, "{problem}");
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    assert_eq!(ada.get("/services").await.0, StatusCode::OK);
}
