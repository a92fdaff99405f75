//! The answer of `/v1/client/fs/logs/:alloc`: what is asked of it, and the stream of frames that follows.

use std::{collections::VecDeque, convert::Infallible, time::Duration};

use actix_web::{HttpResponse, http::StatusCode, web};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures::stream;
use serde_json::json;
use tokio::{
    sync::watch,
    time::{Instant, Interval, MissedTickBehavior, interval_at},
};

use super::{LogStore, LogType, Piece, Position};

/// The most data one frame carries.
const FRAME: usize = 65536;

/// How much is read at once and cut into frames; one read is what the traps of `Offset` are about.
const READ: usize = 16 * FRAME;

/// How often a follower hears something when there is nothing to say.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// What a query string asks for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LogRequest {
    /// Whose log.
    pub task: String,
    /// Which output.
    pub output: LogType,
    follow: bool,
    from_end: bool,
    offset: i64,
    plain: bool,
}

impl LogRequest {
    /// Reads a query string.
    ///
    /// # Errors
    /// The text of the 400.
    pub fn from_query(query: &str) -> Result<Self, String> {
        let pairs = web::Query::<Vec<(String, String)>>::from_query(query)
            .map_err(|error| error.to_string())?;
        let value = |name: &str| {
            pairs
                .iter()
                .find(|(key, _)| key == name)
                .map_or("", |(_, value)| value.as_str())
        };
        let switch = |name: &str| match value(name) {
            "" | "0" | "f" | "F" | "false" | "False" | "FALSE" => Ok(false),
            "1" | "t" | "T" | "true" | "True" | "TRUE" => Ok(true),
            other => Err(format!(
                "failed to parse {name} field to boolean: strconv.ParseBool: parsing {other:?}: invalid syntax"
            )),
        };
        if value("task").is_empty() {
            return Err("must provide task name".into());
        }
        let follow = switch("follow")?;
        let output = match value("type") {
            "stdout" => LogType::Stdout,
            "stderr" => LogType::Stderr,
            _ => return Err("must provide log type (stdout/stderr)".into()),
        };
        let offset = match value("offset") {
            "" => 0,
            text => text.parse().map_err(|_| {
                format!("error parsing offset: strconv.ParseInt: parsing {text:?}: invalid syntax")
            })?,
        };
        let from_end = match value("origin") {
            "" | "start" => false,
            "end" => true,
            _ => return Err("origin must be start or end".into()),
        };
        Ok(Self {
            task: value("task").to_owned(),
            output,
            follow,
            from_end,
            offset,
            plain: switch("plain")?,
        })
    }

    /// The first byte wanted. An offset from the end of nothing means everything, as Nomad has it; a negative one
    /// counts from the end.
    fn start(&self, logs: &LogStore) -> Position {
        let length = logs.len(self.output);
        let offset = usize::try_from(self.offset.unsigned_abs()).unwrap_or(usize::MAX);
        let skip = if !self.from_end && self.offset >= 0 {
            offset
        } else if offset == 0 {
            0
        } else {
            length.saturating_sub(offset)
        };
        logs.position(self.output, skip)
    }
}

/// Answers a request for the logs of a task of an allocation that exists. Following never ends, whatever becomes of the
/// task: only the reader ends it.
pub fn answer(request: &LogRequest, logs: &LogStore) -> HttpResponse {
    if !logs.is_open() {
        let text = format!("task {:?} not started yet. No logs available", request.task);
        return HttpResponse::build(StatusCode::NOT_FOUND)
            .content_type("text/plain; charset=utf-8")
            .body(text);
    }
    let content_type = if request.plain {
        "text/plain"
    } else {
        "application/json"
    };
    let reader = Reader {
        // Subscribed before the first read, so that nothing written between the two is missed.
        changes: logs.changes(),
        position: request.start(logs),
        logs: logs.clone(),
        request: request.clone(),
        heartbeat: heartbeat(),
        ready: VecDeque::new(),
    };
    HttpResponse::Ok()
        .content_type(content_type)
        .streaming(stream::unfold(reader, |mut reader| async {
            let bytes = reader.next().await?;
            Some((Ok::<_, Infallible>(bytes), reader))
        }))
}

fn heartbeat() -> Interval {
    let mut heartbeat = interval_at(Instant::now() + HEARTBEAT, HEARTBEAT);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Skip);
    heartbeat
}

struct Reader {
    logs: LogStore,
    request: LogRequest,
    position: Position,
    changes: watch::Receiver<()>,
    heartbeat: Interval,
    ready: VecDeque<Bytes>,
}

impl Reader {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(bytes) = self.ready.pop_front() {
                return Some(bytes);
            }
            if let Some(piece) = self.logs.after(self.request.output, self.position, READ) {
                self.position = Position {
                    file: piece.start.file,
                    offset: piece.start.offset + piece.data.len(),
                };
                self.ready = self.encode(&piece);
                continue;
            }
            if !self.request.follow {
                return None;
            }
            tokio::select! {
                _ = self.changes.changed() => {}
                _ = self.heartbeat.tick(), if !self.request.plain => {
                    return Some(Bytes::from_static(b"{}"));
                }
            }
        }
    }

    fn encode(&self, piece: &Piece) -> VecDeque<Bytes> {
        if self.request.plain {
            // An empty chunk would end the body.
            return Some(Bytes::from(piece.data.clone()))
                .filter(|bytes| !bytes.is_empty())
                .into_iter()
                .collect();
        }
        let output = self.request.output.as_str();
        let file = format!(
            "alloc/logs/{}.{output}.{}",
            self.request.task, piece.start.file
        );
        if piece.data.is_empty() {
            // What a follower sees where a new file begins.
            let frame = json!({"File": file, "Offset": piece.start.offset});
            return [Bytes::from(frame.to_string())].into();
        }
        let whole = piece.data.len() > FRAME;
        let chunks = piece.data.chunks(FRAME).enumerate();
        chunks
            .map(|(index, data)| {
                // A read that spans frames counts whole frames, even for a last one that is not full.
                let counted = if whole {
                    (index + 1) * FRAME
                } else {
                    data.len()
                };
                let frame = json!({
                    "Data": STANDARD.encode(data),
                    "File": file,
                    "Offset": piece.start.offset + counted,
                });
                Bytes::from(frame.to_string())
            })
            .collect()
    }
}
