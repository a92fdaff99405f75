//! Clients who read the same thing again and again, beside something else.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::future::try_join_all;
use tokio::task::JoinHandle;

use crate::{Result, client::Client};

pub struct Readers {
    started: Instant,
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<Result<Vec<Duration>>>>,
}

/// What they saw.
pub struct Seen {
    /// Answers a second, of all of them.
    pub rate: f64,
    pub median: Duration,
    pub p99: Duration,
}

impl Readers {
    /// This many of them begin once each was answered.
    pub async fn start(address: SocketAddr, path: &str, token: &str, count: u16) -> Result<Self> {
        let mut clients = Vec::new();
        for _ in 0..count {
            let mut client = Client::connect(address).await?;
            client.send("GET", path, Some(token), &Bytes::new()).await?;
            clients.push(client);
        }
        let stop = Arc::new(AtomicBool::new(false));
        let tasks = clients.into_iter().map(|mut client| {
            let (path, token, stop) = (path.to_owned(), token.to_owned(), stop.clone());
            tokio::spawn(async move {
                let mut latencies = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let asked = Instant::now();
                    client
                        .send("GET", &path, Some(&token), &Bytes::new())
                        .await?;
                    latencies.push(asked.elapsed());
                }
                Ok(latencies)
            })
        });
        Ok(Self {
            started: Instant::now(),
            tasks: tasks.collect(),
            stop,
        })
    }

    /// Ends them.
    pub async fn finish(self) -> Result<Seen> {
        self.stop.store(true, Ordering::Relaxed);
        let elapsed = self.started.elapsed().as_secs_f64();
        let mut latencies = Vec::new();
        for seen in try_join_all(self.tasks).await? {
            latencies.extend(seen?);
        }
        latencies.sort_unstable();
        let at = |percent: usize| {
            let place = (latencies.len() * percent / 100).min(latencies.len().saturating_sub(1));
            latencies.get(place).copied().unwrap_or_default()
        };
        Ok(Seen {
            rate: f64::from(u32::try_from(latencies.len())?) / elapsed,
            median: at(50),
            p99: at(99),
        })
    }
}
