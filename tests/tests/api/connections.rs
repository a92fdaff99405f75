//! What a client may do with its connection: how slow it may be, and what no HTTP library would send.

#![expect(clippy::expect_used, reason = "a test that can't go on has failed")]

use reqwest::StatusCode;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::{Duration, interval, timeout},
};

use crate::app::TestApp;

/// Longer than any of it takes on a slow machine.
const PATIENCE: Duration = Duration::from_secs(60);

const IMPATIENT: [(&str, &str); 2] = [
    ("NOMAD_SERVICES__SERVER__RECEIVE_TIMEOUT", "1s"),
    ("NOMAD_SERVICES__SERVER__SEND_TIMEOUT", "1s"),
];
const LOGIN: &str =
    "POST /api/v1/auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";
const LIVE: &[u8] = b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n";

struct Connection(TcpStream);

impl Connection {
    async fn to(app: &TestApp) -> Self {
        let address = app.address.trim_start_matches("http://");
        Self(TcpStream::connect(address).await.expect("a connection"))
    }

    async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.expect("it reads");
    }

    /// Sends a byte over and over, as slowly as nobody minds, until the server does not want it any more.
    async fn drip(&mut self, byte: &[u8]) -> Vec<u8> {
        let (mut reading, mut writing) = self.0.split();
        let mut received = Vec::new();
        let mut clock = interval(Duration::from_millis(50));
        let dripping = async {
            loop {
                clock.tick().await;
                if writing.write_all(byte).await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        let ended = async {
            // A connection that is cut while bytes are on the way is reset.
            let _ = reading.read_to_end(&mut received).await;
        };
        timeout(PATIENCE, async {
            tokio::select! { () = dripping => {}, () = ended => {} }
        })
        .await
        .expect("the server does not wait for ever");
        received
    }

    /// The next answer, whose length is announced.
    async fn answer(&mut self) -> (u16, String, Vec<u8>) {
        timeout(PATIENCE, self.next())
            .await
            .expect("an answer in time")
    }

    async fn next(&mut self) -> (u16, String, Vec<u8>) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.0.read_u8().await.expect("a head"));
        }
        let head = String::from_utf8(head).expect("text").to_lowercase();
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(0, |length| length.parse().expect("a length"));
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).await.expect("a body");
        (status.expect("a status"), head, body)
    }

    /// Whether the server has ended the connection, once it has sent nothing more.
    async fn is_ended(&mut self) -> bool {
        let mut rest = Vec::new();
        let ended = timeout(PATIENCE, self.0.read_to_end(&mut rest)).await;
        ended.is_ok() && rest.is_empty()
    }
}

/// What a server answers to `bytes`, as far as it takes them.
async fn ask(app: &TestApp, bytes: impl AsRef<[u8]>) -> (u16, String, Vec<u8>) {
    let mut connection = Connection::to(app).await;
    let _ = connection.0.write_all(bytes.as_ref()).await;
    connection.answer().await
}

fn assert_problem(answer: &(u16, String, Vec<u8>), status: StatusCode, code: &str) {
    let (answered, head, body) = answer;
    assert_eq!(*answered, status.as_u16(), "{head}");
    assert!(
        head.contains("content-type: application/problem+json"),
        "{head}"
    );
    assert!(head.contains("x-content-type-options: nosniff"), "{head}");
    let problem: Value = serde_json::from_slice(body).expect("JSON");
    assert_eq!(problem["code"], code);
    let id = problem["request_id"].as_str().expect("an id");
    assert!(head.contains(&format!("x-request-id: {id}")), "{head}");
}

#[actix_web::test]
async fn headers_that_come_too_slowly_are_not_waited_for_on_a_new_connection_nor_on_a_used_one() {
    let app = TestApp::with(&IMPATIENT).await;
    for earlier in [0, 1, 2] {
        let mut connection = Connection::to(&app).await;
        for _ in 0..earlier {
            connection.send(LIVE).await;
            assert_eq!(connection.answer().await.0, 200);
        }
        connection
            .send("GET /livez HTTP/1.1\r\nhost: x\r\nx-slow: ")
            .await;
        let received = connection.drip(b"x").await;
        let received = String::from_utf8(received).expect("text");
        // Lost where the last byte crossed the end of the connection.
        assert!(
            received.is_empty() || received.starts_with("HTTP/1.1 408"),
            "{received}"
        );
    }
}

#[actix_web::test]
async fn a_late_head_is_answered_as_a_problem() {
    let app = TestApp::with(&IMPATIENT).await;
    for begun in ["", "GET /livez HTTP/1.1\r\n"] {
        let mut connection = Connection::to(&app).await;
        connection.send(begun).await;
        let answer = connection.answer().await;
        assert_problem(&answer, StatusCode::REQUEST_TIMEOUT, "request_timeout");
        assert!(connection.is_ended().await);
    }
}

#[actix_web::test]
async fn a_connection_without_a_request_is_kept_longer_than_a_request_may_take() {
    let app = TestApp::with(&IMPATIENT).await;
    let mut kept = Connection::to(&app).await;
    kept.send(LIVE).await;
    assert_eq!(kept.answer().await.0, 200);
    // Begins later, so when it is over, the other has waited longer.
    let mut late = Connection::to(&app).await;
    late.send("GET").await;
    assert_eq!(late.answer().await.0, 408);
    kept.send(LIVE).await;
    assert_eq!(kept.answer().await.0, 200);
}

#[actix_web::test]
async fn a_connection_without_a_request_does_not_delay_the_end_of_the_server() {
    let mut app = TestApp::with(&[("NOMAD_SERVICES__SERVER__SHUTDOWN_TIMEOUT", "10h")]).await;
    let mut kept = Connection::to(&app).await;
    kept.send(LIVE).await;
    assert_eq!(kept.answer().await.0, 200);
    let stopped = timeout(PATIENCE, app.stop()).await;
    assert!(stopped.is_ok(), "the server waits for an idle connection");
    assert!(kept.is_ended().await);
}

#[actix_web::test]
async fn a_body_that_comes_too_slowly_is_answered_and_the_connection_ended() {
    let app = TestApp::with(&IMPATIENT).await;
    for (path, framing) in [
        ("/api/v1/auth/login", "content-length: 1000"),
        ("/api/v1/auth/login", "transfer-encoding: chunked"),
        // These take no body.
        ("/api/v1/services", "content-length: 1000"),
        ("/api/v1/services/0/start", "transfer-encoding: chunked"),
    ] {
        let method = if path.ends_with("services") {
            "GET"
        } else {
            "POST"
        };
        let mut connection = Connection::to(&app).await;
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n{framing}\r\n\r\n"
        );
        connection.send(head).await;
        let answer = connection.answer().await;
        assert_problem(&answer, StatusCode::REQUEST_TIMEOUT, "request_timeout");
        let more = connection.drip(b"1\r\nx\r\n").await;
        assert_eq!(String::from_utf8_lossy(&more), "", "{path} {framing}");
    }
}

#[actix_web::test]
async fn a_body_that_goes_on_after_its_answer_ends_the_connection() {
    let app = TestApp::with(&IMPATIENT).await;
    for framing in ["content-length: 100000", "transfer-encoding: chunked"] {
        let mut connection = Connection::to(&app).await;
        let head = format!("POST /nowhere HTTP/1.1\r\nhost: x\r\n{framing}\r\n\r\n");
        connection.send(head).await;
        let answer = connection.answer().await;
        assert_problem(&answer, StatusCode::NOT_FOUND, "not_found");
        let more = connection.drip(b"1\r\nx\r\n").await;
        assert_eq!(String::from_utf8_lossy(&more), "", "{framing}");
    }
}

#[actix_web::test]
async fn a_client_that_does_not_read_is_not_waited_for() {
    const REQUESTS: usize = 200;
    let app = TestApp::with(&IMPATIENT).await;
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a small buffer");
    let address = app.address.trim_start_matches("http://");
    let stream = socket.connect(address.parse().expect("an address")).await;
    let mut connection = Connection(stream.expect("a connection"));
    let mut other = Connection::to(&app).await;
    let document = b"GET /api/v1/openapi.json HTTP/1.1\r\nhost: x\r\n\r\n";
    other.send(document).await;
    let whole = other.answer().await.2.len() * REQUESTS;
    connection.send(document.repeat(REQUESTS)).await;
    // Later than the answer could be sent, so the other is over first.
    let mut late = Connection::to(&app).await;
    late.send("GET").await;
    assert_eq!(late.answer().await.0, 408);
    let mut late = Connection::to(&app).await;
    late.send("GET").await;
    assert_eq!(late.answer().await.0, 408);
    let mut received = Vec::new();
    let ended = timeout(PATIENCE, connection.0.read_to_end(&mut received)).await;
    assert!(ended.is_ok(), "the connection is still open");
    assert!(received.len() < whole, "{} of {whole}", received.len());
}

#[actix_web::test]
async fn requests_that_are_sent_together_are_answered_in_their_order() {
    let app = TestApp::new().await;
    let mut connection = Connection::to(&app).await;
    let login = format!("{LOGIN}content-length: 2\r\n\r\n{{}}");
    let together = [
        LIVE,
        login.as_bytes(),
        b"GET /nowhere HTTP/1.1\r\nhost: x\r\n\r\n",
    ]
    .concat();
    connection.send(together.repeat(10)).await;
    for _ in 0..10 {
        for expected in [200, 422, 404] {
            assert_eq!(connection.answer().await.0, expected);
        }
    }
}

#[actix_web::test]
async fn a_body_that_is_larger_than_it_may_be_is_refused_before_it_is_whole() {
    let app = TestApp::new().await;
    let announced = format!("{LOGIN}content-length: 1000000000\r\n\r\n");
    let endless = format!(
        "{LOGIN}transfer-encoding: chunked\r\n\r\n{}",
        format!("10000\r\n{}\r\n", " ".repeat(0x10000)).repeat(9)
    );
    for request in [announced, endless] {
        let answer = ask(&app, request).await;
        assert_problem(&answer, StatusCode::PAYLOAD_TOO_LARGE, "body_too_large");
    }
}

#[actix_web::test]
async fn a_head_that_is_larger_than_it_may_be_is_refused() {
    let app = TestApp::new().await;
    let request =
        |target: &str, headers: &str| format!("GET {target} HTTP/1.1\r\nhost: x\r\n{headers}\r\n");
    let fields = |count: usize| "x-more: 1\r\n".repeat(count);
    let large = |size: usize| format!("x-large: {}\r\n", "x".repeat(size));
    let path = |size: usize| format!("/{}", "x".repeat(size));
    for (request, status, code) in [
        (
            request("/livez", &fields(64)),
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "headers_too_large",
        ),
        (
            request("/livez", &large(32 * 1024)),
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "headers_too_large",
        ),
        (
            request(&path(8 * 1024), ""),
            StatusCode::URI_TOO_LONG,
            "uri_too_long",
        ),
        (
            request(&format!("/api/v1/services?q={}", path(8 * 1024)), ""),
            StatusCode::URI_TOO_LONG,
            "uri_too_long",
        ),
    ] {
        assert_problem(&ask(&app, request).await, status, code);
    }
    for most in [
        request("/livez", &fields(63)),
        request("/livez", &large(31 * 1024)),
    ] {
        assert_eq!(ask(&app, most).await.0, 200);
    }
    // So far beyond that the HTTP library ends it: without a body, and in good time.
    for request in [
        request("/livez", &fields(1_000)),
        request("/livez", &large(1024 * 1024)),
        request(&path(1024 * 1024), ""),
    ] {
        let (status, head, _) = ask(&app, request).await;
        assert!([400, 414, 431].contains(&status), "{head}");
    }
}

#[actix_web::test]
async fn what_is_no_http_or_can_be_read_in_two_ways_is_refused() {
    let app = TestApp::new().await;
    for request in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"[..],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /livez\r\n\r\n",
        b"GET /livez HTTP/1.1\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nhost: x\r\nhost: y\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nhost: x\r\nx-nul: \0\r\n\r\n",
        b"GET /liv\0ez HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nhost: x\r\n folded: x\r\n\r\n",
        b"POST /livez HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx",
        b"POST /livez HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /livez HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        b"POST /livez HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999999999999\r\n\r\n",
        b"POST /livez HTTP/1.1\r\nhost: x\r\ntransfer-encoding: gzip, chunked\r\n\r\n",
    ] {
        let (status, head, _) = ask(&app, request).await;
        assert_eq!(status, 400, "{}: {head}", String::from_utf8_lossy(request));
    }
    let mut live = Connection::to(&app).await;
    live.send(LIVE).await;
    assert_eq!(live.answer().await.0, 200);
}
