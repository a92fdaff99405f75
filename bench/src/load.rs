//! Clients who send one request after the other, each as soon as the one before was answered.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use futures::future::try_join_all;

use crate::{Result, client::Client, operation::Request, samples::Seen};

/// What a client has seen: the latencies of good answers, how many requests failed, and the first failure.
type Part = (Vec<Duration>, u32, Option<String>);

/// This many clients send what `next` gives for each turn, until the time is over or there is nothing more.
pub async fn run(
    address: SocketAddr,
    clients: u32,
    time: Duration,
    next: impl Fn(usize) -> Result<Option<Request>> + Clone + Send + 'static,
) -> Result<Seen> {
    let mut connected = Vec::new();
    for _ in 0..clients {
        connected.push(Client::connect(address).await?);
    }
    let (turns, started) = (Arc::new(AtomicUsize::new(0)), Instant::now());
    let tasks = connected.into_iter().map(|client| {
        let (next, turns) = (next.clone(), turns.clone());
        let turn = move || next(turns.fetch_add(1, Ordering::Relaxed));
        tokio::spawn(one(client, address, started + time, turn))
    });
    let parts = try_join_all(tasks).await?;
    let elapsed = started.elapsed();
    let (mut latencies, mut failed, mut failure) = (Vec::new(), 0, None);
    for part in parts {
        let (more, bad, first) = part?;
        latencies.extend(more);
        failed += bad;
        failure = failure.or(first);
    }
    Ok(Seen {
        failed,
        failure,
        ..Seen::of(latencies, elapsed)
    })
}

async fn one(
    mut client: Client,
    address: SocketAddr,
    end: Instant,
    turn: impl Fn() -> Result<Option<Request>>,
) -> Result<Part> {
    let (mut latencies, mut failed, mut failure) = (Vec::new(), 0, None);
    while Instant::now() < end {
        let Some(request) = turn()? else {
            break;
        };
        let asked = Instant::now();
        let answer = client
            .send(
                request.method,
                &request.path,
                request.token.as_deref(),
                &request.body,
            )
            .await;
        match answer {
            Ok(_) => latencies.push(asked.elapsed()),
            Err(error) => {
                failed += 1;
                failure.get_or_insert(error.to_string());
                client = Client::connect(address).await?;
            }
        }
    }
    Ok((latencies, failed, failure))
}
