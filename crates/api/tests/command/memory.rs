//! Whatever clients send, the process stays as small as it was: measured as the most memory it ever had, by the system.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use nix::sys::signal::Signal;

use crate::{
    process::{Server, text},
    serve::folder,
};

/// How much more than before the process may ever have had, in KiB. A gigabyte that was kept would be eight times that.
const GROWTH: u64 = 128 * 1024;
const CHUNK: usize = 64 * 1024;
const GIGABYTE: usize = 1 << 30;
const AT_ONCE: usize = 16;
/// Connections that hold back the end of a body that is almost whole.
const HELD: usize = 64;

const JSON: &str = "content-type: application/json\r\n";

fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(server.address()).expect("a connection");
    let patience = Some(Duration::from_secs(120));
    stream.set_read_timeout(patience).expect("a deadline");
    stream.set_write_timeout(patience).expect("a deadline");
    stream
}

/// The status of the next answer.
fn status(stream: &mut TcpStream) -> u16 {
    let mut line = [0; 12];
    stream.read_exact(&mut line).expect("an answer");
    let status = text(&line[9..]);
    status.parse().expect("a status")
}

fn post(server: &Server, path: &str, framing: &str) -> TcpStream {
    let mut stream = connect(server);
    let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\n{JSON}{framing}\r\n\r\n");
    stream.write_all(head.as_bytes()).expect("it reads");
    stream
}

/// Sends a gigabyte, or as much of it as the server takes, and answers with the status.
fn stream_a_gigabyte(server: &Server, path: &str, chunked: bool) -> u16 {
    let framing = match chunked {
        true => "transfer-encoding: chunked".to_owned(),
        false => format!("content-length: {GIGABYTE}"),
    };
    let stream = post(server, path, &framing);
    let mut reading = stream.try_clone().expect("another handle");
    let answered = std::thread::spawn(move || status(&mut reading));
    let mut writing = stream;
    let spaces = vec![b' '; CHUNK];
    for _ in 0..GIGABYTE / CHUNK {
        let sent = match chunked {
            true => writing
                .write_all(format!("{CHUNK:x}\r\n").as_bytes())
                .and_then(|()| writing.write_all(&spaces))
                .and_then(|()| writing.write_all(b"\r\n")),
            false => writing.write_all(&spaces),
        };
        if sent.is_err() {
            break;
        }
    }
    answered.join().expect("an answer")
}

/// Bodies of almost the largest size, each of which would become something much larger.
fn bombs() -> Vec<(String, u16)> {
    let size = 500 * 1024;
    let keys = |count: usize| {
        let keys: Vec<_> = (0..count).map(|key| format!("\"{key:x}\":1")).collect();
        format!("{{{}}}", keys.join(","))
    };
    vec![
        (keys(100_000), 413),
        (keys(45_000), 422),
        (format!("[{}[]]", "[],".repeat(size / 3)), 422),
        ("[".repeat(size), 422),
        ("{\"a\":".repeat(size / 5), 422),
        (format!("[\"{}\"]", "x".repeat(size)), 422),
        (format!("[\"{}\"]", "\\u0041".repeat(size / 6)), 422),
        ("1".repeat(size), 400),
        (format!("0.{}1", "0".repeat(size)), 422),
        (" ".repeat(size), 400),
    ]
}

fn send_bombs(server: &Server) {
    let bombs = bombs();
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                for (body, expected) in &bombs {
                    let framing = format!("content-length: {}", body.len());
                    let mut stream = post(server, "/api/v1/auth/login", &framing);
                    // Refused before it is whole where it is too large.
                    let _ = stream.write_all(body.as_bytes());
                    let begin: String = body.chars().take(20).collect();
                    assert_eq!(status(&mut stream), *expected, "{begin}…");
                }
            });
        }
    });
}

#[test]
fn a_gigabyte_and_whatever_grows_when_it_is_read_leave_the_process_as_small_as_it_was() {
    let folder = folder();
    let server = Server::start(
        folder.path(),
        &[
            ("NOMAD_SERVICES__SERVER__TRUSTED_NETWORKS", "127.0.0.0/8"),
            ("NOMAD_SERVICES__SERVER__RECEIVE_TIMEOUT", "120s"),
        ],
    );
    assert!(server.get("/readyz").contains(" 200 "));
    let before = server.peak_memory();

    let login = "/api/v1/auth/login";
    for chunked in [true, false] {
        assert_eq!(stream_a_gigabyte(&server, login, chunked), 413);
        // Nobody reads this one, and this one is not expected.
        assert_eq!(stream_a_gigabyte(&server, "/nowhere", chunked), 404);
        let start = "/api/v1/services/6e3c9e0e-5f0b-4c5b-9a53-0d5f2a9a4f10/start";
        assert_eq!(stream_a_gigabyte(&server, start, chunked), 413);
    }
    send_bombs(&server);
    let held: Vec<_> = (0..HELD)
        .map(|_| {
            let mut stream = post(&server, login, "content-length: 524288");
            stream.write_all(&vec![b' '; 500 * 1024]).expect("it reads");
            stream
        })
        .collect();
    // By now a server that works on one connection after the other has read them all.
    assert!(server.get("/readyz").contains(" 200 "));
    drop(held);

    let grown = server.peak_memory().saturating_sub(before);
    assert!(
        grown < GROWTH,
        "{grown} KiB more than the {before} KiB before"
    );

    let mut stream = connect(&server);
    let request =
        "GET /health HTTP/1.1\r\nhost: x\r\nx-forwarded-for: 1.1.1.1, 203.0.113.7\r\n\r\n";
    stream.write_all(request.as_bytes()).expect("it reads");
    assert_eq!(status(&mut stream), 200);
    server.signal(Signal::SIGTERM);
    let (_, log) = server.ended();
    assert!(
        log.contains("203.0.113.7") && !log.contains("1.1.1.1"),
        "{log}"
    );
    assert!(!log.contains("panicked") && !log.contains("ERROR"), "{log}");
}
