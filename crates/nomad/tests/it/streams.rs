//! Logs and events, whole and cut, and what they make of silence.

use futures::{StreamExt, stream::BoxStream};
use nomad_services_nomad::{
    ErrorKind::*,
    client::{
        Result,
        events::Topic,
        logs::{LogFrame, LogPiece, LogSource, LogStart, LogTail},
    },
};
use serde_json::Value;

use crate::{
    agent::{Agent, Answer, ID},
    recorded::recorded,
};

async fn follow(
    agent: &Agent,
    source: LogSource,
    start: LogStart,
) -> Result<BoxStream<'static, Result<LogPiece>>> {
    agent
        .namespace()
        .follow_logs(ID, "app", source, start)
        .await
}

#[tokio::test]
async fn followed_logs_are_decoded_and_their_bytes_are_counted_here() {
    let agent = Agent::start(|_| Answer::stream(recorded("log-frames.txt"))).await;
    let start = LogStart::Offset(100);
    let logs = follow(&agent, LogSource::Stdout, start);
    let mut logs = logs.await.unwrap();
    for (text, offset) in [("line 00\n", 108), ("line 01\n", 116), ("line 02\n", 124)] {
        let piece = logs.next().await.unwrap().unwrap();
        assert_eq!(piece.data, text);
        assert_eq!(piece.offset, Some(offset));
        assert_eq!(piece.file, "alloc/logs/app.stdout.0");
    }
    // Nomad never ends a followed log, so an end is a cut; after it there is nothing.
    assert_eq!(logs.next().await.unwrap().unwrap_err().kind(), Interrupted);
    assert!(logs.next().await.is_none());
    let asked = agent.last();
    assert_eq!(asked.path, format!("/v1/client/fs/logs/{ID}"));
    for pair in [
        "task=app",
        "type=stdout",
        "follow=true",
        "origin=start",
        "offset=100",
    ] {
        assert!(asked.asks(pair), "{asked:?}");
    }
}

#[test]
fn a_frame_without_data_is_a_heartbeat() {
    let frames: Vec<LogFrame> = serde_json::from_str(&recorded("log-frames.json")).unwrap();
    let decoded: Vec<_> = frames
        .iter()
        .map(|frame| frame.decoded().unwrap())
        .collect();
    assert_eq!(decoded[0].as_deref(), Some("line 00\n".as_bytes()));
    assert_eq!(decoded[2], None);
    assert_eq!(decoded.len(), 4);
}

#[tokio::test]
async fn frames_may_arrive_in_pieces_and_name_a_file_only() {
    // Chunks of three bytes cut frames, their base64 and their names anywhere.
    let frames =
        r#"{"File":"alloc/logs/app.stdout.1","Offset":0}{}{"Data":"w6k=","File":"f","Offset":2}{}"#;
    let mut body = String::new();
    for piece in frames.as_bytes().chunks(3) {
        let piece = std::str::from_utf8(piece).unwrap();
        body.push_str(&format!("{:x}\r\n{piece}\r\n", piece.len()));
    }
    let answer = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
    let agent = Agent::start(move |_| Answer::raw(answer.as_str())).await;
    let start = LogStart::BeforeEnd(10);
    let logs = follow(&agent, LogSource::Stderr, start);
    let mut logs = logs.await.unwrap();
    let piece = logs.next().await.unwrap().unwrap();
    assert_eq!((piece.data.as_ref(), piece.offset), ("é".as_bytes(), None));
    // A chunked body without its end.
    assert_eq!(logs.next().await.unwrap().unwrap_err().kind(), Interrupted);
    assert!(agent.last().asks("origin=end") && agent.last().asks("type=stderr"));
}

#[tokio::test]
async fn a_stream_that_is_no_json_or_without_end_is_refused() {
    for (body, kind) in [
        ("not json".to_owned(), Malformed),
        (r#"{"Data":"%%%"}"#.to_owned(), Malformed),
        (format!(r#"{{"Data":"{}"#, "A".repeat(300 * 1024)), TooLarge),
    ] {
        let agent = Agent::start(move |_| Answer::stream(&body)).await;
        let start = LogStart::Offset(0);
        let logs = follow(&agent, LogSource::Stdout, start);
        let error = logs.await.unwrap().next().await.unwrap().unwrap_err();
        assert_eq!(error.kind(), kind);
    }
}

// The clock stands still until nothing else can happen, and then jumps to the next timer.
#[tokio::test]
async fn a_log_that_misses_its_heartbeats_is_given_up() {
    let agent = Agent::start(|_| Answer::stream("{}").then_hang()).await;
    let start = LogStart::Offset(0);
    let logs = follow(&agent, LogSource::Stdout, start);
    let mut logs = logs.await.unwrap();
    tokio::time::pause();
    assert_eq!(logs.next().await.unwrap().unwrap_err().kind(), Timeout);
}

#[tokio::test]
async fn a_tail_asks_for_what_it_gives_and_one_byte_more() {
    let agent =
        Agent::start(|_| Answer::new(200, "Content-Type: text/plain\r\n", "\nlast line\n")).await;
    let namespace = agent.namespace();
    let tail = LogTail::Bytes(5);
    let bytes = namespace
        .logs(ID, "app", LogSource::Stdout, tail)
        .await
        .unwrap();
    assert_eq!(bytes, "line\n");
    for pair in ["plain=true", "origin=end", "offset=6"] {
        assert!(agent.last().asks(pair), "{:?}", agent.last());
    }
    let tail = LogTail::Lines {
        count: 1,
        at_most_bytes: 10,
    };
    let lines = namespace
        .logs(ID, "app", LogSource::Stdout, tail)
        .await
        .unwrap();
    assert_eq!(lines, "last line\n");
    let calls = agent.requests().len();
    let tail = LogTail::Bytes(usize::MAX);
    let error = namespace
        .logs(ID, "app", LogSource::Stdout, tail)
        .await
        .unwrap_err();
    assert_eq!((error.kind(), agent.requests().len()), (Invalid, calls));
}

#[tokio::test]
async fn a_task_that_has_not_started_is_told_from_an_absent_allocation() {
    let text = "task \"app\" not started yet. No logs available";
    let agent = Agent::start(move |_| Answer::text(404, text)).await;
    let start = LogStart::Offset(0);
    let logs = follow(&agent, LogSource::Stdout, start);
    assert_eq!(logs.await.err().unwrap().kind(), NotStarted);
}

#[tokio::test]
async fn the_life_of_a_job_is_read_from_its_events() {
    let agent = Agent::start(|_| Answer::stream(recorded("event-stream.jsonl.txt"))).await;
    let topics = [
        Topic::all("Job"),
        Topic {
            name: "Deployment".to_owned(),
            key: Some("life".to_owned()),
        },
    ];
    let events = agent.client().events(1142, &topics, "*").await.unwrap();
    let (batches, mut ends): (Vec<_>, Vec<_>) = events
        .collect::<Vec<_>>()
        .await
        .into_iter()
        .partition(|batch| batch.is_ok());
    let batches: Vec<_> = batches.into_iter().map(Result::unwrap).collect();
    assert_eq!(batches.len(), 30);
    assert_eq!(ends.len(), 1);
    assert_eq!(ends.remove(0).unwrap_err().kind(), Interrupted);

    // Two lines with one index, both kept.
    assert_eq!((batches[0].index, batches[1].index), (1142, 1142));
    assert_eq!(batches[0].events[0].topic, "Job");
    assert_eq!(batches[1].events[0].topic, "Evaluation");
    let all: Vec<_> = batches.iter().flat_map(|batch| &batch.events).collect();
    assert!(
        all.iter()
            .all(|event| event.object().is_some_and(Value::is_object))
    );
    let purges: Vec<_> = all.iter().filter(|event| event.is_purge()).collect();
    assert_eq!((purges.len(), purges[0].index), (1, 1166));
    let deployment = all
        .iter()
        .rfind(|event| event.topic == "Deployment")
        .unwrap();
    assert_eq!(deployment.object().unwrap()["Status"], "successful");
    assert_eq!(deployment.filter_keys, ["life"]);

    let asked = agent.last();
    for pair in [
        "index=1142",
        "namespace=*",
        "topic=Job%3A*",
        "topic=Deployment%3Alife",
    ] {
        assert!(asked.asks(pair), "{asked:?}");
    }
}

#[tokio::test]
async fn a_stream_that_ends_before_its_first_heartbeat_was_refused() {
    let agent = Agent::start(|_| Answer::stream("")).await;
    let events = agent.client().events(0, &[Topic::all("Job")], "a").await;
    assert_eq!(events.err().unwrap().kind(), PermissionDenied);

    let agent = Agent::start(|_| Answer::stream("{}\n")).await;
    let events = agent.client().events(0, &[Topic::all("Job")], "a").await;
    let cut = events.unwrap().next().await.unwrap().unwrap_err();
    assert_eq!(cut.kind(), Interrupted);
}
