//! Looking at what runs: the lines a service writes, and what it uses.

use std::fmt;

use domain::{
    Error, FieldError, Result,
    deployment::JobPlace,
    runtime::{
        LogPiece, LogRequest, Usage,
        ports::{LogFollowing, Runtime},
    },
};
use futures::{StreamExt, stream::BoxStream};

use crate::{
    ErrorKind, NamespaceClient, Nomad,
    client::{
        allocations::{Allocation, ClientStatus},
        logs::{LogSource, LogStart, LogTail},
    },
    errors,
};

const MAX_BYTES: usize = 1024 * 1024;

/// A log that is being followed.
pub struct Following {
    pieces: BoxStream<'static, crate::client::Result<crate::client::logs::LogPiece>>,
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

impl LogFollowing for Following {
    async fn next(&mut self) -> Option<Result<LogPiece>> {
        let piece = self.pieces.next().await?;
        let piece = piece.map(|piece| LogPiece {
            data: piece.data.into(),
            offset: piece.offset,
        });
        Some(piece.map_err(errors::of))
    }

    /// Nomad itself goes on for ever.
    async fn has_ended(&mut self) -> bool {
        match self.nomad.allocation(&self.allocation).await {
            Ok(allocation) => allocation.value.client_status.is_terminal(),
            Err(error) => error.kind() == ErrorKind::NotFound,
        }
    }
}

fn source(source: domain::runtime::LogSource) -> LogSource {
    match source {
        domain::runtime::LogSource::Stdout => LogSource::Stdout,
        domain::runtime::LogSource::Stderr => LogSource::Stderr,
    }
}

impl Runtime for Nomad {
    type Following = Following;

    async fn logs(&self, place: &JobPlace, request: &LogRequest) -> Result<Vec<String>> {
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
            .logs(&allocation.id, task, source(request.source), tail)
            .await;
        match read {
            Ok(text) => Ok(lines(&text)),
            Err(error) if matches!(error.kind(), ErrorKind::NotStarted | ErrorKind::NotFound) => {
                Ok(Vec::new())
            }
            Err(error) => Err(errors::of(error)),
        }
    }

    async fn follow(
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
        let (id, source) = (allocation.id.as_str(), source(request.source));
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

    async fn usage(&self, place: &JobPlace) -> Result<Option<Usage>> {
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
}

impl Nomad {
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
