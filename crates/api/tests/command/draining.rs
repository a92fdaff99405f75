//! A server that is asked to end while it works.

use std::{net::TcpStream, time::Duration};

use actix_web::rt::spawn;
use nix::sys::signal::Signal;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::{
    process::get,
    production::{Person, Surroundings},
};

/// How long a loop waits before it looks again.
const PAUSE: Duration = Duration::from_millis(20);

#[actix_web::test]
async fn readiness_goes_first_requests_finish_leases_are_released_and_nobody_else_is_let_in() {
    let surroundings = Surroundings::new().await;
    let server = surroundings.start(&[]);
    let ada = Person::register(&server, "ada").await;
    let address = server.line("URL").trim_start_matches("http://");
    let address = address.split('/').next().expect("an address").to_owned();
    let (blocker, observer) = (
        surroundings.database_client().await,
        surroundings.database_client().await,
    );
    let service = ada.define("web_server", json!({"image": "nginx:1"})).await;
    surroundings.delay_nomad("/v1/job/", "80s").await;
    ada.start(&service).await;
    let leases = "SELECT COUNT(lease_owner) FROM deployment_tasks WHERE finished_at IS NULL";
    until_some(&observer, leases).await;

    let lock = "BEGIN; SELECT FROM tenants FOR UPDATE";
    blocker.batch_execute(lock).await.expect("a lock");
    let create = json!({"name": "db", "type": "database", "config": {"image": "postgres:17"}});
    let request = ada.request(Method::POST, "/services").json(&create);
    let under_way = spawn(request.send());
    let waiting = "SELECT COUNT(*) FROM pg_locks JOIN pg_stat_activity USING (pid)
        WHERE NOT granted AND datname = current_database()";
    until_some(&observer, waiting).await;

    server.signal(Signal::SIGTERM);
    // It goes on to answer for `server.drain_delay`, 5 s, and says that it will not for long.
    let ready = loop {
        let ready = get(&address, "/readyz");
        if !ready.starts_with("HTTP/1.1 200 OK") {
            break ready;
        }
        tokio::time::sleep(PAUSE).await;
    };
    assert!(
        ready.starts_with("HTTP/1.1 503") && ready.contains(r#""status":"unready""#),
        "{ready}"
    );
    while TcpStream::connect(&address).is_ok() {
        tokio::time::sleep(PAUSE).await;
    }
    assert!(!under_way.is_finished(), "the request has not waited");
    blocker.batch_execute("ROLLBACK").await.expect("no lock");
    let answer = under_way.await.expect("no panic").expect("an answer");
    assert_eq!(answer.status(), StatusCode::CREATED);

    let (code, output) = server.ended();
    assert_eq!(code, Some(0), "{output}");
    let unfinished =
        "SELECT COUNT(*), COUNT(lease_owner) FROM deployment_tasks WHERE finished_at IS NULL";
    let row = observer.query_one(unfinished, &[]).await.expect("a row");
    let (unfinished, leased): (i64, i64) = (row.get(0), row.get(1));
    assert_eq!((unfinished, leased), (1, 0), "{output}");
}

/// Waits until this question is answered with another number than none.
async fn until_some(observer: &tokio_postgres::Client, question: &str) {
    let count = async || -> i64 {
        let row = observer.query_one(question, &[]).await;
        row.expect("a row").get(0)
    };
    while count().await == 0 {
        tokio::time::sleep(PAUSE).await;
    }
}
