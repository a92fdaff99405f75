//! One tenant's people, playing its part of a history: they remember what they were told, and ask on with it.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio_postgres::Client;

use super::{
    history::{Caller, Side, Step},
    memory::{Memory, Things},
    names::{Names, settled},
    operations::Operation,
};
use crate::app::{Answer, PASSWORD, Request, TestApp};

/// The people's other password.
const NEXT_PASSWORD: &str = "battery staple correct";

/// How often a deployment is asked for, ten seconds each time.
const PATIENCE: usize = 20;

/// A request and its answer, with names for what is another one each time.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Exchange {
    pub asked: String,
    pub answered: String,
}

pub struct Player<'app> {
    app: &'app TestApp,
    database: &'app Client,
    side: Side,
    people: Vec<Account>,
    keys: Vec<Key>,
    invitations: Vec<String>,
    memory: Memory,
    names: Names,
    exchanges: Vec<Exchange>,
}

struct Account {
    username: String,
    password: &'static str,
    token: String,
    refresh_token: String,
}

struct Key {
    text: String,
    owner: usize,
}

/// Who sends a request: one of the people, with an API key or without.
#[derive(Clone)]
struct Credentials {
    person: usize,
    /// None for whoever is not signed in.
    bearer: Option<String>,
    is_key: bool,
}

/// What is sent.
struct Message {
    method: Method,
    path: String,
    body: Option<Value>,
    version: Option<String>,
    key: Option<&'static str>,
}

impl<'app> Player<'app> {
    /// Registers the tenant.
    pub async fn new(app: &'app TestApp, database: &'app Client, side: Side) -> Self {
        let mut player = Self {
            app,
            database,
            side,
            people: Vec::new(),
            keys: Vec::new(),
            invitations: Vec::new(),
            memory: Memory::default(),
            names: Names::default(),
            exchanges: Vec::new(),
        };
        let registration = json!({
            "username": side.name(), "email": format!("{}@example.com", side.name()), "password": PASSWORD
        });
        let registration = Message::post("/auth/register", registration);
        let asked = registration.to_string();
        let (answer, _) = player.exchange(asked, registration, None).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        player.joined(side.name().to_owned()).await;
        player
    }

    pub fn things(&self) -> Things {
        self.memory.things.clone()
    }

    pub fn into_exchanges(self) -> Vec<Exchange> {
        self.exchanges
    }

    /// Asks what the step says. `others` is what the other tenant has, if there is one.
    pub async fn play(&mut self, step: &Step, others: &Things) {
        let operation = step.operation;
        let credentials = self.credentials(step);
        let aim = operation
            .aims_at(step.variant)
            .map(|kind| self.memory.resolve(kind, step.aim, others));
        if let Some((id, false)) = &aim {
            self.names.add_foreign(id);
        }
        let aim = aim.map(|(id, _)| id).unwrap_or_default();
        let Some(variant) = self.fill(step, &credentials, &aim) else {
            return;
        };
        let path = operation.path().replace("{id}", &aim);
        let subject = if aim.is_empty() { &path } else { &aim };
        let message = Message {
            version: self.memory.version(step.version, subject),
            method: operation.method(),
            body: None,
            key: step.key,
            path: path.clone(),
        };
        let message = match message.method {
            Method::GET => Message {
                path: format!("{path}{variant}"),
                ..message
            },
            _ => Message {
                body: serde_json::from_str(&variant).ok(),
                ..message
            },
        };
        let sent = message.body.clone().unwrap_or_default();
        if operation.reads_seals() {
            self.sealed().await;
        }
        let asked = match message.method {
            Method::GET => format!("GET {path}{}", step.variant),
            _ => message.to_string(),
        };
        let asked = self.names.text(&asked);
        let (answer, body) = self
            .exchange(asked, message, credentials.bearer.clone())
            .await;
        self.memory.learn(operation, &path, &answer, &body);
        let is_session = credentials.bearer.is_some() && !credentials.is_key;
        if answer.status == StatusCode::UNAUTHORIZED && is_session {
            self.sign_in(credentials.person).await;
        }
        if answer.status.is_success() {
            self.follow(operation, &credentials, &sent, &body).await;
        }
    }

    fn credentials(&self, step: &Step) -> Credentials {
        let person = |index| Credentials {
            person: index,
            bearer: Some(self.people[index].token.clone()),
            is_key: false,
        };
        let members = self.people.len() - 1;
        let credentials = match step.caller {
            Caller::Member(index) if members > 0 => person(1 + index % members),
            Caller::Key(index) if !self.keys.is_empty() => {
                let key = &self.keys[self.keys.len() - 1 - index % self.keys.len()];
                Credentials {
                    person: key.owner,
                    bearer: Some(key.text.clone()),
                    is_key: true,
                }
            }
            _ => person(0),
        };
        let is_public = step.operation.is_public();
        Credentials {
            bearer: credentials.bearer.filter(|_| !is_public),
            ..credentials
        }
    }

    /// The query or body; none where there is not yet what it is about.
    fn fill(&self, step: &Step, credentials: &Credentials, aim: &str) -> Option<String> {
        let account = &self.people[credentials.person];
        let path = step.operation.path().replace("{id}", aim);
        let cursor = self.memory.cursor(&path).unwrap_or_default();
        let invitation = self.invitations.last().map_or("", String::as_str);
        for (name, value) in [("<cursor>", cursor), ("<invitation>", invitation)] {
            if step.variant.contains(name) && value.is_empty() {
                return None;
            }
        }
        let text = step.variant.replace("<side>", self.side.name());
        let text = text.replace("<id>", aim).replace("<cursor>", cursor);
        let text = text.replace("<username>", &account.username);
        let text = text.replace("<password>", account.password);
        let text = text.replace("<next-password>", other_password(account.password));
        let text = text.replace("<refresh-token>", &account.refresh_token);
        Some(text.replace("<invitation>", invitation))
    }

    /// Sends a message, and notes it with its answer.
    async fn exchange(
        &mut self,
        asked: String,
        message: Message,
        bearer: Option<String>,
    ) -> (Answer, Value) {
        let mut request = self.request(message.method, &message.path, bearer);
        request = request.header(
            "x-request-id",
            format!("{}-{}", self.side.name(), self.exchanges.len()),
        );
        if let Some(version) = &message.version {
            request = request.header("if-match", version);
        }
        if let Some(key) = message.key {
            request = request.header("idempotency-key", key);
        }
        if let Some(body) = &message.body {
            request = request.json(body);
        }
        let answer = request.send().await;
        let body = settled(&answer);
        let answered = self.names.answer(&answer, &body);
        self.exchanges.push(Exchange { asked, answered });
        (answer, body)
    }

    fn request(&self, method: Method, path: &str, bearer: Option<String>) -> Request {
        let request = self.app.request(method, path);
        let request = request.header("x-forwarded-for", self.side.address());
        match bearer {
            Some(bearer) => request.header("authorization", format!("Bearer {bearer}")),
            None => request,
        }
    }

    /// What an answer brings with it beyond itself.
    async fn follow(
        &mut self,
        operation: &Operation,
        credentials: &Credentials,
        sent: &Value,
        body: &Value,
    ) {
        let text = |name: &str| body[name].as_str().map(str::to_owned);
        let person = credentials.person;
        if let (Some(token), Some(refresh_token)) = (text("token"), text("refresh_token")) {
            self.people[person].token = token;
            self.people[person].refresh_token = refresh_token;
        } else if let Some(token) = text("token") {
            // Whoever else it is for may be somebody of the other tenant's, and an address has one account.
            let email = sent["email"].as_str().unwrap_or_default();
            if email.starts_with(&format!("{}-", self.side.name())) {
                self.invitations.push(token);
            }
        }
        if let Some(text) = text("key") {
            let owner = person;
            self.keys.push(Key { text, owner });
        }
        match operation.path() {
            "/users/me/password" => {
                let account = &mut self.people[person];
                account.password = other_password(account.password);
            }
            "/invitations/accept" => {
                let username = body["user"]["username"]
                    .as_str()
                    .or(body["username"].as_str());
                let username = username.expect("a username").to_owned();
                if self.people.iter().all(|known| known.username != username) {
                    self.joined(username).await;
                }
            }
            _ => {}
        }
        if let Some(id) = body["deployment"]["id"].as_str() {
            self.ended(id, credentials).await;
        }
    }

    async fn joined(&mut self, username: String) {
        self.people.push(Account {
            username,
            password: PASSWORD,
            token: String::new(),
            refresh_token: String::new(),
        });
        self.sign_in(self.people.len() - 1).await;
    }

    async fn sign_in(&mut self, person: usize) {
        let account = &self.people[person];
        let body = json!({"username": account.username, "password": account.password});
        let message = Message::post("/auth/login", body);
        let (_, body) = self.exchange(message.to_string(), message, None).await;
        if let (Some(token), Some(refresh_token)) =
            (body["token"].as_str(), body["refresh_token"].as_str())
        {
            self.people[person].token = token.to_owned();
            self.people[person].refresh_token = refresh_token.to_owned();
        }
    }

    /// Waits until a deployment is over, so that nothing changes beside the history.
    async fn ended(&self, deployment: &str, credentials: &Credentials) {
        let path = format!("/deployments/{deployment}?wait=10s");
        for _ in 0..PATIENCE {
            let request = self.request(Method::GET, &path, credentials.bearer.clone());
            let deployment = request.send().await.json();
            if ["completed", "failed"].contains(&deployment["status"].as_str().unwrap_or_default())
            {
                return;
            }
        }
        panic!("the deployment {deployment} does not end");
    }

    /// Waits until every row of the audit trail is sealed.
    async fn sealed(&self) {
        let waiting = "SELECT COUNT(*) FROM audit_pending";
        for _ in 0..600 {
            let row = self.database.query_one(waiting, &[]).await;
            if row.expect("a count").get::<_, i64>(0) == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("rows of the audit trail stay unsealed");
    }
}

impl Message {
    fn post(path: &str, body: Value) -> Self {
        Self {
            method: Method::POST,
            path: path.to_owned(),
            body: Some(body),
            version: None,
            key: None,
        }
    }
}

impl std::fmt::Display for Message {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} {}", self.method, self.path)
    }
}

fn other_password(password: &str) -> &'static str {
    match password {
        PASSWORD => NEXT_PASSWORD,
        _ => PASSWORD,
    }
}
