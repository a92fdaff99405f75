//! `keys`: data keys and the key-encryption key change while a server answers, and a rotation survives being killed.

use std::{
    fs,
    path::PathBuf,
    process::Output,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use embedded_postgres::test_database::TestDatabase;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use reqwest::{Client, Method, StatusCode};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::process::{ENCRYPTION_KEY, Server, command, run, text};

const NEWER_KEY: &str = "//////////////////////////////////////////8=";
const PASSWORD: &str = "/config/environment/PASSWORD";

/// Tenants with a service each, as an installation from before encryption left them.
const TENANTS: &str = "WITH tenant AS ( \
         INSERT INTO tenants (name, slug) SELECT n, n FROM generate_series(1, 200) AS n RETURNING id \
     ), member AS ( \
         INSERT INTO users (email, username, password, tenant_id) SELECT id, id, '', id FROM tenant RETURNING id, tenant_id \
     ) SELECT id::text, tenant_id::text FROM member";
const SERVICE: &str = "INSERT INTO services (name, type, tenant_id, created_by, config) \
     VALUES ('s', 'custom', $2::text::uuid, $1::text::uuid, '{\"image\": \"a\", \"environment\": {\"A\": \"in the clear\"}}')";

struct Session {
    api: String,
    token: String,
}

impl Session {
    async fn begin(api: String) -> Self {
        let mut session = Self {
            api,
            token: String::new(),
        };
        let (name, password) = ("ada", "correct horse battery");
        let person = json!({"username": name, "email": "ada@example.com", "password": password});
        session.ask(Method::POST, "/auth/register", person).await;
        let login = json!({"username": name, "password": password});
        let (_, answer) = session.ask(Method::POST, "/auth/login", login).await;
        session.token = answer["token"].as_str().expect("a token").to_owned();
        session
    }

    async fn ask(&self, method: Method, path: &str, body: Value) -> (StatusCode, Value) {
        let request = Client::new().request(method, format!("{}{path}", self.api));
        let response = request.bearer_auth(&self.token).json(&body).send().await;
        let response = response.expect("an answer");
        let status = response.status();
        (status, response.json().await.expect("JSON"))
    }
}

/// Where and with which variables a command runs.
#[derive(Clone)]
struct Place {
    folder: PathBuf,
    variables: Vec<(&'static str, String)>,
}

impl Place {
    fn variables(&self) -> Vec<(&str, &str)> {
        let variables = self.variables.iter();
        variables
            .map(|(name, value)| (*name, value.as_str()))
            .collect()
    }

    fn server(&self) -> Server {
        Server::start(&self.folder, &self.variables())
    }

    /// Runs `keys` to its end, beside the test's own requests.
    async fn keys(&self, arguments: &[&str]) -> Output {
        let place = self.clone();
        let arguments: Vec<_> = arguments
            .iter()
            .map(|argument| (*argument).to_owned())
            .collect();
        let run = move || {
            let arguments = arguments.iter().map(String::as_str);
            let arguments: Vec<_> = ["keys", "--json"].into_iter().chain(arguments).collect();
            run(&place.folder, &arguments, &place.variables())
        };
        tokio::task::spawn_blocking(run).await.expect("no panic")
    }

    /// What `keys` answers.
    async fn answer(&self, arguments: &[&str]) -> Value {
        let output = self.keys(arguments).await;
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {output:?}");
        serde_json::from_slice(&output.stdout).expect("JSON")
    }
}

#[actix_web::test]
async fn keys_change_under_load_a_killed_rotation_goes_on_and_old_keys_end() {
    let database = TestDatabase::empty().await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("keys");
    fs::write(&file, ENCRYPTION_KEY).expect("the keys");
    let url = database.url();
    let owned = |text: &str| text.to_owned();
    let place = Place {
        folder: folder.path().to_owned(),
        variables: vec![
            ("ENVIRONMENT", owned("production")),
            ("NOMAD_SERVICES__LOG__FORMAT", owned("text")),
            ("NOMAD_SERVICES__SERVER__HOST", owned("127.0.0.1")),
            ("DATABASE_URL", owned(url.expose_secret())),
            ("ENCRYPTION_KEY_FILE", file.display().to_string()),
            (
                "JWT_SECRET",
                owned("a secret of a test, with thirty-two bytes"),
            ),
            ("NOMAD_ADDR", owned("http://127.0.0.1:1")),
            ("LOG_LEVEL", owned("error")),
        ],
    };
    let server = place.server();
    let session = Session::begin(server.line("URL").to_owned()).await;
    let service = json!({
        "name": "db", "type": "database", "config": {"image": "a", "environment": {"PASSWORD": "password-0"}}
    });
    let (_, made) = session.ask(Method::POST, "/services", service).await;
    let id = made["id"].as_str().expect("an id").to_owned();

    let (client, connection) = tokio_postgres::connect(url.expose_secret(), tokio_postgres::NoTls)
        .await
        .expect("a connection");
    actix_web::rt::spawn(connection);
    let role = "GRANT INSERT ON services TO nomad_services_system; SET ROLE nomad_services_system";
    client.batch_execute(role).await.expect("the role");
    for member in client.query(TENANTS, &[]).await.expect("tenants") {
        let (user, tenant): (String, String) = (member.get(0), member.get(1));
        client
            .execute(SERVICE, &[&user, &tenant])
            .await
            .expect("a service");
    }
    // A server serves from no database where a role may do more than the migrations let it.
    let role = "RESET ROLE; REVOKE INSERT ON services FROM nomad_services_system; SET ROLE nomad_services_system";
    client.batch_execute(role).await.expect("the role");

    // The newest key-encryption key first, for the server and for the command.
    fs::write(&file, format!("{NEWER_KEY}\n{ENCRYPTION_KEY}\n")).expect("the keys");
    let done = AtomicBool::new(false);
    let load = async {
        let mut changes = 0;
        while !done.load(Ordering::SeqCst) {
            changes += 1;
            let password = format!("password-{changes}");
            let config = json!({"image": "a", "environment": {"PASSWORD": password}});
            let body = json!({"name": "db", "config": config});
            let (status, put) = session
                .ask(Method::PUT, &format!("/services/{id}"), body)
                .await;
            assert_eq!(status, StatusCode::OK, "{put}");
            let pointers = json!({"pointers": [PASSWORD]});
            let path = format!("/services/{id}/reveal");
            let (status, revealed) = session.ask(Method::POST, &path, pointers).await;
            assert_eq!(status, StatusCode::OK, "{revealed}");
            assert_eq!(revealed["values"][PASSWORD], password);
        }
        changes
    };
    let rotation = async {
        let mut interrupted = command(&place.folder, &["keys", "rotate"]);
        let mut child = interrupted
            .envs(place.variables())
            .spawn()
            .expect("a rotation");
        let made = "SELECT COUNT(*) FROM tenant_keys WHERE rotation_id IS NOT NULL";
        loop {
            let row = client.query_one(made, &[]).await.expect("a count");
            if row.get::<_, i64>(0) >= 20 {
                break;
            }
            let ended = child.try_wait().expect("a status");
            assert!(
                ended.is_none(),
                "the rotation ended before it could be killed: {ended:?}"
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let process = i32::try_from(child.id()).expect("a process id");
        kill(Pid::from_raw(process), Signal::SIGKILL).expect("it is killed");
        child.wait().expect("it ends");
        let interrupted = place.answer(&["status"]).await;
        assert!(interrupted["rotating_since"].is_string(), "{interrupted}");
        let rotated = place.answer(&["rotate"]).await;
        assert_eq!(rotated["failures"], json!([]), "{rotated}");
        assert_eq!(rotated["owners"], 202, "{rotated}");
        // A second one right after it has everything to do again.
        let again = place.answer(&["rotate"]).await;
        assert_eq!(again["keys"], 202, "{again}");
        done.store(true, Ordering::SeqCst);
        place.answer(&["status"]).await
    };
    let (changes, status) = tokio::join!(load, rotation);
    assert!(changes > 0);
    assert_eq!(status["rotating_since"], Value::Null);
    let newest = &status["key_encryption_keys"][0];
    let counts = status["data_keys"].as_array().expect("counts");
    assert!(
        counts.iter().all(|count| count["wrapped_by"] == *newest),
        "{status}"
    );

    // No value is left in the clear or under an old key, and the old ones can end.
    let clear = "SELECT COUNT(*) FROM services WHERE config::text LIKE '%in the clear%'";
    let clear: i64 = client.query_one(clear, &[]).await.expect("a count").get(0);
    assert_eq!(clear, 0);
    let tenant = made["tenant_id"].as_str().expect("a tenant");
    let listed = place.answer(&["list", "--tenant", tenant]).await;
    let listed = listed["keys"].as_array().expect("keys");
    assert_eq!(listed.len(), 3, "{listed:?}");
    for key in listed {
        let id = key["id"].as_str().expect("an id");
        if key["state"] == "active" {
            assert_eq!(key["rows"], 1, "{key}");
            let refused = place.keys(&["retire", id]).await;
            assert_eq!(refused.status.code(), Some(1));
            assert!(text(&refused.stderr).contains("active"), "{refused:?}");
        } else {
            assert_eq!(key["rows"], 0, "{key}");
            place.answer(&["retire", id]).await;
        }
    }
    // Without the older key-encryption key, too.
    fs::write(&file, NEWER_KEY).expect("the keys");
    server.kill();
    let server = place.server();
    let session = Session {
        api: server.line("URL").to_owned(),
        ..session
    };
    let path = format!("/services/{id}/reveal");
    let (status, _) = session
        .ask(Method::POST, &path, json!({"pointers": [PASSWORD]}))
        .await;
    assert_eq!(status, StatusCode::OK);
    server.kill();
}
