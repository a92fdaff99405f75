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

use crate::{Result, client::Client, samples::Seen};

pub struct Readers {
    started: Instant,
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<Result<Vec<Duration>>>>,
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
        let elapsed = self.started.elapsed();
        let mut latencies = Vec::new();
        for seen in try_join_all(self.tasks).await? {
            latencies.extend(seen?);
        }
        Ok(Seen::of(latencies, elapsed))
    }
}
