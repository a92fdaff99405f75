//! The event stream: a hint that something changed, and no record of it. It may repeat, and may leave out what happened
//! while nobody listened; after every connect the caller reads the state itself.

use std::{fmt, time::Duration};

use futures::stream::BoxStream;
use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;

use super::{
    Client, Error, ErrorKind, MAX_ANSWER_BYTES, Result, json_stream::Documents,
    nullable::null_as_default,
};

/// Heartbeats come each 30 s; two missed ones are a dead connection.
const IDLE: Duration = Duration::from_secs(70);

/// What to be told about.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Topic {
    /// `Job`, `Evaluation`, `Allocation`, `Deployment`, `Service`, `Node`, …
    pub name: String,
    /// Only what concerns this key: the object's own id or, for what belongs to a job, the job's.
    pub key: Option<String>,
}

impl Topic {
    /// Everything about one kind of object.
    pub fn all(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            key: None,
        }
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}:{}",
            self.name,
            self.key.as_deref().unwrap_or("*")
        )
    }
}

/// The events of one line. Several lines can have the same index, so an index seen is no reason to drop one.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, rename_all = "PascalCase")]
pub struct EventBatch {
    /// What happened.
    #[serde(deserialize_with = "null_as_default")]
    pub events: Vec<Event>,
    /// The index it happened at; a later stream can begin here.
    pub index: u64,
}

/// One thing that happened. Printing it leaves the object out, because environments stand in a job in clear text.
#[derive(Clone, Default, Deserialize, PartialEq)]
#[serde(default, rename_all = "PascalCase")]
pub struct Event {
    /// What kind of object.
    pub topic: String,
    /// What made the change; many objects change for one cause, so decide by the topic.
    #[serde(rename = "Type")]
    pub kind: String,
    /// The object's id.
    pub key: String,
    /// Its namespace.
    pub namespace: String,
    /// Further ids it can be found by.
    #[serde(deserialize_with = "null_as_default")]
    pub filter_keys: Vec<String>,
    /// The index it happened at.
    pub index: u64,
    /// The object, under its topic's name: `{"Deployment": {…}}`.
    pub payload: Value,
}

impl Event {
    /// The object itself, if it is there.
    pub fn object(&self) -> Option<&Value> {
        self.payload.get(&self.topic)
    }

    /// Whether a job was purged; a stop has the same type otherwise.
    pub fn is_purge(&self) -> bool {
        self.payload.get("Deleted") == Some(&Value::Bool(true))
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Event")
            .field("topic", &self.topic)
            .field("kind", &self.kind)
            .field("key", &self.key)
            .field("namespace", &self.namespace)
            .field("index", &self.index)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// What happens from `index` on, the event at that index included; 0 for all that the agent still has. `namespace`
    /// may be `*`, which does not take in namespaces that are created later. The stream ends with an error when the
    /// connection does, or stays silent for 70 s.
    ///
    /// # Errors
    /// [`PermissionDenied`](ErrorKind::PermissionDenied) if Nomad ends the stream before its first heartbeat: it does so
    /// for a bad token, a denied namespace and an unknown region alike. Or another kind.
    pub async fn events(
        &self,
        index: u64,
        topics: &[Topic],
        namespace: &str,
    ) -> Result<BoxStream<'static, Result<EventBatch>>> {
        let mut call = self
            .call(Method::GET, &["event", "stream"])
            .query("namespace", namespace)
            .query("index", index);
        for topic in topics {
            call = call.query("topic", topic);
        }
        let mut lines = Documents::new(call.stream(IDLE).await?, MAX_ANSWER_BYTES);
        let first = match lines.next::<EventBatch>().await {
            Err(error) if error.kind() == ErrorKind::Interrupted => Err(Error::new(
                ErrorKind::PermissionDenied,
                "the event stream ended before its first heartbeat: the token, the namespace or the region is refused",
            )),
            first => first,
        }?;
        let start = Some((Some(first), lines));
        Ok(Box::pin(futures::stream::unfold(
            start,
            |open| async move {
                let (mut first, mut lines) = open?;
                loop {
                    let batch = match first.take() {
                        Some(batch) => Ok(batch),
                        None => lines.next::<EventBatch>().await,
                    };
                    match batch {
                        Ok(batch) if batch.events.is_empty() => {}
                        Ok(batch) => return Some((Ok(batch), Some((None, lines)))),
                        Err(error) => return Some((Err(error), None)),
                    }
                }
            },
        )))
    }
}
