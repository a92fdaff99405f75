//! One call: the region, namespace and token it always carries, its deadline, the bound on its answer, and reading the
//! answer into a view.

use std::{ops::Deref, time::Duration};

use bytes::Bytes;
use futures::{StreamExt, stream::BoxStream};
use reqwest::{Method, Response, StatusCode, header::LOCATION};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::timeout;

use super::{Client, Error, ErrorKind, NamespaceClient, Result};

/// The largest answer that is read into memory, in bytes. Parsing a job file amplifies: a few hundred bytes of HCL can
/// become megabytes of JSON.
pub const MAX_ANSWER_BYTES: usize = 16 * 1024 * 1024;
const MAX_ERROR_BYTES: usize = 64 * 1024;
const INDEX_HEADER: &str = "x-nomad-index";
const TOKEN_HEADER: &str = "x-nomad-token";

/// A blocking query: answer once something changed after `index`, at the latest after `at_most`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Wait {
    /// The index of an earlier answer. Never 0 in a loop: that answers at once.
    pub index: u64,
    /// How long to wait; Nomad adds up to a sixteenth, and waits five minutes at most.
    pub at_most: Duration,
}

/// An answer with the index it is true for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Indexed<T> {
    /// The answer.
    pub value: T,
    /// For the next blocking query; 0 if the answer had none. It can fall (purged jobs, a restored or reset cluster).
    pub index: u64,
}

impl<T> Indexed<T> {
    /// The same index with another value.
    pub fn map<U>(self, into: impl FnOnce(T) -> U) -> Indexed<U> {
        Indexed {
            value: into(self.value),
            index: self.index,
        }
    }
}

impl<T> Deref for Indexed<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// A call being put together.
#[must_use]
pub struct Call<'a> {
    client: &'a Client,
    method: Method,
    path: Vec<&'a str>,
    query: Vec<(&'static str, String)>,
    body: Option<Value>,
    deadline: Duration,
    regional: bool,
}

impl Client {
    pub(super) fn call<'a>(&'a self, method: Method, path: &[&'a str]) -> Call<'a> {
        Call {
            client: self,
            method,
            path: path.to_vec(),
            query: Vec::new(),
            body: None,
            deadline: self.shared.request_timeout,
            regional: true,
        }
    }
}

impl NamespaceClient {
    /// A read, which waits if the client is one that waits.
    pub(super) fn read<'a>(&'a self, path: &[&'a str]) -> Call<'a> {
        let mut call = self.write(Method::GET, path);
        if let Some(wait) = self.wait {
            call = call
                .query("index", wait.index)
                .query("wait", format!("{}ms", wait.at_most.as_millis()))
                .allow(wait.at_most + wait.at_most / 16);
        }
        call
    }

    pub(super) fn write<'a>(&'a self, method: Method, path: &[&'a str]) -> Call<'a> {
        self.client
            .call(method, path)
            .query("namespace", &self.namespace)
    }
}

impl Call<'_> {
    pub fn query(mut self, name: &'static str, value: impl ToString) -> Self {
        self.query.push((name, value.to_string()));
        self
    }

    pub fn body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    /// Lets the call take this much longer than others.
    pub fn allow(mut self, longer: Duration) -> Self {
        self.deadline += longer;
        self
    }

    /// For calls about the agent itself, which must work while the region can't be learned.
    pub fn of_the_agent(mut self) -> Self {
        self.regional = false;
        self
    }

    fn name(&self) -> String {
        format!("{} /v1/{}", self.method, self.path.join("/"))
    }

    /// The answer as a view, with its index.
    pub async fn json<T: DeserializeOwned>(self) -> Result<Indexed<T>> {
        let name = self.name();
        let (index, body) = self.bytes(MAX_ANSWER_BYTES).await?;
        let value = decode(&body).map_err(|error| error.during(|| name))?;
        Ok(Indexed {
            value,
            index: index.unwrap_or_default(),
        })
    }

    /// Only whether it succeeded.
    pub async fn done(self) -> Result<()> {
        self.bytes(MAX_ANSWER_BYTES).await.map(drop)
    }

    /// The answer as it is, at most `limit` bytes.
    pub async fn bytes(self, limit: usize) -> Result<(Option<u64>, Vec<u8>)> {
        let name = self.name();
        let within = self.deadline;
        let read = async {
            let response = self.send().await?;
            let index = index_of(&response);
            Ok((index, collect(response, limit).await?))
        };
        match timeout(within, read).await {
            Ok(result) => result.map_err(|error: Error| error.during(|| name)),
            Err(_) => Err(overdue(within).during(|| name)),
        }
    }

    /// The answer as it comes: the deadline holds for its head, and then for each silence between two pieces of at most
    /// `idle`.
    pub async fn stream(self, idle: Duration) -> Result<BoxStream<'static, Result<Bytes>>> {
        let name = self.name();
        let within = self.deadline;
        let response = match timeout(within, self.send()).await {
            Ok(result) => result.map_err(|error| error.during(|| name.clone()))?,
            Err(_) => return Err(overdue(within).during(|| name)),
        };
        let pieces = Box::pin(response.bytes_stream());
        Ok(Box::pin(futures::stream::unfold(
            Some((pieces, name)),
            move |open| async move {
                let (mut pieces, name) = open?;
                match timeout(idle, pieces.next()).await {
                    Ok(Some(Ok(piece))) => Some((Ok(piece), Some((pieces, name)))),
                    Ok(Some(Err(error))) => {
                        Some((Err(Error::transport(error).during(|| name)), None))
                    }
                    Ok(None) => None,
                    Err(_) => Some((Err(overdue(idle).during(|| name)), None)),
                }
            },
        )))
    }

    /// Sends the request; an answer that is no success is an error.
    async fn send(self) -> Result<Response> {
        let shared = &self.client.shared;
        let mut url = shared.address.clone();
        url.path_segments_mut()
            .map_err(|()| Error::refused("the address has no path".to_owned()))?
            .pop_if_empty()
            .push("v1")
            .extend(&self.path);
        let mut request = shared.http.request(self.method, url).query(&self.query);
        if self.regional {
            request = request.query(&[("region", self.client.region().await?)]);
        } else if let Some(region) = &shared.configured_region {
            request = request.query(&[("region", region)]);
        }
        if let Some(token) = &shared.token {
            request = request.header(TOKEN_HEADER, token.clone());
        }
        if let Some(body) = &self.body {
            request = request.json(body);
        }
        let response = request.send().await.map_err(Error::transport)?;
        if response.status().is_success() {
            Ok(response)
        } else {
            Err(refusal(response).await)
        }
    }
}

async fn refusal(response: Response) -> Error {
    let status = response.status();
    let index = index_of(&response);
    if status.is_redirection() {
        let target = response.headers().get(LOCATION);
        let target = target.and_then(|value| value.to_str().ok()).unwrap_or("");
        let text = format!("redirected to {target:?}, which is not followed");
        return Error::answered(status.as_u16(), &text, index);
    }
    match collect(response, MAX_ERROR_BYTES).await {
        Ok(text) if status == StatusCode::CONFLICT => conflict(status, &text, index),
        Ok(text) => Error::answered(status.as_u16(), &String::from_utf8_lossy(&text), index),
        Err(error) => error,
    }
}

/// The body of a conflict is the current variable with its secret items, which must not become an error's text.
fn conflict(status: StatusCode, body: &[u8], index: Option<u64>) -> Error {
    let text = match decode::<super::variables::VariableStub>(body) {
        Ok(current) => format!("the variable's modify index is {}", current.modify_index),
        Err(_) => "conflict".to_owned(),
    };
    Error::answered(status.as_u16(), &text, index)
}

async fn collect(response: Response, limit: usize) -> Result<Vec<u8>> {
    let announced = response.content_length().unwrap_or(0);
    if announced > limit as u64 {
        return Err(too_large(limit));
    }
    let mut body = Vec::with_capacity(announced as usize);
    let mut pieces = response.bytes_stream();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(Error::transport)?;
        if body.len() + piece.len() > limit {
            return Err(too_large(limit));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

fn too_large(limit: usize) -> Error {
    Error::new(
        ErrorKind::TooLarge,
        format!("the answer is larger than {limit} bytes"),
    )
}

fn overdue(within: Duration) -> Error {
    Error::new(
        ErrorKind::Timeout,
        format!("no answer within {} ms", within.as_millis()),
    )
}

fn index_of(response: &Response) -> Option<u64> {
    response
        .headers()
        .get(INDEX_HEADER)?
        .to_str()
        .ok()?
        .parse()
        .ok()
}

/// Reads an answer of Nomad's into a view. The error names the place and never the value there, which may be secret.
///
/// # Errors
/// [`ErrorKind::Malformed`], or [`ErrorKind::TooLarge`] for one nested too deeply.
pub fn decode<T: DeserializeOwned>(answer: &[u8]) -> Result<T> {
    let mut deserializer = serde_json::Deserializer::from_slice(answer);
    serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let place = error.path().to_string();
        let cause = error.into_inner();
        if cause.to_string().starts_with("recursion limit exceeded") {
            return Error::new(ErrorKind::TooLarge, "the answer is nested too deeply");
        }
        let kind = match cause.classify() {
            serde_json::error::Category::Data => "has an unexpected type or value",
            _ => "is not JSON",
        };
        Error::new(
            ErrorKind::Malformed,
            format!(
                "the answer {kind} at {place} (line {}, column {})",
                cause.line(),
                cause.column()
            ),
        )
    })
}
