use std::{future::poll_fn, pin::Pin, time::Duration};

use actix_web::body::{BodySize, BoxBody, MessageBody, to_bytes};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;
use tokio::time::timeout;

use super::{LogRequest, LogStore, LogType, answer};

fn request(query: &str) -> LogRequest {
    LogRequest::from_query(query).unwrap()
}

/// The frames of an answer that ends.
async fn frames(query: &str, logs: &LogStore) -> Vec<Value> {
    let body = answer(&request(query), logs).into_body();
    let bytes = to_bytes(body).await.ok().unwrap();
    serde_json::Deserializer::from_slice(&bytes)
        .into_iter()
        .map(Result::unwrap)
        .collect()
}

async fn text(query: &str, logs: &LogStore) -> String {
    let body = answer(&request(query), logs).into_body();
    String::from_utf8(to_bytes(body).await.ok().unwrap().to_vec()).unwrap()
}

fn holding(text: &[u8]) -> LogStore {
    let logs = LogStore::default();
    logs.write(LogType::Stdout, text);
    logs
}

#[actix_web::test]
async fn a_frame_carries_data_file_and_offset() {
    let frames = frames("task=app&type=stdout", &holding(b"line 00\n")).await;
    let expected = r#"[{"Data":"bGluZSAwMAo=","File":"alloc/logs/app.stdout.0","Offset":8}]"#;
    assert_eq!(serde_json::to_string(&frames).unwrap(), expected);
}

#[actix_web::test]
async fn offsets_count_whole_frames_where_one_read_spans_several() {
    let frames = frames("task=app&type=stdout", &holding(&[b'x'; 200_005])).await;
    let seen: Vec<_> = frames
        .iter()
        .map(|frame| {
            let data = STANDARD.decode(frame["Data"].as_str().unwrap()).unwrap();
            (data.len(), frame["Offset"].as_u64().unwrap())
        })
        .collect();
    assert_eq!(
        seen,
        [
            (65536, 65536),
            (65536, 131_072),
            (65536, 196_608),
            (3397, 262_144)
        ]
    );
}

#[actix_web::test]
async fn origin_and_offset_choose_where_reading_begins() {
    let logs = holding(b"0123456789");
    for (query, read) in [
        ("", "0123456789"),
        ("&offset=4", "456789"),
        ("&offset=99", ""),
        ("&offset=-3", "789"),
        ("&origin=end&offset=3", "789"),
        ("&origin=end", "0123456789"),
        ("&origin=end&offset=0", "0123456789"),
        ("&origin=end&offset=99", "0123456789"),
    ] {
        let query = format!("task=app&type=stdout&plain=true{query}");
        assert_eq!(text(&query, &logs).await, read, "{query}");
    }
}

#[actix_web::test]
async fn a_task_that_never_started_has_no_log_and_one_that_printed_nothing_an_empty_one() {
    let logs = LogStore::default();
    let query = "task=app&type=stderr&plain=true";
    let refused = answer(&request(query), &logs);
    assert_eq!(refused.status(), 404);
    assert_eq!(
        text(query, &logs).await,
        "task \"app\" not started yet. No logs available"
    );
    logs.open();
    let answered = answer(&request(query), &logs);
    assert_eq!(answered.status(), 200);
    assert_eq!(
        answered.headers().get("content-type").unwrap(),
        "text/plain"
    );
    assert_eq!(answered.body().size(), BodySize::Stream);
    assert_eq!(text(query, &logs).await, "");
}

#[test]
fn bad_queries_are_refused_in_nomads_words() {
    for (query, text) in [
        ("type=stdout", "must provide task name"),
        ("task=app", "must provide log type (stdout/stderr)"),
        ("task=app&type=x", "must provide log type (stdout/stderr)"),
        (
            "task=app&type=stdout&origin=x",
            "origin must be start or end",
        ),
        ("task=app&type=stdout&offset=x", "error parsing offset: "),
    ] {
        let error = LogRequest::from_query(query).unwrap_err();
        assert!(error.starts_with(text), "{query}: {error}");
    }
}

#[actix_web::test]
async fn following_yields_what_is_written_later_and_heartbeats_and_never_ends() {
    let logs = holding(b"old");
    let query = "task=app&type=stdout&follow=true&offset=99";
    let mut stream = answer(&request(query), &logs).into_body();
    let later = logs.clone();
    actix_web::rt::spawn(async move {
        tokio::time::sleep(Duration::from_millis(1200)).await;
        later.write(LogType::Stdout, b"new");
    });
    let first = next(&mut stream).await;
    assert_eq!(first, "{}");
    let mut frame = next(&mut stream).await;
    while frame == "{}" {
        frame = next(&mut stream).await;
    }
    assert_eq!(
        frame,
        r#"{"Data":"bmV3","File":"alloc/logs/app.stdout.0","Offset":6}"#
    );
    assert_eq!(next(&mut stream).await, "{}");
}

#[actix_web::test]
async fn a_full_log_loses_its_oldest_file_and_a_follower_passes_from_file_to_file() {
    let logs = LogStore::new(2, 4);
    logs.write(LogType::Stdout, b"aaaabbbbcc");
    assert_eq!(logs.read(LogType::Stdout), b"bbbbcc");
    let frames = frames("task=app&type=stdout", &logs).await;
    let seen: Vec<_> = frames
        .iter()
        .map(|frame| (frame["File"].as_str().unwrap(), frame["Data"].as_str()))
        .collect();
    assert_eq!(
        seen,
        [
            ("alloc/logs/app.stdout.1", Some("YmJiYg==")),
            ("alloc/logs/app.stdout.2", None),
            ("alloc/logs/app.stdout.2", Some("Y2M=")),
        ]
    );
}

/// The next chunk of an answer that does not end.
async fn next(body: &mut BoxBody) -> String {
    let chunk = poll_fn(|context| Pin::new(&mut *body).poll_next(context));
    let chunk = timeout(Duration::from_secs(20), chunk).await.unwrap();
    String::from_utf8(chunk.unwrap().ok().unwrap().to_vec()).unwrap()
}
