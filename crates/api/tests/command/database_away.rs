//! A server whose database goes away and comes back.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use secrecy::ExposeSecret;

use crate::{
    door::Door,
    production::{Person, Surroundings},
};

// A second thread forwards while the first waits for the server to start.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_it_is_away_the_server_is_alive_unready_and_says_when_to_come_back() {
    let surroundings = Surroundings::new().await;
    let url = surroundings.database.url().expose_secret().to_owned();
    let (_, rest) = url.split_once('@').expect("a user");
    let (database, _) = rest.split_once('/').expect("a name");
    let mut door = Door::before(database).await;
    let through = url.replace(database, &door.address);
    let server = surroundings.start(&[
        ("DATABASE_URL", &through),
        ("NOMAD_SERVICES__DATABASE__ACQUIRE_TIMEOUT", "1s"),
    ]);
    let ada = Person::register(&server, "ada").await;

    door.shut().await;
    assert!(server.get("/livez").starts_with("HTTP/1.1 200 OK"));
    while !server.get("/readyz").contains(r#""status":"unready""#) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(server.get("/readyz").starts_with("HTTP/1.1 503"));
    for path in ["/services", "/users/me"] {
        let answer = ada
            .request(Method::GET, path)
            .send()
            .await
            .expect("an answer");
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE, "{path}");
        let wait = answer.headers()["retry-after"].to_str().expect("text");
        assert!(
            wait.parse::<u64>()
                .is_ok_and(|seconds| (1..=60).contains(&seconds))
        );
        let kind = answer.headers()["content-type"].clone();
        assert_eq!(kind, "application/problem+json");
    }
    assert!(server.get("/livez").starts_with("HTTP/1.1 200 OK"));

    door.open().await;
    while !server.get("/readyz").starts_with("HTTP/1.1 200 OK") {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let answer = ada.request(Method::GET, "/services").send().await;
    assert_eq!(answer.expect("an answer").status(), StatusCode::OK);
}
