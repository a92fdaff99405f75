//! A running server with a database of its own, and people who use it.

#![expect(clippy::expect_used, reason = "a test that can't go on has failed")]

use std::{collections::BTreeMap, path::Path};

use embedded_postgres::test_database::TestDatabase;
use nomad_services::{lifecycle::Phase, server, settings::Settings};
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

pub const PASSWORD: &str = "correct horse battery";

/// A server on a free port; it ends with the test.
pub struct TestApp {
    pub address: String,
    pub http: Client,
    database: TestDatabase,
}

/// Somebody signed in.
pub struct Person<'app> {
    app: &'app TestApp,
    pub token: String,
    pub refresh_token: String,
    pub user: Value,
}

impl TestApp {
    pub async fn new() -> Self {
        let database = TestDatabase::new(|url| async move {
            migration::up(&url).await.expect("the template is migrated");
        })
        .await;
        let variables = BTreeMap::from(
            [
                ("DATABASE_URL", database.url().expose_secret()),
                ("JWT_SECRET", "a secret of a test, with thirty-two bytes"),
                ("SERVER_PORT", "0"),
                ("METRICS_PORT", "0"),
                ("ENVIRONMENT", "production"),
                ("NOMAD_ADDR", "http://127.0.0.1:4646"),
                ("NOMAD_SERVICES__SERVER__HOST", "127.0.0.1"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
        let settings =
            Settings::from_sources(Path::new("../config"), &variables).expect("settings");
        let application = server::build(&settings).await.expect("a server");
        let port = application.address().port();
        let state = application.state();
        actix_web::rt::spawn(application.run(std::future::pending()));
        state.lifecycle.reached(Phase::Serving).await;
        Self {
            address: format!("http://127.0.0.1:{port}"),
            http: Client::new(),
            database,
        }
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http
            .request(method, format!("{}/api/v1{path}", self.address))
    }

    pub async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        answer(self.request(Method::POST, path).json(&body)).await
    }

    /// Registers somebody, with a tenant of that name, and signs them in.
    pub async fn register(&self, username: &str) -> Person<'_> {
        let body = json!({
            "username": username, "email": format!("{username}@example.com"), "password": PASSWORD
        });
        let (status, answer) = self.post("/auth/register", body).await;
        assert_eq!(status, StatusCode::CREATED, "{answer}");
        self.login(username).await
    }

    /// Makes a platform administrator of that name and signs them in.
    pub async fn administrator(&self, username: &str) -> Person<'_> {
        self.register(username).await;
        let promote = "UPDATE users SET role = 'admin', tenant_id = NULL WHERE username = $1";
        let (client, connection) =
            tokio_postgres::connect(self.database.url().expose_secret(), tokio_postgres::NoTls)
                .await
                .expect("a connection");
        actix_web::rt::spawn(connection);
        client
            .batch_execute("SET ROLE nomad_services_system")
            .await
            .expect("the role");
        client
            .execute(promote, &[&username])
            .await
            .expect("a promotion");
        self.login(username).await
    }

    pub async fn login(&self, username: &str) -> Person<'_> {
        let body = json!({"username": username, "password": PASSWORD});
        let (status, answer) = self.post("/auth/login", body).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        let text = |name: &str| answer[name].as_str().expect(name).to_owned();
        Person {
            app: self,
            token: text("token"),
            refresh_token: text("refresh_token"),
            user: answer["user"].clone(),
        }
    }
}

impl Person<'_> {
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.app.request(method, path).bearer_auth(&self.token)
    }

    pub async fn get(&self, path: &str) -> (StatusCode, Value) {
        answer(self.request(Method::GET, path)).await
    }

    pub async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        answer(self.request(Method::POST, path).json(&body)).await
    }

    pub async fn put(&self, path: &str, body: Value) -> (StatusCode, Value) {
        answer(self.request(Method::PUT, path).json(&body)).await
    }

    /// Defines a service of this type and answers with it.
    pub async fn service(&self, service_type: &str) -> Value {
        let (status, service) = self
            .post("/services", service(service_type, service_type))
            .await;
        assert_eq!(status, StatusCode::CREATED, "{service}");
        service
    }
}

/// The request for a small service.
pub fn service(name: &str, service_type: &str) -> Value {
    json!({"name": name, "type": service_type, "config": {"image": "nginx:1", "resources": {"cpu": 100}}})
}

pub async fn answer(request: RequestBuilder) -> (StatusCode, Value) {
    let response = request.send().await.expect("an answer");
    let status = response.status();
    let body = response.bytes().await.expect("a body");
    (status, serde_json::from_slice(&body).unwrap_or_default())
}
