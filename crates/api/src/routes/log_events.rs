//! A log as server-sent events (WHATWG HTML, section 9.2): a line each, with an id from which following can be resumed.

use std::{sync::Arc, time::Duration};

use actix_web::web::Bytes;
use domain::{Error, Violation, deployment::JobPlace};
use futures::{Stream, stream};
use nomad::{Following, LogRequest};
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, timeout_at},
};

use crate::{lifecycle::Phase, state::State};

/// Proxies close what stays silent for long.
const HEARTBEAT: Duration = Duration::from_secs(5);
const RETRY_AFTER: Duration = Duration::from_secs(30);
/// A line without an end is passed on in pieces of this size.
const MAX_LINE: usize = 64 * 1024;

/// The events from the end of the log on, or from the event after `last`. They end when the service does, and when the
/// server does.
///
/// # Errors
/// Invalid for an id that is none of ours, unavailable where too many logs are followed or Nomad can't be asked.
pub async fn follow(
    state: &Arc<State>,
    place: &JobPlace,
    request: &LogRequest,
    last: Option<&str>,
) -> Result<impl Stream<Item = Result<Bytes, actix_web::Error>> + use<>, Error> {
    let permit = state.log_followers.clone().try_acquire_owned();
    let permit = permit.map_err(|_| {
        let detail = "too many logs are being followed through this server";
        Error::unavailable("too_many_followers", detail, RETRY_AFTER)
    })?;
    let resume = last.map(|id| {
        id.parse().map_err(|_| {
            let refused = Violation::new("not_allowed", "must be the id of an event of this log");
            Error::invalid(vec![refused.at("/Last-Event-ID")])
        })
    });
    let following = state
        .nomad
        .follow(place, request, resume.transpose()?)
        .await?;
    let follower = Follower {
        state: state.clone(),
        following,
        line: Vec::new(),
        ended: false,
        _permit: permit,
    };
    Ok(stream::unfold(follower, |mut follower| async move {
        let text = follower.next().await?;
        Some((Ok(Bytes::from(text)), follower))
    }))
}

struct Follower {
    state: Arc<State>,
    following: Option<Following>,
    line: Vec<u8>,
    ended: bool,
    _permit: OwnedSemaphorePermit,
}

impl Follower {
    /// The next events as text; a comment where nothing was written for a while.
    async fn next(&mut self) -> Option<String> {
        if self.ended {
            return None;
        }
        let Some(following) = &mut self.following else {
            return self.end();
        };
        let draining = self.state.lifecycle.reached(Phase::Draining);
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
