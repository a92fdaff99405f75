//! A task's output: its last part, or all that comes from now on. It is bytes: a frame can end within a character.

use std::{fmt, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures::{Stream, stream::BoxStream};
use serde::Deserialize;

use super::{
    Error, ErrorKind, MAX_ANSWER_BYTES, NamespaceClient, Result, identifiers,
    json_stream::Documents, transport::Call,
};

/// Heartbeats come each second, so a longer silence is a dead connection.
const IDLE: Duration = Duration::from_secs(10);
/// Frames hold at most 64 KiB, a third more in base64.
const MAX_FRAME_BYTES: usize = 256 * 1024;

/// Which of a task's two outputs.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum LogSource {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl LogSource {
    fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

impl fmt::Display for LogSource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// How much of the end of a log.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LogTail {
    /// The last bytes, which may begin within a line.
    Bytes(usize),
    /// The last whole lines, as far as they lie within the last `at_most_bytes`.
    Lines {
        /// How many.
        count: usize,
        /// Where to stop looking for their beginning.
        at_most_bytes: usize,
    },
}

/// Where following a log begins.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LogStart {
    /// This many bytes after its beginning: exact, and the way to resume. Beyond the end, only what comes new.
    Offset(u64),
    /// This many bytes before its end; everything if that is 0 or more than there is.
    BeforeEnd(u64),
}

/// A piece of a log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LogPiece {
    /// Not necessarily whole lines or characters.
    pub data: Bytes,
    /// The file it stands in (`alloc/logs/app.stdout.0`), which changes when logs are rotated.
    pub file: String,
    /// How many bytes of the log end with this piece, for [`LogStart::Offset`]; unknown when following began at the
    /// end. Counted here, because the offsets in Nomad's frames are wrong after a long read.
    pub offset: Option<u64>,
}

/// One object of a framed log; a heartbeat has no field.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(default, rename_all = "PascalCase")]
pub struct LogFrame {
    /// Base64.
    pub data: Option<String>,
    /// The file it stands in.
    pub file: String,
}

impl LogFrame {
    /// The output in it; none for a heartbeat or a frame that only names a file.
    ///
    /// # Errors
    /// [`ErrorKind::Malformed`] for data that is no base64.
    pub fn decoded(&self) -> Result<Option<Bytes>> {
        let Some(data) = self.data.as_deref().filter(|data| !data.is_empty()) else {
            return Ok(None);
        };
        let decoded = STANDARD.decode(data).map_err(|_| {
            Error::new(
                ErrorKind::Malformed,
                "a log frame holds data that is no base64",
            )
        })?;
        Ok(Some(decoded.into()))
    }
}

impl NamespaceClient {
    /// The end of a task's log as it is now. Logs outlive the task, until the job is purged.
    ///
    /// # Errors
    /// [`NotStarted`](ErrorKind::NotStarted) before the task has run, [`NotFound`](ErrorKind::NotFound) for an absent
    /// allocation, [`Invalid`](ErrorKind::Invalid) for an unknown task or a tail above [`MAX_ANSWER_BYTES`], or another
    /// kind.
    pub async fn logs(
        &self,
        allocation: &str,
        task: &str,
        source: LogSource,
        tail: LogTail,
    ) -> Result<Bytes> {
        let wanted = match tail {
            LogTail::Bytes(bytes) => bytes,
            LogTail::Lines { at_most_bytes, .. } => at_most_bytes,
        };
        if wanted > MAX_ANSWER_BYTES / 2 {
            return Err(Error::refused(format!(
                "a log tail of {wanted} bytes is asked for, at most {} are read",
                MAX_ANSWER_BYTES / 2
            )));
        }
        // One more than asked for: for Nomad the last 0 bytes are all of them, and it tells where a line begins.
        let call = self
            .log_call(allocation, task, source)?
            .query("plain", true)
            .query("origin", "end")
            .query("offset", wanted + 1);
        let (_, read) = call.bytes(MAX_ANSWER_BYTES).await?;
        Ok(tail_of(&read.into(), tail))
    }

    /// A task's log from `start` on, for ever: the stream does not end when the task does. It ends with an error when
    /// the connection does, or stays silent for 10 s although heartbeats are due each second.
    ///
    /// # Errors
    /// As [`NamespaceClient::logs`].
    pub async fn follow_logs(
        &self,
        allocation: &str,
        task: &str,
        source: LogSource,
        start: LogStart,
    ) -> Result<BoxStream<'static, Result<LogPiece>>> {
        let (origin, offset) = match start {
            LogStart::Offset(offset) => ("start", offset),
            LogStart::BeforeEnd(bytes) => ("end", bytes),
        };
        let pieces = self
            .log_call(allocation, task, source)?
            .query("follow", true)
            .query("origin", origin)
            .query("offset", offset)
            .stream(IDLE)
            .await?;
        let following = Following {
            frames: Documents::new(pieces, MAX_FRAME_BYTES),
            offset: matches!(start, LogStart::Offset(_)).then_some(offset),
        };
        Ok(Box::pin(futures::stream::unfold(
            Some(following),
            |following| async move {
                let mut following = following?;
                match following.next().await {
                    Ok(piece) => Some((Ok(piece), Some(following))),
                    Err(error) => Some((Err(error), None)),
                }
            },
        )))
    }

    fn log_call<'a>(
        &'a self,
        allocation: &'a str,
        task: &str,
        source: LogSource,
    ) -> Result<Call<'a>> {
        let id = identifiers::uuid("allocation id", allocation)?;
        Ok(self
            .write(reqwest::Method::GET, &["client", "fs", "logs", id])
            .query("task", task)
            .query("type", source))
    }
}

struct Following<S> {
    frames: Documents<S>,
    offset: Option<u64>,
}

impl<S: Stream<Item = Result<Bytes>> + Send + Unpin> Following<S> {
    async fn next(&mut self) -> Result<LogPiece> {
        loop {
            let frame: LogFrame = self.frames.next().await?;
            if let Some(data) = frame.decoded()? {
                self.offset = self.offset.map(|offset| offset + data.len() as u64);
                return Ok(LogPiece {
                    data,
                    file: frame.file,
                    offset: self.offset,
                });
            }
        }
    }
}

/// The part of `read` that `tail` asks for. A log can grow between Nomad's finding its end and reading it, so `read` can
/// be longer than what was asked for.
fn tail_of(read: &Bytes, tail: LogTail) -> Bytes {
    let last = |bytes: usize| read.slice(read.len().saturating_sub(bytes)..);
    let (count, at_most_bytes) = match tail {
        LogTail::Bytes(bytes) => return last(bytes),
        LogTail::Lines { count: 0, .. } => return Bytes::new(),
        LogTail::Lines {
            count,
            at_most_bytes,
        } => (count, at_most_bytes),
    };
    let mut text = last(at_most_bytes + 1);
    if read.len() > at_most_bytes {
        // It begins one byte early, which tells whether the first line is whole.
        let line = text.iter().position(|byte| *byte == b'\n');
        text = text.slice(line.map_or(text.len(), |end| end + 1)..);
    }
    let unfinished = usize::from(!text.ends_with(b"\n"));
    let bytes = text.iter().enumerate().rev();
    let mut starts = bytes
        .filter(|(_, byte)| **byte == b'\n')
        .map(|(at, _)| at + 1);
    let start = starts.nth(count - unfinished).unwrap_or(0);
    text.slice(start..)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(read: &'static str, count: usize, at_most_bytes: usize) -> Bytes {
        let tail = LogTail::Lines {
            count,
            at_most_bytes,
        };
        tail_of(&Bytes::from_static(read.as_bytes()), tail)
    }

    #[test]
    fn a_tail_of_lines_is_the_last_ones_whether_or_not_the_last_has_ended() {
        assert_eq!(lines("a\nb\nc\n", 2, 100), "b\nc\n");
        assert_eq!(lines("a\nb\nc", 2, 100), "b\nc");
        assert_eq!(lines("a\nb\nc", 1, 100), "c");
        assert_eq!(lines("a\nb\n", 5, 100), "a\nb\n");
        assert_eq!(lines("a\nb\n", 0, 100), "");
        assert_eq!(lines("", 3, 100), "");
    }

    #[test]
    fn a_tail_of_lines_never_begins_within_one() {
        assert_eq!(lines("first\nsecond\n", 2, 9), "second\n");
        assert_eq!(lines("first\nsecond\n", 2, 7), "second\n");
        assert_eq!(lines("first\nsecond\n", 2, 6), "");
        assert_eq!(lines("first\nsecond\n", 2, 13), "first\nsecond\n");
    }

    #[test]
    fn a_tail_of_bytes_is_cut_where_the_log_grew_meanwhile() {
        let read = Bytes::from_static(b"abcdef");
        assert_eq!(tail_of(&read, LogTail::Bytes(2)), "ef");
        assert_eq!(tail_of(&read, LogTail::Bytes(0)), "");
    }
}
