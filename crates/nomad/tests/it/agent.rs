//! A listener that plays Nomad: it answers as each test says, and keeps what it was asked.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use nomad_services_nomad::{Client, ClientSettings, NamespaceClient};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// A UUID for calls where any will do.
pub const ID: &str = "4092c6f4-b8fe-ff70-d3a4-b1236a1448d6";

#[derive(Clone, Debug, Default)]
pub struct Request {
    pub method: String,
    /// As sent, without the query.
    pub path: String,
    /// As sent.
    pub query: String,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn asks(&self, pair: &str) -> bool {
        self.query.split('&').any(|found| found == pair)
    }
}

/// What is written before the connection is closed, or kept open in silence.
pub struct Answer {
    bytes: Vec<u8>,
    hang: bool,
}

impl Answer {
    pub fn new(status: u16, headers: &str, body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref();
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status} Text\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n"
        );
        Self::raw([head.as_bytes(), body].concat())
    }

    pub fn json(body: impl AsRef<[u8]>) -> Self {
        Self::new(
            200,
            "Content-Type: application/json\r\nX-Nomad-Index: 7\r\n",
            body,
        )
    }

    pub fn text(status: u16, body: &str) -> Self {
        Self::new(status, "Content-Type: text/plain; charset=utf-8\r\n", body)
    }

    /// A body without a length, as Nomad's event stream has it.
    pub fn stream(body: impl AsRef<[u8]>) -> Self {
        let head =
            b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\n\r\n";
        Self::raw([head, body.as_ref()].concat())
    }

    pub fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            bytes: bytes.into(),
            hang: false,
        }
    }

    pub fn then_hang(mut self) -> Self {
        self.hang = true;
        self
    }
}

pub struct Agent {
    pub address: String,
    seen: Arc<Mutex<Vec<Request>>>,
    listening: JoinHandle<()>,
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

impl Agent {
    pub async fn start(answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let seen: Arc<Mutex<Vec<Request>>> = Arc::default();
        let answer = Arc::new(answer);
        let record = seen.clone();
        let listening = tokio::spawn(async move {
            loop {
                let (connection, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(connection, answer.clone(), record.clone()));
            }
        });
        Self {
            address,
            seen,
            listening,
        }
    }

    /// One that gives every request the same successful answer.
    pub async fn answering(body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        Self::start(move |_| Answer::json(&body)).await
    }

    pub fn client(&self) -> Client {
        Client::new(&self.settings()).unwrap()
    }

    pub fn namespace(&self) -> NamespaceClient {
        self.client().in_namespace("team-a")
    }

    pub fn settings(&self) -> ClientSettings {
        settings(&self.address)
    }

    pub fn requests(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }

    pub fn last(&self) -> Request {
        self.requests().pop().unwrap()
    }
}

pub fn settings(address: &str) -> ClientSettings {
    ClientSettings {
        address: address.to_owned(),
        token: Some("00000000-0000-4000-8000-00000000cafe".into()),
        region: Some("global".to_owned()),
        ca_certificate: None,
        client_certificate: None,
        server_name: None,
        connect_timeout: Duration::from_secs(10),
        request_timeout: Duration::from_secs(20),
        max_idle_connections: 2,
    }
}

async fn serve(
    mut connection: TcpStream,
    answer: Arc<impl Fn(&Request) -> Answer>,
    seen: Arc<Mutex<Vec<Request>>>,
) {
    let request = read_request(&mut connection).await;
    let answer = answer(&request);
    seen.lock().unwrap().push(request);
    write_answer(&mut connection, answer).await;
}

pub async fn write_answer(connection: &mut (impl AsyncWrite + Unpin), answer: Answer) {
    // The client may have gone away on purpose.
    let _ = connection.write_all(&answer.bytes).await;
    let _ = connection.flush().await;
    if answer.hang {
        std::future::pending::<()>().await;
    }
    let _ = connection.shutdown().await;
}

pub async fn read_request(connection: &mut (impl AsyncRead + Unpin)) -> Request {
    let mut read = Vec::new();
    let head_end = loop {
        if let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        if connection.read_buf(&mut read).await.unwrap_or(0) == 0 {
            return Request::default();
        }
    };
    let head = String::from_utf8(read[..head_end].to_vec()).unwrap();
    let mut lines = head.lines();
    let mut first = lines.next().unwrap().split(' ');
    let method = first.next().unwrap().to_owned();
    let target = first.next().unwrap();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length = headers
        .get("content-length")
        .map_or(0, |length| length.parse().unwrap());
    while read.len() < head_end + length {
        if connection.read_buf(&mut read).await.unwrap() == 0 {
            break;
        }
    }
    Request {
        method,
        path: path.to_owned(),
        query: query.to_owned(),
        body: read[head_end..].to_vec(),
        headers,
    }
}
