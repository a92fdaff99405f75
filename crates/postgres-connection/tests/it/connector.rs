//! Which of an address's servers is taken, and what is said where there is none.

use std::path::Path;

use embedded_postgres::test_database::TestDatabase;
use postgres_connection::{Address, ConnectError, Connector};
use secrecy::ExposeSecret;
use tokio::{
    io::{AsyncRead, AsyncWrite, copy_bidirectional},
    net::{TcpListener, TcpStream, UnixListener},
    task::JoinHandle,
};

/// The test's database, with a place in its address for the servers and parameters of each case.
struct Place {
    database: TestDatabase,
    /// Host and port.
    server: String,
}

impl Place {
    async fn new() -> Self {
        let database = TestDatabase::empty().await;
        let url = database.url().expose_secret().to_owned();
        let (server, _) = url.split_once('@').unwrap().1.split_once('/').unwrap();
        let server = server.to_owned();
        Self { database, server }
    }

    fn address(&self, servers: &str, parameters: &str) -> Address {
        let url = self.database.url();
        let url = url.expose_secret().replace(&self.server, servers);
        format!("{url}?{parameters}").parse().unwrap()
    }

    async fn connects(&self, servers: &str, parameters: &str) -> Result<String, ConnectError> {
        let client = Connector::new(&self.address(servers, parameters))?
            .connect()
            .await?;
        let row = client
            .query_one("SELECT current_database()::text", &[])
            .await
            .unwrap();
        Ok(row.get(0))
    }
}

/// Where nobody listens.
const CLOSED: &str = "127.0.0.1:1";

async fn forward(mut near: impl AsyncRead + AsyncWrite + Unpin, server: &str) {
    let mut far = TcpStream::connect(server).await.unwrap();
    let _ = copy_bidirectional(&mut near, &mut far).await;
}

/// A door to `server` at another address.
async fn door(at: &str, server: String) -> (u16, JoinHandle<()>) {
    let listener = TcpListener::bind((at, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let open = async move {
        let (near, _) = listener.accept().await.unwrap();
        forward(near, &server).await;
    };
    (port, tokio::spawn(open))
}

/// A server that takes connections and says nothing.
async fn frozen() -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = listener.local_addr().unwrap().to_string();
    let hold = async move {
        let mut held = Vec::new();
        while let Ok((connection, _)) = listener.accept().await {
            held.push(connection);
        }
    };
    (place, tokio::spawn(hold))
}

fn socket(folder: &Path, server: String) -> JoinHandle<()> {
    let listener = UnixListener::bind(folder.join(".s.PGSQL.6543")).unwrap();
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            forward(near, &server).await;
        }
    })
}

#[tokio::test]
async fn a_server_is_reached_by_ipv6_and_by_a_socket_in_either_notation() {
    let place = Place::new().await;
    let (port, _door) = door("::1", place.server.clone()).await;
    place.connects(&format!("[::1]:{port}"), "").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let _socket = socket(folder.path(), place.server.clone());
    let folder = folder.path().to_str().unwrap();
    let encoded = folder.replace('/', "%2F");
    place
        .connects(&format!("{encoded}:6543"), "sslmode=require")
        .await
        .unwrap();
    place
        .connects("", &format!("host={folder}&port=6543"))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_server_that_does_not_answer_gives_way_to_the_next() {
    let place = Place::new().await;
    let (frozen, _held) = frozen().await;
    let servers = format!("{CLOSED},{frozen},{}", place.server);
    place.connects(&servers, "connect_timeout=1").await.unwrap();
    let error = place
        .connects(&format!("{CLOSED},{frozen}"), "connect_timeout=1")
        .await
        .unwrap_err();
    let said = error.to_string();
    assert!(matches!(error, ConnectError::Silent { .. }), "{said}");
    assert!(
        said.starts_with(&format!(
            "PostgreSQL at {CLOSED}, {frozen} does not answer: {CLOSED}: "
        )) && said.ends_with(&format!("; {frozen}: no answer within 1s")),
        "{said}"
    );
}

#[tokio::test]
async fn a_server_that_does_not_take_writes_is_none_where_they_are_asked_for() {
    let place = Place::new().await;
    let read_only = "options=-c%20default_transaction_read_only%3Don";
    place
        .connects(
            &place.server,
            &format!("{read_only}&target_session_attrs=read-only"),
        )
        .await
        .unwrap();
    place
        .connects(&place.server, "target_session_attrs=read-write")
        .await
        .unwrap();
    let error = place
        .connects(
            &place.server,
            &format!("{read_only}&target_session_attrs=read-write"),
        )
        .await;
    let error = error.unwrap_err();
    assert!(matches!(error, ConnectError::Silent { .. }), "{error}");
    assert!(
        error.to_string().contains("does not allow writes"),
        "{error}"
    );
}

#[tokio::test]
async fn who_is_refused_by_one_server_does_not_try_the_next() {
    let place = Place::new().await;
    let url = place.database.url();
    let (base, _) = url.expose_secret().rsplit_once('/').unwrap();
    let servers = format!("{},{CLOSED}", place.server);
    let address: Address = format!("{}/no_such_database", base.replace(&place.server, &servers))
        .parse()
        .unwrap();
    let error = Connector::new(&address)
        .unwrap()
        .connect()
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "PostgreSQL at {} can't be used: database \"no_such_database\" does not exist",
            place.server
        )
    );
}
