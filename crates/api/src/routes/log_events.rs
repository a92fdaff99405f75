//! A log as server-sent events (WHATWG HTML, section 9.2): a line each, with an id from which following can be resumed.

use std::{sync::Arc, time::Duration};

use actix_web::web::Bytes;
use application::FollowedLog;
use domain::{
    Error, ErrorKind, Violation, ports::TenantStore, runtime::ports::LogFollowing,
    service::ports::ServiceReads,
};
use futures::Stream;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use crate::lifecycle::{Lifecycle, Phase};

/// Proxies close what stays silent for long; and as often it is asked whether the log may still be read.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// How many heartbeats a log is followed while the database does not say whether it may be.
const UNASKED: u32 = 12;
/// A line without an end is passed on in pieces of this size.
const MAX_LINE: usize = 64 * 1024;

/// From where to go on: behind the event with this id.
///
/// # Errors
/// Invalid for an id that is none of ours.
pub fn position(last: Option<&str>) -> Result<Option<u64>, Error> {
    let position = last.map(|id| {
        id.parse().map_err(|_| {
            let refused = Violation::new("not_allowed", "must be the id of an event of this log");
            Error::invalid(vec![refused.at("/Last-Event-ID")])
        })
    });
    position.transpose()
}

/// The events of a log. They end when the service does, when the server does, and when the follower may not
/// read them any more.
pub fn stream<S, Following>(
    log: FollowedLog<S, Following>,
    lifecycle: Arc<Lifecycle>,
) -> impl Stream<Item = Result<Bytes, actix_web::Error>>
where
    S: TenantStore<Read: ServiceReads>,
    Following: LogFollowing + 'static,
{
    let follower = Follower {
        lifecycle,
        log,
        line: Vec::new(),
        heartbeat: Instant::now() + HEARTBEAT,
        unasked: 0,
        ended: false,
    };
    futures::stream::unfold(follower, |mut follower| async move {
        let text = follower.next().await?;
        Some((Ok(Bytes::from(text)), follower))
    })
}

struct Follower<S, Following> {
    lifecycle: Arc<Lifecycle>,
    log: FollowedLog<S, Following>,
    line: Vec<u8>,
    /// When it is asked again whether the log may be read, however much is written until then.
    heartbeat: Instant,
    /// How often in a row that could not be asked.
    unasked: u32,
    ended: bool,
}

impl<S, Following> Follower<S, Following>
where
    S: TenantStore<Read: ServiceReads>,
    Following: LogFollowing,
{
    /// The next events as text; a comment where nothing was written for a while.
    async fn next(&mut self) -> Option<String> {
        if self.ended {
            return None;
        }
        if self.heartbeat <= Instant::now() {
            if let Err(refused) = self.ask_again().await {
                return self.end(&json!({"code": refused.code(), "detail": refused.detail()}));
            }
            self.heartbeat = Instant::now() + HEARTBEAT;
        }
        let Some(following) = &mut self.log.following else {
            return self.end(&Value::Null);
        };
        let draining = self.lifecycle.reached(Phase::Draining);
        let piece = tokio::select! {
            piece = timeout_at(self.heartbeat, following.next()) => piece,
            () = draining => return self.end(&Value::Null),
        };
        match piece {
            Err(_) if following.has_ended().await => self.end(&Value::Null),
            Err(_) => Some(": nothing new\n\n".to_owned()),
            Ok(Some(Ok(piece))) => Some(self.events(&piece.data, piece.offset)),
            Ok(Some(Err(error))) => {
                tracing::debug!(cause = %error, "following a log ended");
                self.end(&Value::Null)
            }
            Ok(None) => self.end(&Value::Null),
        }
    }

    /// Whether the log may still be read. While the database does not answer nobody can say, and a follower is not sent away
    /// for that, as long as it is not for long.
    async fn ask_again(&mut self) -> Result<(), Error> {
        match self.log.ensure_readable().await {
            Err(error) if error.kind() == ErrorKind::Unavailable && self.unasked < UNASKED => {
                self.unasked += 1;
            }
            answer => {
                answer?;
                self.unasked = 0;
            }
        }
        Ok(())
    }

    /// The last event. Its data says why, where it is not that there is nothing more.
    fn end(&mut self, reason: &Value) -> Option<String> {
        self.ended = true;
        let data = match reason {
            Value::Null => String::new(),
            reason => reason.to_string(),
        };
        Some(format!("event: end\ndata: {data}\n\n"))
    }

    /// An event for each line that is complete; its id is where the line ends.
    fn events(&mut self, data: &[u8], end: Option<u64>) -> String {
        let begin = end.map(|end| end - data.len() as u64);
        let mut events = String::new();
        for (index, byte) in data.iter().enumerate() {
            if *byte != b'\n' {
                self.line.push(*byte);
            }
            if *byte == b'\n' || self.line.len() >= MAX_LINE {
                let line = std::mem::take(&mut self.line);
                let line = String::from_utf8_lossy(&line).replace('\r', "");
                if let Some(begin) = begin {
                    events.push_str(&format!("id: {}\n", begin + index as u64 + 1));
                }
                events.push_str(&format!("data: {line}\n\n"));
            }
        }
        events
    }
}
