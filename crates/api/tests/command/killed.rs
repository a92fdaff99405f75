//! A server that is killed while it deploys, on a database and a Nomad that go on.

use std::time::Duration;

use reqwest::Client;
use serde_json::{Value, json};

use crate::production::{Person, Surroundings};

#[actix_web::test]
async fn a_server_killed_at_any_moment_finishes_its_deployment_and_nomad_sees_one_version() {
    let surroundings = Surroundings::new().await;
    let variables = [
        ("LOG_LEVEL", "info"),
        ("NOMAD_SERVICES__DEPLOYMENTS__LEASE", "1s"),
        ("NOMAD_SERVICES__DEPLOYMENTS__POLL_INTERVAL", "50ms"),
    ];
    for delay in [0, 3, 10, 25, 50, 100, 300, 700] {
        let server = surroundings.start(&variables);
        let person = Person::register(&server, &format!("user{delay}")).await;
        let service = person
            .define("web_server", json!({"image": "nginx:1"}))
            .await;
        let deployment = person.start(&service).await;

        tokio::time::sleep(Duration::from_millis(delay)).await;
        server.kill();

        let server = surroundings.start(&variables);
        let person = person.at(&server);
        let ended = person.ended(&deployment).await;
        assert_eq!(
            ended["status"], "completed",
            "killed after {delay} ms: {ended}"
        );
        let versions = format!("{}/v1/job/service-{service}/versions", surroundings.nomad);
        let versions = Client::new().get(versions).send().await.expect("an answer");
        let versions: Value = versions.json().await.expect("JSON");
        let versions = versions["Versions"].as_array().map_or(0, Vec::len);
        assert_eq!(versions, 1, "killed after {delay} ms");
        server.kill();
    }
}
