//! Behind a pooler in transaction mode: one that refuses what a session begins with, one that drops it in silence, one that
//! gives prepared statements to others, and PgBouncer itself where it is on PATH.

use std::{
    env,
    fs::{self, Permissions},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::PathBuf,
    time::Duration,
};

use bytes::{Buf, BufMut, BytesMut};
use domain::ServiceType;
use embedded_postgres::test_database::TestDatabase;
use futures::future::join_all;
use persistence::{Database, PoolSettings};
use sea_orm::{DbBackend, Statement};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy},
    net::{TcpListener, TcpStream},
    process::{Child, Command},
    time::sleep,
};

use crate::database::{Fixture, KEY, address, bounds, keyring, scope, secrecy_text};
use crate::ports::*;

/// What a pooler does with what it does not understand.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Habit {
    RefusesOptions,
    DropsOptions,
    LosesStatements,
}

#[tokio::test]
async fn a_pooler_that_refuses_a_sessions_settings_is_served_through() {
    serves(Habit::RefusesOptions, true).await;
    serves(Habit::RefusesOptions, false).await;
}

#[tokio::test]
async fn a_pooler_that_drops_a_sessions_settings_is_served_through() {
    serves(Habit::DropsOptions, true).await;
    serves(Habit::DropsOptions, false).await;
}

#[tokio::test]
async fn where_a_pooler_loses_prepared_statements_none_are_used_any_more() {
    serves(Habit::LosesStatements, true).await;
    serves(Habit::LosesStatements, false).await;
}

#[tokio::test]
async fn pgbouncer_in_transaction_mode_is_served_through_with_prepared_statements_and_without() {
    let Some(program) = on_path("pgbouncer") else {
        println!("pgbouncer is not on PATH, so it is not tried");
        return;
    };
    for (prepared, ignored, keeps_statements) in [
        (200, "", true),
        (200, "options", true),
        (0, "", true),
        (0, "options", false),
    ] {
        let mut fixture = Fixture::new(1).await;
        let pooler = PgBouncer::before(&fixture.owned, &program, prepared, ignored).await;
        fixture.reach_through(pooler.port, keeps_statements);
        fixture.serves().await;
    }
}

async fn serves(habit: Habit, keeps_statements: bool) {
    let mut fixture = Fixture::new(1).await;
    let port = pooler(fixture.server(), habit).await;
    fixture.reach_through(port, keeps_statements);
    fixture.serves().await;
}

impl Fixture {
    fn server(&self) -> String {
        let url = secrecy_text(&self.owned);
        let (server, _) = url.split_once('@').unwrap().1.split_once('/').unwrap();
        server.to_owned()
    }

    fn reach_through(&mut self, port: u16, keeps_statements: bool) {
        let url = secrecy_text(&self.owned);
        let through = url.replace(&self.server(), &format!("127.0.0.1:{port}"));
        let bounds = PoolSettings {
            keeps_statements,
            ..bounds()
        };
        self.database = Database::new(&address(&through.into()), bounds)
            .unwrap()
            .with_keyring(keyring(&[KEY]));
    }

    /// What works without a pooler.
    async fn serves(&self) {
        let standing = self.database.isolation().await.unwrap();
        assert!(standing.findings.is_empty(), "{:?}", standing.findings);
        let (ada, eve) = (self.user("ada").await, self.user("eve").await);
        self.create(&ada, ServiceType::Database).await;
        self.create(&eve, ServiceType::Custom).await;

        let mut dropped = self.database.tenant(scope(&ada)).await.unwrap();
        dropped.lock_admission().await.unwrap();
        drop(dropped);
        self.create(&ada, ServiceType::WebServer).await;

        // Many at once share few sessions of the server's.
        let both = (0..20).flat_map(|_| [(&ada, 2), (&eve, 1)]);
        join_all(both.map(async |(user, expected)| {
            assert_eq!(self.names(user).await.unwrap().len(), expected);
        }))
        .await;
        assert_eq!(self.names(&eve).await.unwrap(), ["custom"]);

        let settings = "SELECT current_setting('statement_timeout') AS timeout, current_setting('timezone') AS zone,
            current_user::text AS role, current_setting('app.tenant_id') AS tenant";
        let settings = Statement::from_string(DbBackend::Postgres, settings);
        let transaction = self.database.tenant(scope(&ada)).await.unwrap();
        let [rows] = transaction.rows([settings]).await.unwrap();
        let value = |name| rows[0].get::<String>(name).unwrap();
        let tenant = ada.tenant.unwrap().to_string();
        assert_eq!(
            ["timeout", "zone", "role", "tenant"].map(value),
            ["30s", "UTC", "nomad_services_app", &tenant]
        );
    }
}

/// A pooler with one session of the server's for each client. Its port.
async fn pooler(server: String, habit: Habit) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(&server).await.unwrap();
            tokio::spawn(forward(client, server, habit));
        }
    });
    port
}

async fn forward(mut client: TcpStream, mut server: TcpStream, habit: Habit) {
    let mut beginning = BytesMut::zeroed(4);
    client.read_exact(&mut beginning).await.unwrap();
    let length = beginning.get_u32() as usize - 4;
    beginning.resize(length, 0);
    client.read_exact(&mut beginning).await.unwrap();
    match (settings_without_options(&beginning), habit) {
        (Some(_), Habit::RefusesOptions) => {
            let refusal = b"SFATAL\0VFATAL\0C08P01\0Munsupported startup parameter: options\0\0";
            let mut answer = BytesMut::from(&b"E"[..]);
            answer.put_u32(u32::try_from(refusal.len()).unwrap() + 4);
            answer.extend_from_slice(refusal);
            return client.write_all(&answer).await.unwrap();
        }
        (Some(without), Habit::DropsOptions) => beginning = without,
        _ => {}
    }
    server
        .write_u32(u32::try_from(beginning.len()).unwrap() + 4)
        .await
        .unwrap();
    server.write_all(&beginning).await.unwrap();

    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let upstream = async move {
        let mut read = BytesMut::new();
        while let Ok(1..) = from_client.read_buf(&mut read).await {
            while let Some(mut message) = message(&mut read) {
                // What one session was asked to keep, another is asked for.
                let names = match message[0] {
                    b'P' => message[5] != 0,
                    b'D' | b'C' => message[5] == b'S' && message[6] != 0,
                    _ => false,
                };
                if names && habit == Habit::LosesStatements {
                    let first = if message[0] == b'P' { 5 } else { 6 };
                    message[first] = b'x';
                }
                if to_server.write_all(&message).await.is_err() {
                    return;
                }
            }
        }
    };
    tokio::select! {
        () = upstream => {}
        _ = copy(&mut from_server, &mut to_client) => {}
    }
}

/// The first whole message.
fn message(read: &mut BytesMut) -> Option<BytesMut> {
    let length = u32::from_be_bytes(read.get(1..5)?.try_into().ok()?) as usize + 1;
    (read.len() >= length).then(|| read.split_to(length))
}

/// What a session begins with less its options, if it has any.
fn settings_without_options(beginning: &[u8]) -> Option<BytesMut> {
    let (version, settings) = beginning.split_at(4);
    let texts: Vec<_> = settings.split(|byte| *byte == 0).collect();
    let mut without = BytesMut::from(version);
    let mut found = false;
    for pair in texts.chunks_exact(2).filter(|pair| !pair[0].is_empty()) {
        match pair[0] {
            b"options" => found = true,
            _ => pair.iter().for_each(|text| {
                without.extend_from_slice(text);
                without.put_u8(0);
            }),
        }
    }
    without.put_u8(0);
    found.then_some(without)
}

/// A running PgBouncer; it ends with this.
struct PgBouncer {
    port: u16,
    _folder: TempDir,
    _process: Child,
}

impl PgBouncer {
    async fn before(
        database: &TestDatabase,
        program: &PathBuf,
        prepared: usize,
        ignored: &str,
    ) -> Self {
        let url = secrecy_text(database);
        let (login, rest) = url
            .trim_start_matches("postgres://")
            .trim_start_matches("postgresql://")
            .split_once('@')
            .unwrap();
        let (user, password) = login.split_once(':').unwrap();
        let (server, name) = rest.split_once('/').unwrap();
        let (host, server_port) = server.split_once(':').unwrap();
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let settings = format!(
            "[databases]\n{name} = host={host} port={server_port} user={user} password={password}\n\
             [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n\
             pool_mode = transaction\ndefault_pool_size = 2\nmax_prepared_statements = {prepared}\n\
             ignore_startup_parameters = {ignored}\n"
        );
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let file = folder.path().join("pgbouncer.ini");
        fs::write(&file, settings).unwrap();
        let mut command = Command::new(program);
        command.arg("--quiet").arg(&file).kill_on_drop(true);
        if fs::metadata(&file).unwrap().uid() == 0 {
            // It refuses to be root.
            command.uid(65534).gid(65534);
        }
        let process = command.spawn().unwrap();
        for _ in 0..200 {
            if TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                break;
            }
            sleep(Duration::from_millis(50)).await;
        }
        Self {
            port,
            _folder: folder,
            _process: process,
        }
    }
}

fn on_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let mut places = env::split_paths(&path).map(|folder| folder.join(program));
    places.find(|place| place.is_file())
}
