//! What an operator can read of a server, and what nobody should: its metrics and its log.

use std::{collections::BTreeMap, net::TcpListener};

use nix::sys::signal::Signal;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    process::get,
    production::{PASSWORD, Person, Surroundings},
};

/// Every metric by its name, as alerts and dashboards use it.
const METRICS: [&str; 10] = [
    "nomad_services_build_info",
    "nomad_services_database_connections",
    "nomad_services_database_connections_opened_total",
    "nomad_services_database_waiting_requests",
    "nomad_services_deployments_total",
    "nomad_services_http_request_duration_seconds",
    "nomad_services_http_requests_total",
    "nomad_services_password_hashes",
    "nomad_services_password_verifications_total",
    "nomad_services_sign_ins_total",
];

/// Those that are there once something has happened.
const OCCASIONAL: [&str; 5] = [
    "nomad_services_audit_seal_failures_total",
    "nomad_services_audit_sealed_rows_total",
    "nomad_services_audit_unsealed_age_seconds",
    "nomad_services_decryption_failures_total",
    "nomad_services_session_reuses_total",
];

/// A line of the metrics: its name, its labels, its number.
struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    number: f64,
}

impl Sample {
    fn parse(line: &str) -> Self {
        let (series, number) = line.rsplit_once(' ').expect("a number");
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let labels = labels.strip_suffix('}').expect("the end of the labels");
        // No value holds a quote followed by a comma, because none is anybody's own words.
        let pairs = labels.split("\",").filter(|pair| !pair.is_empty());
        let pairs = pairs.map(|pair| pair.split_once("=\"").expect("a label with a value"));
        let own =
            |(name, value): (&str, &str)| (name.to_owned(), value.trim_end_matches('"').to_owned());
        Self {
            name: name.to_owned(),
            labels: pairs.map(own).collect(),
            number: number.parse().expect("a number"),
        }
    }
}

fn number(samples: &[Sample], name: &str, labels: &[(&str, &str)]) -> f64 {
    let fits = |sample: &&Sample| {
        let has =
            |(name, value): &(&str, &str)| sample.labels.get(*name).is_some_and(|own| own == value);
        sample.name == name && labels.iter().all(has)
    };
    samples
        .iter()
        .filter(fits)
        .map(|sample| sample.number)
        .sum()
}

fn read(address: &str) -> (String, Vec<Sample>) {
    let answer = get(address, "/metrics");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a body");
    assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
    let samples = body
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let samples = samples.map(Sample::parse).collect();
    (answer, samples)
}

#[actix_web::test]
async fn metrics_have_the_names_promised_and_labels_that_tell_nobody_who_the_customers_are() {
    let surroundings = Surroundings::new().await;
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = free.local_addr().expect("its address").to_string();
    let port = free.local_addr().expect("its address").port().to_string();
    drop(free);
    let server = surroundings.start(&[
        ("METRICS_PORT", &port),
        ("NOMAD_SERVICES__AUTH__REFUSAL_TIME", "1ms"),
    ]);
    let ada = Person::register(&server, "ada-lovelace").await;
    let service = ada.define("web_server", json!({"image": "nginx:1"})).await;
    let deployment = ada.start(&service).await;
    assert_eq!(ada.ended(&deployment).await["status"], "completed");
    for path in [
        "/no-such-path/recognisable",
        "/services?q=recognisable",
        "/services/recognisable",
    ] {
        ada.request(Method::GET, path)
            .send()
            .await
            .expect("an answer");
    }
    let odd = Method::from_bytes(b"RECOGNISABLE").expect("a method");
    ada.request(odd, "/services")
        .send()
        .await
        .expect("an answer");

    let (text, samples) = read(&address);
    for name in METRICS {
        assert!(text.contains(&format!("# TYPE {name} ")), "{name}: {text}");
        assert!(text.contains(&format!("# HELP {name} ")), "{name}: {text}");
    }
    let routes = nomad_services::openapi::document().paths.paths;
    for Sample { name, labels, .. } in &samples {
        let base = METRICS.iter().chain(&OCCASIONAL);
        let base = base.copied().find(|known| name.starts_with(known));
        assert!(base.is_some(), "{name} is promised nowhere");
        for (label, value) in labels {
            let known = match label.as_str() {
                "route" => value == "none" || routes.contains_key(value),
                "method" => ["GET", "POST", "other"].contains(&&**value),
                "status" => value.len() == 3 && value.parse::<u16>().is_ok(),
                "state" => ["in_use", "idle", "running", "waiting"].contains(&&**value),
                "action" => value == "start",
                "result" => ["completed", "succeeded"].contains(&&**value),
                "version" => value == env!("CARGO_PKG_VERSION"),
                "le" => true,
                _ => false,
            };
            assert!(known, "{name} has {label}={value:?}");
        }
    }
    let tenant = ada.user["tenant_id"].as_str().expect("a tenant");
    let user = ada.user["id"].as_str().expect("an id");
    for own in [
        tenant,
        user,
        &service,
        &deployment,
        "ada",
        "ecognisable",
        "RECOG",
    ] {
        assert!(!text.contains(own), "{own} in {text}");
    }
    let requests = "nomad_services_http_requests_total";
    let created = [
        ("route", "/api/v1/services"),
        ("method", "POST"),
        ("status", "201"),
    ];
    assert_eq!(number(&samples, requests, &created), 1.0);
    let nowhere = [("route", "none"), ("status", "404")];
    assert_eq!(number(&samples, requests, &nowhere), 1.0);

    let verifications = "nomad_services_password_verifications_total";
    let before = number(&samples, verifications, &[]);
    let older = bcrypt::hash(PASSWORD, 4).expect("a hash");
    let database = surroundings.database_client().await;
    Person::register(&server, "bob").await;
    Person::register(&server, "cid").await;
    database
        .execute(
            "UPDATE users SET password = $1 WHERE username = 'bob'",
            &[&older],
        )
        .await
        .expect("a change");
    database
        .execute(
            "UPDATE users SET is_active = false WHERE username = 'cid'",
            &[],
        )
        .await
        .expect("a change");
    let refused = [
        ("ada-lovelace", "wrong"),
        ("bob", "wrong"),
        ("bob", &"x".repeat(100)),
        ("cid", PASSWORD),
        ("cid", "wrong"),
        ("nobody", PASSWORD),
    ];
    for (username, password) in refused {
        let body = json!({"username": username, "password": password});
        let answer = Person::nobody(&server)
            .send(Method::POST, "/auth/login", &body)
            .await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{username}");
    }
    let (_, samples) = read(&address);
    // Registering hashes and verifies nothing; signing in afterwards does.
    let spent = number(&samples, verifications, &[]) - before;
    assert_eq!(spent, (2 + refused.len()) as f64);
}

const SECRETS: [(&str, &str); 4] = [
    ("JWT_SECRET", "recognisable-jwt-secret-of-32-bytes-or-more"),
    (
        "JWT_PREVIOUS_SECRET",
        "recognisable-previous-secret-of-32-bytes",
    ),
    ("NOMAD_TOKEN", "recognisable-nomad-token"),
    ("LOG_LEVEL", "trace"),
];

#[actix_web::test]
async fn the_log_is_for_machines_and_holds_no_secret_at_any_level() {
    let surroundings = Surroundings::new().await;
    let server = surroundings.start(&SECRETS);
    let nobody = Person::nobody(&server);
    let password = "recognisable horse battery staple";
    let person = json!({"username": "ada", "email": "ada@example.com", "password": password});
    let register = async |body: &Value| {
        nobody
            .send(Method::POST, "/auth/register", body)
            .await
            .status()
    };
    assert_eq!(register(&person).await, StatusCode::CREATED);
    assert_eq!(register(&person).await, StatusCode::CONFLICT);
    let short = json!({"username": "eve", "email": "eve@example.com", "password": "recognisable"});
    assert_eq!(register(&short).await, StatusCode::UNPROCESSABLE_ENTITY);
    let wrong = json!({"username": "ada", "password": "recognisable and wrong"});
    let wrong = nobody.send(Method::POST, "/auth/login", &wrong).await;
    assert_eq!(wrong.status(), StatusCode::UNAUTHORIZED);
    let misplaced = json!({"username": "recognisable in the wrong field", "password": password});
    let misplaced = nobody.send(Method::POST, "/auth/login", &misplaced).await;
    assert_eq!(misplaced.status(), StatusCode::UNAUTHORIZED);
    let session = json!({"username": "ada", "password": password});
    let session = nobody.post("/auth/login", session).await;
    let ada = nobody.signed_in(&session);

    let config = |image: &str, value: &str| json!({"image": image, "environment": {"PASSWORD": value}, "custom_variables": {"KEY": value}});
    let service = ada
        .define("web_server", config("sim/unpullable", "recognisable-value"))
        .await;
    let deployment = ada.start(&service).await;
    assert_eq!(ada.ended(&deployment).await["status"], "failed");
    for value in [
        "recognisable\0",
        "recognisable-${value}",
        &format!("recognisable{}", "x".repeat(65_536)),
    ] {
        let body = json!({"name": "db", "type": "database", "config": config("nginx:1", value)});
        let refused = ada.send(Method::POST, "/services", &body).await;
        assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY);
    }
    for request in [
        ada.request(Method::GET, "/services?q=recognisable"),
        ada.request(Method::GET, "/services?recognisable=1"),
        ada.request(Method::GET, "/services/recognisable"),
        ada.request(Method::GET, "/recognisable"),
        ada.request(Method::POST, "/services").body("recognisable"),
        ada.request(Method::POST, "/services")
            .header("content-type", "application/json")
            .body("{\"name\": recognisable"),
        nobody
            .request(Method::GET, "/services")
            .bearer_auth("recognisable.token.here"),
        nobody
            .request(Method::GET, "/services")
            .header("cookie", "recognisable=1"),
    ] {
        let answer = request.send().await.expect("an answer");
        assert!(!answer.status().is_server_error(), "{answer:?}");
    }
    let tokens = json!({"refresh_token": ada.refresh_token});
    let renewed = nobody.post("/auth/refresh", tokens.clone()).await;
    let reused = nobody.send(Method::POST, "/auth/refresh", &tokens).await;
    assert_eq!(reused.status(), StatusCode::UNAUTHORIZED);

    server.signal(Signal::SIGTERM);
    let (code, output) = server.ended();
    assert_eq!(code, Some(0));
    let mut answered = 0;
    for line in output.lines() {
        let said: Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        for name in ["timestamp", "level", "target", "message"] {
            assert!(said[name].is_string(), "{line}");
        }
        if said["message"] == "answered" {
            assert!(said["span"]["request_id"].is_string(), "{line}");
            answered += 1;
        }
    }
    assert!(answered > 15, "{answered} requests in {output}");
    for lowest in ["a transaction across tenants", "a request was refused"] {
        assert!(output.contains(lowest), "{lowest} is not in {output}");
    }
    assert!(!output.to_lowercase().contains("recognisable"), "{output}");
    for session in [&session, &renewed] {
        for name in ["token", "refresh_token"] {
            let token = session[name].as_str().expect(name);
            // Its signature, which makes a token a secret, is the last part.
            let secret = token.rsplit('.').next().expect("a part");
            assert!(!output.contains(secret), "{name} in {output}");
        }
    }
}
