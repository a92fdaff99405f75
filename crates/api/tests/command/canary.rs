//! A secret that is planted through the API, wherever it can be, is found nowhere but in the answer that reveals it: not in
//! any table, file of the database or its write-ahead log, log, metric or other answer. Nomad is the one exception: a job's
//! environment stands there in the clear, and what a task writes is in its own log.

use std::{
    fs,
    path::{Path, PathBuf},
};

use nix::sys::signal::Signal;
use reqwest::{Client, Method};
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::{
    process::{Server, free_port, get, run, text},
    serve::folder,
};

/// Part of every secret; of nothing else.
const CANARY: &str = "kanarienvogel";
/// What is no secret, and so must be found by the same search.
const SHOWN: &str = "spatzenschwarm";

const JOB: &str = r#"
variable "environment" { type = map(string) }
variable "token" { type = string }
job "tells" {
  group "g" {
    update {
      progress_deadline = "0s"
      healthy_deadline  = "30s"
      min_healthy_time  = "1s"
    }
    restart {
      attempts = 0
      mode     = "fail"
    }
    task "t" {
      driver = "raw_exec"
      config {
        command = "/bin/sh"
        args    = ["-c", "echo I was given $PASSWORD and ${var.token} >&2; exit 1"]
      }
      env = var.environment
    }
  }
}
"#;

struct Session {
    api: String,
    token: String,
    /// Everything that was answered, but for what was revealed.
    answers: Vec<String>,
}

impl Session {
    async fn send(
        &self,
        method: Method,
        path: &str,
        body: String,
    ) -> (reqwest::header::HeaderMap, String) {
        let request = Client::new().request(method, format!("{}{path}", self.api));
        let request = request
            .bearer_auth(&self.token)
            .header("content-type", "application/json")
            .header("idempotency-key", uuid::Uuid::new_v4().to_string())
            .header("if-match", "*");
        let response = request.body(body).send().await.expect("an answer");
        (
            response.headers().clone(),
            response.text().await.expect("a text"),
        )
    }

    async fn ask(&mut self, method: Method, path: &str, body: Value) -> Value {
        let body = match body {
            Value::Null => String::new(),
            body => body.to_string(),
        };
        let (headers, answer) = self.send(method, path, body).await;
        self.answers.push(format!("{path} {headers:?} {answer}"));
        serde_json::from_str(&answer).unwrap_or_default()
    }
}

/// The files below a folder that hold a text.
fn holding(folder: &Path, wanted: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(holding(&path, wanted));
        } else if let Ok(bytes) = fs::read(&path)
            && bytes
                .windows(wanted.len())
                .any(|window| window == wanted.as_bytes())
        {
            found.push(path);
        }
    }
    found
}

/// Every row of every table, as a dump has them.
async fn dump(server: &Server, folder: &Path) -> String {
    let line = server.line("database");
    let port = line.rsplit(':').next().expect("a port");
    let password =
        fs::read_to_string(folder.join(".data/postgres/password")).expect("its password");
    let url = format!(
        "postgres://postgres:{}@127.0.0.1:{port}/nomad_services",
        password.trim()
    );
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls)
        .await
        .expect("a connection of the superuser, whom no policy binds");
    actix_web::rt::spawn(connection);
    let tables = "SELECT format('SELECT %L || string_agg(t::text, E''\\n'') FROM %s t', relname, oid::regclass) \
         FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace";
    let mut dump = String::new();
    for table in client.query(tables, &[]).await.expect("the tables") {
        let rows = client
            .query_one(&table.get::<_, String>(0), &[])
            .await
            .expect("its rows");
        dump.push_str(&rows.get::<_, Option<String>>(0).unwrap_or_default());
    }
    dump
}

#[actix_web::test]
async fn a_secret_is_found_nowhere_but_in_the_answer_that_reveals_it() {
    let folder = folder();
    let jobs = folder.path().join("jobs");
    fs::create_dir(&jobs).expect("a folder");
    fs::write(jobs.join("tells.nomad"), JOB).expect("a job file");
    let metrics = free_port();
    let server = Server::start(
        folder.path(),
        &[
            ("PATH", "/usr/bin:/bin"),
            ("LOG_LEVEL", "trace"),
            ("METRICS_PORT", &metrics.to_string()),
            ("NOMAD_JOBS_PATH", jobs.to_str().expect("a path")),
            ("NOMAD_SERVICES__DEPLOYMENTS__POLL_INTERVAL", "100ms"),
        ],
    );
    let secret = |name: &str| format!("{CANARY}-{name}");
    let mut session = Session {
        api: server.line("URL").to_owned(),
        token: String::new(),
        answers: Vec::new(),
    };
    let password = SecretString::from(secret("of-the-account"));
    let password = secrecy::ExposeSecret::expose_secret(&password);
    let person = json!({"username": "ada", "email": "ada@example.com", "password": password});
    session.ask(Method::POST, "/auth/register", person).await;
    let login = json!({"username": "ada", "password": password});
    let signed_in = session.ask(Method::POST, "/auth/login", login).await;
    session.token = signed_in["token"].as_str().expect("a token").to_owned();

    // Made, shown, put back, changed.
    let config = |name: &str| {
        json!({
            "nomad_job_file": "tells.nomad", "environment": {"PASSWORD": secret(name)},
            "custom_variables": {"token": secret("marked")}, "sensitive": ["/custom_variables/token"],
        })
    };
    let service =
        json!({"name": "db", "type": "database", "description": SHOWN, "config": config("made")});
    let made = session.ask(Method::POST, "/services", service).await;
    let id = made["id"].as_str().expect("an id").to_owned();
    let path = format!("/services/{id}");
    let read = session.ask(Method::GET, &path, Value::Null).await;
    session.ask(Method::PUT, &path, read).await;
    session
        .ask(Method::PATCH, &path, json!({"config": config("changed")}))
        .await;
    session.ask(Method::GET, "/services", Value::Null).await;

    // Refused, in as many ways as there are.
    for config in [
        json!({"image": secret("as an image"), "environment": {"A B": secret("x")}}),
        json!({"image": "a", "environment": {"A": format!("${{{}}}", secret("y"))}}),
        json!({"image": "a", "environment": {"A": [secret("z")], "B": {"$enc": secret("e")}}}),
        json!({"nomad_job_file": "tells.nomad", "custom_variables": {"unknown": secret("v")}}),
        json!({"nomad_job_file": "tells.nomad", "sensitive": [secret("pointer")]}),
    ] {
        let new = json!({"name": "b", "type": "custom", "config": config});
        let refused = session.ask(Method::POST, "/services", new).await;
        assert_eq!(refused["status"], 422, "{refused}");
    }
    let broken = format!(
        r#"{{"name": "x", "config": {{"environment": {{"A": "{}" oops"#,
        secret("cut")
    );
    let (_, refused) = session.send(Method::POST, "/services", broken).await;
    assert!(refused.contains("malformed_json"), "{refused}");
    session.answers.push(refused);

    // Started, and told by the task itself before it dies.
    let start = session
        .ask(Method::POST, &format!("{path}/start"), Value::Null)
        .await;
    let deployment = start["deployment"]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let mut failed = Value::Null;
    for _ in 0..20 {
        let wait = format!("/deployments/{deployment}?wait=10s");
        failed = session.ask(Method::GET, &wait, Value::Null).await;
        if failed["status"] == "failed" {
            break;
        }
    }
    let reason = failed["error_msg"].as_str().expect("a reason");
    assert!(
        reason.contains("I was given ********** and **********"),
        "{reason}"
    );
    session
        .ask(Method::GET, &format!("{path}/deployments"), Value::Null)
        .await;

    // Revealed, and only here.
    let pointers = [
        "/config/environment/PASSWORD",
        "/config/custom_variables/token",
    ];
    let reveal = json!({"pointers": pointers}).to_string();
    let (_, revealed) = session
        .send(Method::POST, &format!("{path}/reveal"), reveal)
        .await;
    assert!(
        revealed.contains(&secret("changed")) && revealed.contains(&secret("marked")),
        "{revealed}"
    );

    let rotated = run(folder.path(), &["keys", "rotate"], &[]);
    assert_eq!(rotated.status.code(), Some(0), "{rotated:?}");

    let dump = dump(&server, folder.path()).await;
    let counted = get(&format!("127.0.0.1:{metrics}"), "/metrics");
    assert!(
        counted.contains("nomad_services_http_requests_total"),
        "{counted}"
    );
    let answers = session.answers.join("\n");
    server.signal(Signal::SIGTERM);
    let (ended, log) = server.ended();
    assert_eq!(ended, Some(0));
    for (what, said) in [
        ("an answer", answers.as_str()),
        ("a table", &dump),
        ("a metric", &counted),
        ("a command", &text(&rotated.stdout)),
    ] {
        assert!(!said.contains(CANARY), "{what} holds the secret: {said}");
    }
    assert!(answers.contains(SHOWN) && dump.contains(SHOWN));
    // The database's files, its write-ahead log and its own log, and all that development keeps.
    let found = holding(folder.path(), CANARY);
    assert_eq!(found, Vec::<PathBuf>::new());
    let control = holding(folder.path(), SHOWN);
    let is_in = |part: &str| {
        control
            .iter()
            .any(|path| path.display().to_string().contains(part))
    };
    assert!(is_in("pg_wal") && is_in("base"), "{control:?}");
    assert!(log.contains("DEBUG") && log.contains("answered"), "{log}");
    assert!(!log.contains(CANARY), "{log}");
}
