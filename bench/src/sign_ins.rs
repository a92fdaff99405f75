//! Signing in: who asks in all that follows, and how fast they come in.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::future::try_join_all;
use serde_json::Value;

use crate::{
    Result,
    client::Client,
    member::{TYPES, sign_in},
    operation::{Caller, Callers},
    samples::Seen,
};

/// Signs in this many users with 8 clients: of five, two whose tenants have services, and three whose tenants, those after
/// `tenants`, have none.
pub async fn sign_in_all(address: SocketAddr, tenants: u32, count: u32) -> Result<(Callers, Seen)> {
    let readers = count * 2 / 5;
    let numbers: Vec<_> = (1..=readers)
        .chain(tenants + 1..=tenants + count - readers)
        .collect();
    let (numbers, next) = (Arc::new(numbers), Arc::new(AtomicUsize::new(0)));
    let started = Instant::now();
    let clients = (0..8).map(|_| {
        let (numbers, next) = (numbers.clone(), next.clone());
        tokio::spawn(async move {
            let mut client = Client::connect(address).await?;
            let mut signed_in = Vec::new();
            while let Some(number) = numbers.get(next.fetch_add(1, Ordering::Relaxed)) {
                signed_in.push(one(&mut client, *number).await?);
            }
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(signed_in)
        })
    });
    let (mut callers, mut latencies) = (Vec::new(), Vec::new());
    for part in try_join_all(clients).await? {
        for (caller, latency) in part? {
            callers.push(caller);
            latencies.push(latency);
        }
    }
    let seen = Seen::of(latencies, started.elapsed());
    callers.sort_by_key(|caller| caller.number);
    let mut client = Client::connect(address).await?;
    for caller in callers.iter_mut().take(usize::try_from(readers)?) {
        caller.service = some_service(&mut client, &caller.token).await?;
    }
    let fresh = callers.split_off(usize::try_from(readers)?);
    Ok((
        Callers {
            readers: callers,
            fresh,
        },
        seen,
    ))
}

async fn one(client: &mut Client, number: u32) -> Result<(Caller, Duration)> {
    let asked = Instant::now();
    let session = sign_in(client, &format!("user-{number}")).await?;
    let token = session["token"].as_str().ok_or("an answer lacks a token")?;
    let caller = Caller {
        number,
        token: token.to_owned(),
        service: String::new(),
    };
    Ok((caller, asked.elapsed()))
}

/// The id of one of the services that the holder of this token sees.
async fn some_service(client: &mut Client, token: &str) -> Result<String> {
    let list = client
        .send("GET", "/services", Some(token), &Bytes::new())
        .await?;
    let list: Value = serde_json::from_slice(&list)?;
    let services = list["services"].as_array();
    let database = services.and_then(|services| {
        let mut services = services.iter();
        services.find(|service| service["type"] == TYPES[0])
    });
    let id = database.and_then(|service| service["id"].as_str());
    Ok(id.ok_or("a list lacks a database")?.to_owned())
}
