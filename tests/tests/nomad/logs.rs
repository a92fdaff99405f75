//! What tasks print.

use futures::StreamExt;
use nomad::{
    ErrorKind,
    client::{
        allocations::{Allocation, ClientStatus},
        logs::{LogSource, LogStart, LogTail},
    },
};
use serde_json::{Value, json};

use crate::{
    scenarios,
    stage::{Stage, eventually, id, refusal, task},
};

scenarios![
    a_log_is_read_by_its_end,
    both_outputs_are_kept_apart,
    following_begins_at_an_offset_and_tells_the_next_one,
    following_begins_before_the_end,
    following_a_long_log_loses_nothing,
    a_log_outlives_its_task,
    a_task_that_did_not_start_has_no_log,
    an_unknown_task_is_refused_by_name,
];

const FIVE_LINES: &str =
    "for n in 1 2 3 4 5; do echo line $n; done; echo trouble >&2; exec sleep 86400";
const PRINTED: &str = "line 1\nline 2\nline 3\nline 4\nline 5\n";

async fn running(stage: &Stage, job: &Value) -> Allocation {
    stage.register(job).await;
    stage
        .allocation(job, "a running allocation", |allocation| {
            allocation.client_status == ClientStatus::Running
        })
        .await
}

/// The whole log, once it is this long.
async fn printed(stage: &Stage, allocation: &str, source: LogSource, length: usize) -> String {
    eventually("a whole log", async || {
        let tail = LogTail::Bytes(1024 * 1024);
        let log = stage.nomad.logs(allocation, "app", source, tail).await;
        let log = log.ok().filter(|log| log.len() >= length)?;
        Some(String::from_utf8(log.to_vec()).unwrap())
    })
    .await
}

async fn a_log_is_read_by_its_end(stage: &Stage) {
    let allocation = running(stage, &stage.script(FIVE_LINES)).await.id;
    let whole = printed(stage, &allocation, LogSource::Stdout, PRINTED.len()).await;
    assert_eq!(whole, PRINTED);
    let end = async |tail| {
        let log = stage
            .nomad
            .logs(&allocation, "app", LogSource::Stdout, tail);
        log.await.unwrap()
    };
    assert_eq!(end(LogTail::Bytes(7)).await, "line 5\n");
    assert_eq!(end(LogTail::Bytes(0)).await, "");
    let last_two = LogTail::Lines {
        count: 2,
        at_most_bytes: 1024,
    };
    assert_eq!(end(last_two).await, "line 4\nline 5\n");
}

async fn both_outputs_are_kept_apart(stage: &Stage) {
    let allocation = running(stage, &stage.script(FIVE_LINES)).await.id;
    let errors = printed(stage, &allocation, LogSource::Stderr, 1).await;
    assert_eq!(errors, "trouble\n");
    let output = printed(stage, &allocation, LogSource::Stdout, PRINTED.len()).await;
    assert_eq!(output, PRINTED);
}

/// What following tells until it has told this much, and the offset after it.
async fn followed(
    stage: &Stage,
    allocation: &str,
    start: LogStart,
    length: usize,
) -> (String, Option<u64>) {
    let stream = stage
        .nomad
        .follow_logs(allocation, "app", LogSource::Stdout, start);
    let mut pieces = stream.await.unwrap();
    let mut text = Vec::new();
    let mut offset = None;
    let reading = async {
        while text.len() < length {
            let piece = pieces.next().await.unwrap().unwrap();
            text.extend_from_slice(&piece.data);
            offset = piece.offset;
        }
    };
    let read = tokio::time::timeout(crate::stage::PATIENCE, reading).await;
    assert!(read.is_ok(), "following told {} bytes", text.len());
    (String::from_utf8(text).unwrap(), offset)
}

async fn following_begins_at_an_offset_and_tells_the_next_one(stage: &Stage) {
    let allocation = running(stage, &stage.script(FIVE_LINES)).await.id;
    printed(stage, &allocation, LogSource::Stdout, PRINTED.len()).await;
    let (text, next) = followed(stage, &allocation, LogStart::Offset(0), PRINTED.len()).await;
    assert_eq!((text.as_str(), next), (PRINTED, Some(35)));
    let (text, next) = followed(stage, &allocation, LogStart::Offset(21), 14).await;
    assert_eq!((text.as_str(), next), ("line 4\nline 5\n", Some(35)));
}

async fn following_begins_before_the_end(stage: &Stage) {
    let allocation = running(stage, &stage.script(FIVE_LINES)).await.id;
    printed(stage, &allocation, LogSource::Stdout, PRINTED.len()).await;
    let (text, next) = followed(stage, &allocation, LogStart::BeforeEnd(7), 7).await;
    assert_eq!((text.as_str(), next), ("line 5\n", None));
    let (text, _) = followed(stage, &allocation, LogStart::BeforeEnd(0), 35).await;
    assert_eq!(text, PRINTED, "the last 0 bytes are all of them");
}

async fn following_a_long_log_loses_nothing(stage: &Stage) {
    // Frames hold 64 KiB, so this needs several.
    let script = "i=0; while [ $i -lt 20000 ]; do echo row $i; i=$((i+1)); done; exec sleep 86400";
    let expected: String = (0..20_000).map(|row| format!("row {row}\n")).collect();
    let allocation = running(stage, &stage.script(script)).await.id;
    let (text, next) = followed(stage, &allocation, LogStart::Offset(0), expected.len()).await;
    assert!(text == expected, "the log differs from what was printed");
    assert_eq!(next, Some(expected.len() as u64));
}

async fn a_log_outlives_its_task(stage: &Stage) {
    let job = stage.script(FIVE_LINES);
    let allocation = running(stage, &job).await.id;
    printed(stage, &allocation, LogSource::Stdout, PRINTED.len()).await;
    stage.nomad.stop(id(&job), false).await.unwrap();
    stage
        .allocation(&job, "a complete allocation", |allocation| {
            allocation.client_status == ClientStatus::Complete
        })
        .await;
    let log = printed(stage, &allocation, LogSource::Stdout, PRINTED.len()).await;
    assert_eq!(log, PRINTED);
}

async fn a_task_that_did_not_start_has_no_log(stage: &Stage) {
    let mut job = stage.failing();
    // Not something the driver's configuration can hold, so the task fails before it has log files.
    task(&mut job)["Config"] = json!({"command": "${no.such.thing}"});
    stage.register(&job).await;
    let failed = stage
        .allocation(&job, "a failed allocation", |allocation| {
            allocation.client_status == ClientStatus::Failed
        })
        .await;
    let log = stage
        .nomad
        .logs(&failed.id, "app", LogSource::Stdout, LogTail::Bytes(10));
    assert_eq!(
        refusal(log.await),
        (
            ErrorKind::NotStarted,
            404,
            "task \"app\" not started yet. No logs available".to_owned()
        )
    );
}

async fn an_unknown_task_is_refused_by_name(stage: &Stage) {
    let allocation = running(stage, &stage.sleeper()).await.id;
    let log = stage
        .nomad
        .logs(&allocation, "other", LogSource::Stdout, LogTail::Bytes(10));
    assert_eq!(
        refusal(log.await),
        (
            ErrorKind::Invalid,
            400,
            "unknown task name \"other\"".to_owned()
        )
    );
}
