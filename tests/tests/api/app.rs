//! A running server with a database of its own, and people who use it.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use embedded_postgres::test_database::TestDatabase;
use nomad_services::{lifecycle::Phase, process, server::StartError, settings::Settings};
use nomad_sim::Simulator;
use postgres_connection::Address;
use reqwest::{Client, Method, StatusCode};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::contract::Asked;
pub use crate::http::{Answer, Request, anonymous, answer};
use crate::wire::Wire;

/// 32 bytes in base64.
pub const ENCRYPTION_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

pub const PASSWORD: &str = "correct horse battery";

/// A server on a free port; it ends with the test.
pub struct TestApp {
    pub address: String,
    // Private, so that no answer comes past the check against the API's description.
    http: Client,
    database: Arc<TestDatabase>,
    stop: Arc<Notify>,
    server: tokio::task::JoinHandle<Result<(), StartError>>,
    /// The cluster it runs services on; simulated, unless the test brought another.
    pub simulator: Simulator,
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
        Self::with(&[]).await
    }

    /// With these environment variables besides.
    pub async fn with(more: &[(&str, &str)]) -> Self {
        Self::beside(
            Arc::new(database().await),
            nomad_sim::Settings::default(),
            more,
        )
        .await
    }

    /// Another server on the same database, with these environment variables besides.
    pub async fn replica(&self, more: &[(&str, &str)]) -> Self {
        Self::beside(self.database.clone(), nomad_sim::Settings::default(), more).await
    }

    /// With a cluster whose deployments are over at once.
    pub async fn hasty() -> Self {
        Self::hasty_with(&[]).await
    }

    /// The same, with these environment variables besides.
    pub async fn hasty_with(more: &[(&str, &str)]) -> Self {
        Self::beside(Arc::new(database().await), fast(), more).await
    }

    /// With a cluster whose deployments are over at once, and a look at what is said to the database, over one session.
    pub async fn watched() -> (Self, Wire) {
        let database = Arc::new(database().await);
        let url = database.url();
        let (before, rest) = url.expose_secret().split_once('@').expect("a user");
        let (server, name) = rest.split_once('/').expect("a database");
        let wire = Wire::before(server.to_owned()).await;
        let watched = format!("{before}@127.0.0.1:{}/{name}", wire.port);
        let more = [
            ("DATABASE_URL", watched.as_str()),
            ("NOMAD_SERVICES__DATABASE__MAX_OPEN", "1"),
            ("NOMAD_SERVICES__DATABASE__MAX_IDLE", "1"),
            ("NOMAD_SERVICES__AUDIT__SEAL_INTERVAL", "200ms"),
        ];
        (Self::beside(database, fast(), &more).await, wire)
    }

    async fn beside(
        database: Arc<TestDatabase>,
        simulation: nomad_sim::Settings,
        more: &[(&str, &str)],
    ) -> Self {
        let simulator = Simulator::start(simulation).expect("a simulator");
        let settings = settings(&database, &simulator.url(), more);
        let application = process::build(&settings).await.expect("a server");
        let address = format!("http://{}", application.address());
        let (lifecycle, stop) = (application.lifecycle(), Arc::new(Notify::new()));
        let told = stop.clone();
        let mut server =
            actix_web::rt::spawn(application.run(async move { told.notified().await }));
        tokio::select! {
            () = lifecycle.reached(Phase::Serving) => {}
            ended = &mut server => panic!("the server does not serve: {ended:?}"),
        }
        Self {
            address,
            http: Client::new(),
            database,
            stop,
            server,
            simulator,
        }
    }

    /// Tells the server to stop, and waits until it has.
    pub async fn stop(&mut self) {
        self.stop.notify_one();
        (&mut self.server)
            .await
            .expect("no panic")
            .expect("a clean end");
    }

    /// A request below the API's base path.
    pub fn request(&self, method: Method, path: &str) -> Request {
        self.at_root(method, &format!("/api/v1{path}"))
    }

    /// A request for a path that stands at the root.
    pub fn at_root(&self, method: Method, path: &str) -> Request {
        let url = format!("{}{path}", self.address);
        let asked = Asked {
            method: method.clone(),
            path: path.to_owned(),
            body: None,
        };
        Request::new(self.http.request(method, url), asked)
    }

    pub async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        answer(self.request(Method::POST, path).json(&body)).await
    }

    /// Runs a statement as the role that works across tenants; how many rows it changed.
    pub async fn execute(
        &self,
        sql: &str,
        values: &[&(dyn tokio_postgres::types::ToSql + Sync)],
    ) -> u64 {
        let client = self.database_client().await;
        client.execute(sql, values).await.expect("a change")
    }

    /// The first column of a statement's only row, as text.
    pub async fn query(
        &self,
        sql: &str,
        values: &[&(dyn tokio_postgres::types::ToSql + Sync)],
    ) -> String {
        let client = self.database_client().await;
        let row = client.query_one(sql, values).await.expect("a row");
        row.get(0)
    }

    /// A session of the role that works across tenants.
    pub async fn database_client(&self) -> tokio_postgres::Client {
        let client = self.owner_client().await;
        client
            .batch_execute("SET ROLE nomad_services_system")
            .await
            .expect("the role");
        client
    }

    /// A session of the login that owns the tables.
    pub async fn owner_client(&self) -> tokio_postgres::Client {
        let url = self.database.url();
        let (client, connection) =
            tokio_postgres::connect(url.expose_secret(), tokio_postgres::NoTls)
                .await
                .expect("a connection");
        actix_web::rt::spawn(connection);
        client
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
        self.execute(promote, &[&username]).await;
        self.login(username).await
    }

    /// Invites somebody of that name into a tenant, and signs them in.
    pub async fn member(&self, of: &Person<'_>, username: &str, role: &str) -> Person<'_> {
        let email = format!("{username}@example.com");
        let invited = json!({"email": email, "role": role});
        let (status, invitation) = of.post("/invitations", invited).await;
        assert_eq!(status, StatusCode::CREATED, "{invitation}");
        let accepted =
            json!({"token": invitation["token"], "username": username, "password": PASSWORD});
        let (status, answer) = self.post("/invitations/accept", accepted).await;
        assert_eq!(status, StatusCode::CREATED, "{answer}");
        self.login(username).await
    }

    /// A request that shows an API key.
    pub fn with_key(&self, key: &str, method: Method, path: &str) -> Request {
        let request = self.request(method, path);
        request.header("authorization", format!("Bearer {key}"))
    }

    /// The status of what an API key reads.
    pub async fn key_reads(&self, key: &str, path: &str) -> StatusCode {
        self.with_key(key, Method::GET, path).send().await.status
    }

    /// The actions that the audit trail has about a resource, oldest first.
    pub async fn audited(&self, resource: &str) -> String {
        let sql = "SELECT COALESCE(string_agg(action, ' ' ORDER BY created_at, id), '') FROM audit_logs WHERE resource = $1";
        self.query(sql, &[&resource]).await
    }

    /// Waits until so many sessions of the database wait for a lock.
    pub async fn waiting_for_locks(&self, count: i64) {
        let client = self.owner_client().await;
        let sql = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        for _ in 0..600 {
            let row = client.query_one(sql, &[]).await.expect("a count");
            if row.get::<_, i64>(0) >= count {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        panic!("nobody waits for a lock");
    }

    pub async fn login(&self, username: &str) -> Person<'_> {
        let body = json!({"username": username, "password": PASSWORD});
        let (status, answer) = self.post("/auth/login", body).await;
        assert_eq!(status, StatusCode::OK, "{username}: {answer}");
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
    pub fn id(&self) -> &str {
        self.user["id"].as_str().expect("an id")
    }

    pub fn request(&self, method: Method, path: &str) -> Request {
        self.at_root(method, &format!("/api/v1{path}"))
    }

    /// A request for a path that stands at the root.
    pub fn at_root(&self, method: Method, path: &str) -> Request {
        let authorization = format!("Bearer {}", self.token);
        let request = self.app.at_root(method, path);
        request.header("authorization", authorization)
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

    /// Changes something in the version it has at this moment.
    pub async fn patch(&self, path: &str, body: Value) -> (StatusCode, Value) {
        let request = self.request(Method::PATCH, path).header("if-match", "*");
        answer(request.json(&body)).await
    }

    pub async fn delete(&self, path: &str) -> (StatusCode, Value) {
        answer(self.request(Method::DELETE, path)).await
    }

    /// An API key of this person's, as the answer that made it.
    pub async fn key(&self, scopes: &[&str]) -> Value {
        let (status, key) = self
            .post("/api-keys", json!({"name": "a key", "scopes": scopes}))
            .await;
        assert_eq!(status, StatusCode::CREATED, "{key}");
        key
    }

    /// Asks for a start, stop or restart and waits until it has ended; answers with the deployment.
    pub async fn deploy(&self, service: &str, action: &str) -> Value {
        let path = format!("/services/{service}/{action}");
        let (status, accepted) = answer(self.request(Method::POST, &path)).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{accepted}");
        let id = accepted["deployment"]["id"].as_str().expect("an id");
        self.ended(id).await
    }

    /// Waits until a deployment has ended, and answers with it.
    pub async fn ended(&self, deployment: &str) -> Value {
        for _ in 0..20 {
            let (_, deployment) = self
                .get(&format!("/deployments/{deployment}?wait=10s"))
                .await;
            if ["completed", "failed"].contains(&deployment["status"].as_str().expect("a status")) {
                return deployment;
            }
        }
        panic!("the deployment {deployment} does not end");
    }

    /// Defines a service with this configuration and answers with its id.
    pub async fn define(&self, service_type: &str, config: Value) -> String {
        let body = json!({"name": service_type, "type": service_type, "config": config});
        let (status, service) = self.post("/services", body).await;
        assert_eq!(status, StatusCode::CREATED, "{service}");
        service["id"].as_str().expect("an id").to_owned()
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

/// A cluster whose deployments are over at once.
fn fast() -> nomad_sim::Settings {
    nomad_sim::Settings {
        speed: 100.0,
        ..nomad_sim::Settings::default()
    }
}

/// A migrated database.
pub async fn database() -> TestDatabase {
    TestDatabase::new(|url| async move {
        let address = Address::parse(&url).expect("an address");
        let migrated = migration::up(&address, None).await;
        migrated.expect("the template is migrated");
    })
    .await
}

/// A server's settings, with these environment variables besides.
pub fn settings(database: &TestDatabase, nomad: &str, more: &[(&str, &str)]) -> Settings {
    let variables: BTreeMap<_, _> = [
        ("DATABASE_URL", database.url().expose_secret()),
        ("JWT_SECRET", "a secret of a test, with thirty-two bytes"),
        ("ENCRYPTION_KEY", ENCRYPTION_KEY),
        ("SERVER_PORT", "0"),
        ("METRICS_PORT", "0"),
        ("ENVIRONMENT", "production"),
        ("NOMAD_ADDR", nomad),
        ("NOMAD_SERVICES__SERVER__HOST", "127.0.0.1"),
        ("NOMAD_SERVICES__SERVER__DRAIN_DELAY", "1ms"),
        ("NOMAD_SERVICES__AUTH__REFUSAL_TIME", "1ms"),
        ("NOMAD_SERVICES__NOMAD__ALLOWED_DRIVERS", "docker,raw_exec"),
        ("NOMAD_SERVICES__DEPLOYMENTS__POLL_INTERVAL", "100ms"),
        // Many connections are slow to open on a busy machine.
        ("NOMAD_SERVICES__DATABASE__ACQUIRE_TIMEOUT", "60s"),
        ("NOMAD_JOBS_PATH", "../config/jobs"),
    ]
    .iter()
    .chain(more)
    .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
    .collect();
    Settings::from_sources(Path::new("../config"), &variables).expect("settings")
}

/// The request for a small service.
pub fn service(name: &str, service_type: &str) -> Value {
    json!({"name": name, "type": service_type, "config": {"image": "nginx:1", "resources": {"cpu": 100}}})
}
