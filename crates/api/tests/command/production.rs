//! What a server in production needs: a database, a Nomad, and people who ask it over HTTP.

use std::{process::Output, sync::mpsc, thread};

use actix_web::rt::System;
use embedded_postgres::test_database::TestDatabase;
use nomad_sim::Simulator;
use reqwest::{Client, Method, RequestBuilder, Response};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::process::{ENCRYPTION_KEY, Server, run};

/// A password as registration asks for it.
pub const PASSWORD: &str = "correct horse battery";

/// An empty database and a simulated Nomad, for servers that come and go.
pub struct Surroundings {
    folder: tempfile::TempDir,
    pub database: TestDatabase,
    pub nomad: String,
}

impl Surroundings {
    pub async fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a folder"),
            database: TestDatabase::empty().await,
            nomad: nomad(),
        }
    }

    /// Starts a server there, with these variables besides.
    pub fn start(&self, more: &[(&str, &str)]) -> Server {
        let own = self.variables();
        let mut variables: Vec<_> = own.iter().map(|(name, value)| (*name, &**value)).collect();
        variables.extend(more);
        Server::start(self.folder.path(), &variables)
    }

    /// Runs a command there to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        let own = self.variables();
        let variables: Vec<_> = own.iter().map(|(name, value)| (*name, &**value)).collect();
        run(self.folder.path(), arguments, &variables)
    }

    fn variables(&self) -> [(&'static str, String); 6] {
        [
            ("ENVIRONMENT", "production".to_owned()),
            ("NOMAD_SERVICES__SERVER__HOST", "127.0.0.1".to_owned()),
            (
                "DATABASE_URL",
                self.database.url().expose_secret().to_owned(),
            ),
            ("ENCRYPTION_KEY", ENCRYPTION_KEY.to_owned()),
            (
                "JWT_SECRET",
                "a secret of a test, with thirty-two bytes".to_owned(),
            ),
            ("NOMAD_ADDR", self.nomad.clone()),
        ]
    }

    /// A session of the role that works across tenants.
    pub async fn database_client(&self) -> tokio_postgres::Client {
        let url = self.database.url();
        let connected = tokio_postgres::connect(url.expose_secret(), tokio_postgres::NoTls).await;
        let (client, connection) = connected.expect("a connection");
        tokio::spawn(connection);
        let role = client.batch_execute("SET ROLE nomad_services_system").await;
        role.expect("the role");
        client
    }

    /// Lets Nomad take so long to answer calls of this path; it runs ten times as fast as the duration says.
    pub async fn delay_nomad(&self, path: &str, delay: &str) {
        let faults = json!({"faults": [{"path": path, "kind": "delay", "delay": delay}]});
        let request = Client::new().put(format!("{}/sim/faults", self.nomad));
        let answer = request.json(&faults).send().await.expect("an answer");
        assert!(answer.status().is_success(), "{answer:?}");
    }
}

/// A simulated Nomad in a thread of its own, ten times as fast; it lives as long as the test.
fn nomad() -> String {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        System::new().block_on(async {
            let settings = nomad_sim::Settings {
                speed: 10.0,
                ..nomad_sim::Settings::default()
            };
            let simulator = Simulator::start(settings).expect("a simulator");
            tell.send(simulator.url()).expect("a test that listens");
            std::future::pending::<()>().await;
        });
    });
    told.recv().expect("an address")
}

/// Somebody who asks one server.
pub struct Person {
    api: String,
    pub token: String,
    pub refresh_token: String,
    pub user: Value,
}

impl Person {
    /// Registers somebody with [`PASSWORD`], and signs them in.
    pub async fn register(server: &Server, username: &str) -> Self {
        let nobody = Self::nobody(server);
        let body = json!({
            "username": username, "email": format!("{username}@example.com"), "password": PASSWORD
        });
        nobody.post("/auth/register", body).await;
        let login = json!({"username": username, "password": PASSWORD});
        let session = nobody.post("/auth/login", login).await;
        nobody.signed_in(&session)
    }

    /// Whom this session belongs to.
    pub fn signed_in(&self, session: &Value) -> Self {
        let text = |name: &str| session[name].as_str().expect(name).to_owned();
        Self {
            api: self.api.clone(),
            token: text("token"),
            refresh_token: text("refresh_token"),
            user: session["user"].clone(),
        }
    }

    /// Somebody who has not signed in.
    pub fn nobody(server: &Server) -> Self {
        Self {
            api: server.line("URL").to_owned(),
            token: String::new(),
            refresh_token: String::new(),
            user: Value::Null,
        }
    }

    /// The same person at another server.
    pub fn at(mut self, server: &Server) -> Self {
        server.line("URL").clone_into(&mut self.api);
        self
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = Client::new().request(method, format!("{}{path}", self.api));
        if self.token.is_empty() {
            return request;
        }
        request.bearer_auth(&self.token)
    }

    pub async fn send(&self, method: Method, path: &str, body: &Value) -> Response {
        let request = self.request(method, path).json(body);
        request.send().await.expect("an answer")
    }

    /// What a request is answered with that is to succeed.
    pub async fn post(&self, path: &str, body: Value) -> Value {
        let answer = self.send(Method::POST, path, &body).await;
        let answer: Value = answer.json().await.expect("JSON");
        assert!(answer["code"].is_null(), "{answer}");
        answer
    }

    pub async fn get(&self, path: &str) -> Value {
        let answer = self.request(Method::GET, path).send().await;
        answer.expect("an answer").json().await.expect("JSON")
    }

    /// Defines a service of this type and answers with its id.
    pub async fn define(&self, service_type: &str, config: Value) -> String {
        let body = json!({"name": service_type, "type": service_type, "config": config});
        let service = self.post("/services", body).await;
        service["id"].as_str().expect("an id").to_owned()
    }

    /// Asks for a start and answers with the deployment's id.
    pub async fn start(&self, service: &str) -> String {
        let accepted = self
            .post(&format!("/services/{service}/start"), json!({}))
            .await;
        let deployment = accepted["deployment"]["id"].as_str();
        deployment.expect("an id").to_owned()
    }

    /// Waits until a deployment has ended, and answers with it.
    pub async fn ended(&self, deployment: &str) -> Value {
        for _ in 0..20 {
            let deployment = self
                .get(&format!("/deployments/{deployment}?wait=5s"))
                .await;
            if ["completed", "failed"].contains(&deployment["status"].as_str().expect("a status")) {
                return deployment;
            }
        }
        panic!("the deployment {deployment} does not end");
    }
}
