//! A log as server-sent events (WHATWG HTML, section 9.2): a line each, with an id from which following can be resumed.

use std::{sync::Arc, time::Duration};

use actix_web::web::Bytes;
use application::FollowedLog;
use domain::{Error, Violation, runtime::ports::LogFollowing};
use futures::Stream;
use tokio::time::{Instant, timeout_at};

use crate::lifecycle::{Lifecycle, Phase};

/// Proxies close what stays silent for long.
const HEARTBEAT: Duration = Duration::from_secs(5);
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

/// The events of a log. They end when the service does, and when the server does.
pub fn stream<Following: LogFollowing + 'static>(
    log: FollowedLog<Following>,
    lifecycle: Arc<Lifecycle>,
) -> impl Stream<Item = Result<Bytes, actix_web::Error>> {
    let follower = Follower {
        lifecycle,
        log,
        line: Vec::new(),
        ended: false,
    };
    futures::stream::unfold(follower, |mut follower| async move {
        let text = follower.next().await?;
        Some((Ok(Bytes::from(text)), follower))
    })
}

struct Follower<Following> {
    lifecycle: Arc<Lifecycle>,
    log: FollowedLog<Following>,
    line: Vec<u8>,
    ended: bool,
}

impl<Following: LogFollowing> Follower<Following> {
    /// The next events as text; a comment where nothing was written for a while.
    async fn next(&mut self) -> Option<String> {
        if self.ended {
            return None;
        }
        let Some(following) = &mut self.log.following else {
            return self.end();
        };
        let draining = self.lifecycle.reached(Phase::Draining);
        let piece = tokio::select! {
            piece = timeout_at(Instant::now() + HEARTBEAT, following.next()) => piece,
            () = draining => return self.end(),
        };
        match piece {
            Err(_) if following.has_ended().await => self.end(),
            Err(_) => Some(": nothing new\n\n".to_owned()),
            Ok(Some(Ok(piece))) => Some(self.events(&piece.data, piece.offset)),
            Ok(Some(Err(error))) => {
                tracing::debug!(cause = %error, "following a log ended");
                self.end()
            }
            Ok(None) => self.end(),
        }
    }

    fn end(&mut self) -> Option<String> {
        self.ended = true;
        Some("event: end\ndata: \n\n".to_owned())
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
