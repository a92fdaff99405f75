//! `/v1/event/stream`: lines of JSON as things change, and an empty object when nothing does for a while.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::Bytes;
use futures::stream;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use super::answer::{Answer, ApiError};
use super::call::Call;
use crate::agent::Agent;
use crate::state::events::Event;

const HEARTBEAT: Duration = Duration::from_secs(30);
const NOTHING: &[u8] = b"{}\n";

/// A topic and the key it is narrowed to, each of which may be `*`.
struct Topic {
    name: String,
    key: String,
}

impl Topic {
    fn covers(&self, event: &Event) -> bool {
        let named = self.name == "*" || self.name == event.topic();
        named
            && (self.key == "*"
                || self.key == event.key()
                || event
                    .filter_keys()
                    .is_some_and(|keys| keys.contains(&self.key)))
    }
}

pub async fn stream(call: &Call) -> Result<Answer, ApiError> {
    call.only(&["GET"])?;
    let index = match call.query("index") {
        None | Some("") => 0,
        Some(index) => index.parse().map_err(|_| {
            ApiError::Bad(format!(
                "Unable to parse index: strconv.Atoi: parsing {index:?}: invalid syntax"
            ))
        })?,
    };
    let mut topics = Vec::new();
    for topic in call.queries("topic") {
        let mut parts = topic.split(':');
        let (name, key, rest) = (
            parts.next().unwrap_or_default(),
            parts.next().unwrap_or("*"),
            parts.next(),
        );
        if name.is_empty() || rest.is_some() {
            return Err(ApiError::Bad(format!(
                "Invalid topic query: Invalid key value pair for topic, topic: {topic}"
            )));
        }
        topics.push(Topic {
            name: name.to_owned(),
            key: key.to_owned(),
        });
    }
    if topics.is_empty() {
        topics.push(Topic {
            name: "*".to_owned(),
            key: "*".to_owned(),
        });
    }
    let mut heartbeat = interval_at(Instant::now() + HEARTBEAT, HEARTBEAT);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // For `*` those namespaces count that there are now; one made later is not delivered.
    let namespaces = call.agent.read(|cluster| match call.namespace() {
        "*" => cluster.namespaces.keys().cloned().collect(),
        namespace => vec![namespace.to_owned()],
    });
    let reader = Reader {
        changes: call.agent.changes(),
        next: call.agent.read(|cluster| cluster.events.start(index)),
        agent: call.agent.clone(),
        namespaces,
        topics,
        heartbeat,
        ready: VecDeque::from([Bytes::from_static(NOTHING)]),
    };
    let body = stream::unfold(reader, |mut reader| async {
        let line = reader.line().await?;
        Some((Ok::<_, Infallible>(line), reader))
    });
    Ok(HttpResponse::Ok()
        .content_type("application/json")
        .insert_header(("Cache-Control", "no-cache"))
        .force_close()
        .streaming(body)
        .into())
}

struct Reader {
    agent: Arc<Agent>,
    changes: watch::Receiver<u64>,
    namespaces: Vec<String>,
    topics: Vec<Topic>,
    next: u64,
    heartbeat: Interval,
    ready: VecDeque<Bytes>,
}

impl Reader {
    async fn line(&mut self) -> Option<Bytes> {
        loop {
            if let Some(line) = self.ready.pop_front() {
                return Some(line);
            }
            self.changes.mark_unchanged();
            self.collect();
            if !self.ready.is_empty() {
                continue;
            }
            tokio::select! {
                changed = self.changes.changed() => changed.ok()?,
                _ = self.heartbeat.tick() => return Some(Bytes::from_static(NOTHING)),
            }
        }
    }

    /// Takes what is new, one line for each index and kind of change.
    fn collect(&mut self) {
        let (events, next) = self.agent.read(|cluster| cluster.events.since(self.next));
        self.next = next;
        let wanted: Vec<Arc<Event>> = events
            .into_iter()
            .filter(|event| {
                self.namespaces
                    .iter()
                    .any(|namespace| namespace == event.namespace())
                    && self.topics.iter().any(|topic| topic.covers(event))
            })
            .collect();
        if wanted.is_empty() {
            return;
        }
        let node = self.agent.read(|cluster| cluster.node.clone());
        for batch in
            wanted.chunk_by(|one, other| one.index == other.index && one.topic() == other.topic())
        {
            let Some(first) = batch.first() else { continue };
            let events: Vec<_> = batch.iter().map(|event| event.to_json(&node)).collect();
            let line = json!({"Events": events, "Index": first.index});
            self.ready.push_back(Bytes::from(format!("{line}\n")));
        }
    }
}
