//! Looking at what runs: the lines a service writes, and what it uses.

use std::fmt;

use domain::{Error, FieldError, Result, deployment::JobPlace};
use futures::{StreamExt, stream::BoxStream};
use uuid::Uuid;

use crate::{
    ErrorKind, NamespaceClient, Nomad,
    client::{
        allocations::{Allocation, ClientStatus},
        logs::{LogPiece, LogSource, LogStart, LogTail},
    },
    errors,
};

const MAX_BYTES: usize = 1024 * 1024;

/// Which lines of a service's log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LogRequest {
    /// The task; none where the service has only one, or for the first by name.
    pub task: Option<String>,
    /// Standard output or standard error.
    pub source: LogSource,
    /// How many of the last lines.
    pub tail: usize,
}

/// What a running service uses.
#[derive(Clone, Debug, PartialEq)]
pub struct Usage {
    /// Percent of one core.
    pub cpu_usage: f64,
    /// Bytes.
    pub memory_usage: u64,
    /// The allocation.
    pub allocation_id: Uuid,
    /// The node it is on.
    pub node_id: String,
}

/// A log that is being followed.
pub struct Following {
    pieces: BoxStream<'static, crate::client::Result<LogPiece>>,
    nomad: NamespaceClient,
    allocation: String,
}

impl fmt::Debug for Following {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Following")
            .field("allocation", &self.allocation)
            .finish_non_exhaustive()
    }
}

impl Following {
    /// What comes next. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<crate::client::Result<LogPiece>> {
        self.pieces.next().await
    }

    /// Whether nothing will come any more: Nomad itself goes on for ever.
    pub async fn has_ended(&self) -> bool {
        match self.nomad.allocation(&self.allocation).await {
            Ok(allocation) => allocation.value.client_status.is_terminal(),
            Err(error) => error.kind() == ErrorKind::NotFound,
        }
    }
}

impl Nomad {
    /// The last lines of a service, of its running allocation or else of its newest; none before there are any.
    ///
    /// # Errors
    /// Invalid for a task the service does not have, unavailable where Nomad can't be asked.
    pub async fn logs(&self, place: &JobPlace, request: &LogRequest) -> Result<Vec<String>> {
        let Some(allocation) = self.current_allocation(place).await? else {
            return Ok(Vec::new());
        };
        let Some(task) = task(&allocation, request.task.as_deref())? else {
            return Ok(Vec::new());
        };
        let tail = LogTail::Lines {
            count: request.tail,
            at_most_bytes: MAX_BYTES,
        };
        let read = self
            .namespace(place)
            .logs(&allocation.id, task, request.source, tail)
            .await;
        match read {
            Ok(text) => Ok(lines(&text)),
            Err(error) if matches!(error.kind(), ErrorKind::NotStarted | ErrorKind::NotFound) => {
                Ok(Vec::new())
            }
            Err(error) => Err(errors::of(error)),
        }
    }

    /// A service's log with what is still to come: its last lines first, or all after `resume`, a [`LogPiece`]'s offset. None
    /// before there is a log.
    ///
    /// # Errors
    /// As [`Nomad::logs`].
    pub async fn follow(
        &self,
        place: &JobPlace,
        request: &LogRequest,
        resume: Option<u64>,
    ) -> Result<Option<Following>> {
        let Some(allocation) = self.current_allocation(place).await? else {
            return Ok(None);
        };
        let Some(task) = task(&allocation, request.task.as_deref())? else {
            return Ok(None);
        };
        let nomad = self.namespace(place);
        let (id, source) = (allocation.id.as_str(), request.source);
        let tail = LogTail::Lines {
            count: request.tail,
            at_most_bytes: MAX_BYTES,
        };
        let opened = async {
            let start = match resume {
                Some(offset) => LogStart::Offset(offset),
                None => {
                    let lines = nomad.logs(id, task, source, tail).await?.len();
                    // For Nomad the last 0 bytes are all of them; a log that is empty has nothing else.
                    LogStart::BeforeEnd(lines as u64)
                }
            };
            nomad.follow_logs(id, task, source, start).await
        };
        match opened.await {
            Ok(pieces) => Ok(Some(Following {
                pieces,
                nomad: nomad.clone(),
                allocation: allocation.id.clone(),
            })),
            Err(error) if matches!(error.kind(), ErrorKind::NotStarted | ErrorKind::NotFound) => {
                Ok(None)
            }
            Err(error) => Err(errors::of(error)),
        }
    }

    /// What a service's running allocation uses; none where nothing runs.
    ///
    /// # Errors
    /// Unavailable where Nomad can't be asked.
    pub async fn usage(&self, place: &JobPlace) -> Result<Option<Usage>> {
        let running = self.current_allocation(place).await?;
        let Some(allocation) =
            running.filter(|allocation| allocation.client_status == ClientStatus::Running)
        else {
            return Ok(None);
        };
        let statistics = match self.namespace(place).stats(&allocation.id).await {
            Ok(statistics) => statistics.resource_usage,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(errors::of(error)),
        };
        let memory = &statistics.memory;
        Ok(Some(Usage {
            cpu_usage: statistics.cpu.percent().unwrap_or_default(),
            memory_usage: memory.usage().or(memory.resident()).unwrap_or_default(),
            allocation_id: allocation.id.parse().map_err(Error::internal)?,
            node_id: allocation.node_id,
        }))
    }

    async fn current_allocation(&self, place: &JobPlace) -> Result<Option<Allocation>> {
        let list = self.namespace(place).allocations(&place.job_id).await;
        let list = list.map_err(errors::of)?.value;
        let running = list
            .iter()
            .position(|allocation| allocation.client_status == ClientStatus::Running);
        Ok(list.into_iter().nth(running.unwrap_or_default()))
    }
}

fn task<'a>(allocation: &'a Allocation, wanted: Option<&'a str>) -> Result<Option<&'a str>> {
    let mut names = allocation.task_states.keys().map(String::as_str);
    let Some(wanted) = wanted else {
        return Ok(names.next());
    };
    if allocation.task_states.is_empty() || names.any(|name| name == wanted) {
        return Ok(Some(wanted));
    }
    let known: Vec<_> = allocation.task_states.keys().cloned().collect();
    Err(Error::invalid(vec![FieldError {
        pointer: "/task".to_owned(),
        code: "unknown_task",
        detail: format!("there is no such task; there are {}", known.join(", ")),
    }]))
}

/// A log as lines; bytes that are no UTF-8 are replaced.
pub(crate) fn lines(text: &[u8]) -> Vec<String> {
    String::from_utf8_lossy(text)
        .lines()
        .map(str::to_owned)
        .collect()
}
