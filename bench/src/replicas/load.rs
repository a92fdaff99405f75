//! Clients that do a bit of everything, and what came of it.

use std::{
    collections::BTreeMap,
    fmt,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, StatusCode, client::conn::http1::SendRequest};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{net::TcpStream, task::JoinHandle};

use crate::{
    Result,
    client::Client,
    member::{Member, service},
    samples::{Seen, milliseconds},
};

/// One client, which connects again where it was asked to.
pub struct Caller {
    address: SocketAddr,
    sender: Option<SendRequest<Full<Bytes>>>,
}

pub struct Answer {
    pub status: StatusCode,
    pub body: Value,
    /// Which replica the balancer says it comes from.
    pub served_by: String,
}

impl Caller {
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            sender: None,
        }
    }

    pub async fn ask(
        &mut self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: Option<&Value>,
    ) -> Result<Answer> {
        let mut sender = match self.sender.take().filter(|sender| !sender.is_closed()) {
            Some(sender) => sender,
            None => connect(self.address).await?,
        };
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", self.address.to_string())
            .header("content-type", "application/json");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if method == "DELETE" {
            request = request.header("if-match", "*");
        }
        let body = body
            .map(serde_json::to_vec)
            .transpose()?
            .unwrap_or_default();
        sender.ready().await?;
        let response = sender
            .send_request(request.body(Full::new(body.into()))?)
            .await?;
        let status = response.status();
        let served_by = response.headers().get("x-served-by").cloned();
        let served_by = served_by.map(|name| String::from_utf8_lossy(name.as_bytes()).into_owned());
        let body = response.into_body().collect().await?.to_bytes();
        self.sender = Some(sender);
        Ok(Answer {
            status,
            body: serde_json::from_slice(&body).unwrap_or_default(),
            served_by: served_by.unwrap_or_default(),
        })
    }
}

async fn connect(address: SocketAddr) -> Result<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

/// Clients that ask until they are told to end.
pub struct Load {
    clients: Vec<JoinHandle<Served>>,
    ends: Arc<AtomicBool>,
    began: Instant,
}

/// What came of it.
#[derive(Default)]
pub struct Served {
    /// Answers by replica and kind of request.
    answers: BTreeMap<(String, &'static str), usize>,
    times: Vec<Duration>,
    elapsed: Duration,
    pub errors: Vec<String>,
}

impl Load {
    pub async fn begin(address: SocketAddr, clients: u16) -> Result<Self> {
        let ends = Arc::new(AtomicBool::new(false));
        let mut running = Vec::new();
        for number in 0..clients {
            let mut client = Client::connect(address).await?;
            let member = Member::register(&mut client, format!("client{number}")).await?;
            let ends = ends.clone();
            running.push(tokio::spawn(async move {
                let mut served = Served::default();
                let mut caller = Caller::new(address);
                while !ends.load(Ordering::Relaxed) {
                    if let Err(error) = served.round(&mut caller, &member.token).await {
                        served.errors.push(error.to_string());
                    }
                }
                served
            }));
        }
        Ok(Self {
            clients: running,
            ends,
            began: Instant::now(),
        })
    }

    pub async fn end(self) -> Result<Served> {
        self.ends.store(true, Ordering::Relaxed);
        let mut all = Served::default();
        for client in self.clients {
            let served = client.await?;
            for (what, count) in served.answers {
                *all.answers.entry(what).or_default() += count;
            }
            all.times.extend(served.times);
            all.errors.extend(served.errors);
        }
        all.elapsed = self.began.elapsed();
        Ok(all)
    }
}

impl Served {
    /// A service from its beginning to its end.
    async fn round(&mut self, caller: &mut Caller, token: &str) -> Result<()> {
        let mut ask = async |kind, method, path: &str, body: Option<Value>| {
            let asked = Instant::now();
            let path = format!("/api/v1{path}");
            let answer = caller.ask(method, &path, Some(token), body.as_ref()).await;
            let answer = answer.map_err(|error| format!("{method} {path}: {error}"))?;
            self.times.push(asked.elapsed());
            if !answer.status.is_success() {
                return Err(format!(
                    "{method} {path}: {} {}",
                    answer.status, answer.body
                ));
            }
            *self.answers.entry((answer.served_by, kind)).or_default() += 1;
            Ok(answer.body)
        };
        let made = ask("create", "POST", "/services", Some(service("custom"))).await?;
        let path = format!("/services/{}", made["id"].as_str().unwrap_or_default());
        ask("list", "GET", "/services", None).await?;
        ask("read", "GET", &path, None).await?;
        ask("audit page", "GET", "/audit-logs?limit=20", None).await?;
        ask("delete", "DELETE", &path, None).await?;
        Ok(())
    }
}

impl fmt::Display for Served {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut replicas: Vec<_> = self.answers.keys().map(|(replica, _)| replica).collect();
        replicas.dedup();
        let mut kinds: Vec<_> = self.answers.keys().map(|(_, kind)| *kind).collect();
        kinds.sort_unstable();
        kinds.dedup();
        write!(formatter, "{:<16}", "answers")?;
        kinds
            .iter()
            .try_for_each(|kind| write!(formatter, "{kind:>12}"))?;
        for replica in replicas {
            write!(formatter, "\n{replica:<16}")?;
            for kind in &kinds {
                let count = self.answers.get(&(replica.clone(), *kind));
                write!(formatter, "{:>12}", count.copied().unwrap_or_default())?;
            }
        }
        let longest = self.times.iter().max().copied().unwrap_or_default();
        let seen = Seen::of(self.times.clone(), self.elapsed);
        write!(
            formatter,
            "\n{} answers, {} failed; {:.0} requests/s, median {:.1} ms, p99 {:.1} ms, longest {:.1} ms\n",
            seen.good,
            self.errors.len(),
            seen.rate,
            milliseconds(seen.median),
            milliseconds(seen.p99),
            milliseconds(longest)
        )
    }
}
