//! How many connections there are, how long they stay, and what waiting for one comes to.

use std::time::{Duration, Instant};

use domain::{Acting, ErrorKind, SystemPurpose};
use futures::future::join_all;
use persistence::{Database, PoolSettings};
use sea_orm::{DbBackend, Statement};
use secrecy::{ExposeSecret, SecretString};

use crate::database::{Fixture, address, bounds, scope, secrecy_text};

/// Generous, because it only bounds a test that fails.
const DEADLINE: Duration = Duration::from_secs(60);
const LONG: Duration = Duration::from_secs(3600);

/// A session of the product's, as PostgreSQL shows it.
pub struct Session {
    pub process: i32,
    pub encrypted: bool,
}

/// The sessions that the product has on the database at `url`.
pub async fn sessions(url: &SecretString) -> Vec<Session> {
    let connected = tokio_postgres::connect(url.expose_secret(), tokio_postgres::NoTls).await;
    let (client, connection) = connected.unwrap();
    tokio::spawn(connection);
    let question = "SELECT pid, ssl FROM pg_stat_activity JOIN pg_stat_ssl USING (pid)
        WHERE datname = current_database() AND application_name = 'nomad-services'";
    let rows = client.query(question, &[]).await.unwrap();
    rows.iter()
        .map(|row| Session {
            process: row.get(0),
            encrypted: row.get(1),
        })
        .collect()
}

impl Fixture {
    /// Uses as many connections at once, and gives them back.
    async fn use_at_once(&self, connections: usize) {
        let product = Acting::product();
        let taken =
            (0..connections).map(|_| self.database.system(SystemPurpose::Retention, &product));
        let taken = join_all(taken).await;
        assert!(taken.iter().all(Result::is_ok));
    }

    async fn open(&self) -> usize {
        sessions(&self.owned.url()).await.len()
    }

    async fn process(&self) -> i32 {
        self.database.ping().await.unwrap();
        let sessions = sessions(&self.owned.url()).await;
        assert_eq!(sessions.len(), 1);
        sessions[0].process
    }
}

#[tokio::test]
async fn idle_connections_above_the_number_kept_stay_until_their_time_is_over() {
    let fixture = Fixture::with(PoolSettings {
        max_open: 8,
        max_idle: 2,
        idle_timeout: LONG,
        ..bounds()
    })
    .await;
    fixture.use_at_once(6).await;
    assert_eq!(fixture.open().await, 6);
    fixture.use_at_once(6).await;
    assert_eq!(fixture.open().await, 6);
}

#[tokio::test]
async fn idle_connections_above_the_number_kept_close_after_their_time() {
    let fixture = Fixture::with(PoolSettings {
        max_open: 8,
        max_idle: 2,
        idle_timeout: Duration::from_millis(60),
        ..bounds()
    })
    .await;
    fixture.use_at_once(6).await;
    let begun = Instant::now();
    while fixture.open().await > 2 {
        assert!(begun.elapsed() < DEADLINE, "they are still open");
    }
    // As many turns of the reaper as it took it to close the others, and more.
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(fixture.open().await, 2);
}

#[tokio::test]
async fn no_more_connections_are_open_than_allowed() {
    let fixture = Fixture::new(3).await;
    let uses = (0..12).map(|_| fixture.database.ping());
    assert!(join_all(uses).await.iter().all(Result::is_ok));
    assert_eq!(fixture.open().await, 3);
}

#[tokio::test]
async fn taking_a_connection_costs_no_round_trip() {
    let fixture = Fixture::new(1).await;
    let ada = fixture.user("ada").await;
    let before = fixture.proxy.round_trips();
    for _ in 0..10 {
        drop(fixture.database.tenant(scope(&ada)).await.unwrap());
    }
    assert_eq!(fixture.proxy.round_trips(), before);
}

#[tokio::test]
async fn who_waits_too_long_for_a_connection_is_told_when_to_come_again() {
    let fixture = Fixture::with(PoolSettings {
        max_open: 1,
        // Opening a connection counts, too, and may take a while on a busy machine.
        acquire_timeout: Duration::from_secs(3),
        ..bounds()
    })
    .await;
    fixture.database.ping().await.unwrap();
    let held = fixture
        .database
        .system(SystemPurpose::Retention, &Acting::product())
        .await
        .unwrap();
    let refused = fixture.database.ping().await.unwrap_err();
    assert_eq!(
        (refused.kind(), refused.code()),
        (ErrorKind::Unavailable, "database_unavailable")
    );
    assert!(refused.retry_after().is_some());
    drop(held);
    fixture.database.ping().await.unwrap();
}

#[tokio::test]
async fn a_connection_is_replaced_when_it_is_old_and_not_before() {
    let bounds = |max_lifetime| PoolSettings {
        max_open: 1,
        max_lifetime,
        ..bounds()
    };
    let fixture = Fixture::with(bounds(LONG)).await;
    assert_eq!(fixture.process().await, fixture.process().await);
    let fixture = Fixture::with(bounds(Duration::from_nanos(1))).await;
    let first = fixture.process().await;
    fixture.database.ping().await.unwrap();
    // The old session's end reaches PostgreSQL a moment after the new one's beginning.
    let begun = Instant::now();
    loop {
        let now: Vec<_> = sessions(&fixture.owned.url()).await;
        if now.iter().all(|session| session.process != first) && now.len() == 1 {
            break;
        }
        assert!(
            begun.elapsed() < DEADLINE,
            "the old connection is still open"
        );
    }
}

#[tokio::test]
async fn the_address_has_its_way_with_time_outs_and_none_with_the_role() {
    let fixture = Fixture::new(1).await;
    let ada = fixture.user("ada").await;
    let options = "-c%20statement_timeout%3D1234%20-c%20role%3Dnomad_services_system%20-c%20timezone%3DAsia%2FTokyo";
    let url = format!("{}?options={options}", secrecy_text(&fixture.owned));
    let database = Database::new(&address(&url.into()), bounds()).unwrap();
    let settings = "SELECT current_setting('statement_timeout') AS timeout, current_setting('timezone') AS zone,
        current_user::text AS role";
    let settings = Statement::from_string(DbBackend::Postgres, settings);
    let transaction = database.tenant(scope(&ada)).await.unwrap();
    let [rows] = transaction.rows([settings]).await.unwrap();
    let value = |name| rows[0].get::<String>(name).unwrap();
    assert_eq!(
        ["timeout", "zone", "role"].map(value),
        ["1234ms", "UTC", "nomad_services_app"]
    );
}

#[tokio::test]
async fn a_server_that_says_nothing_leaves_time_for_the_next_however_patient_the_address_is() {
    let fixture = Fixture::new(1).await;
    let frozen = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let place = frozen.local_addr().unwrap();
    let url = secrecy_text(&fixture.owned).replacen('@', &format!("@{place},"), 1);
    let url = format!("{url}?connect_timeout=3600");
    let bounds = PoolSettings {
        acquire_timeout: Duration::from_secs(10),
        ..bounds()
    };
    let database = Database::new(&address(&url.into()), bounds).unwrap();
    database.ping().await.unwrap();
}
