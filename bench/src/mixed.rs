//! Minutes of mixed traffic, and the server's memory meanwhile.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::json;
use tokio::time::sleep;

use crate::{
    Result, load,
    member::{PASSWORD, TYPES, service},
    operation::{Callers, Operation, Request},
    resources::resident,
    samples::Seen,
    server::Server,
};

const CLIENTS: u32 = 8;

/// From one look at the memory to the next.
const LOOK: Duration = Duration::from_secs(30);

pub struct Mixed {
    pub seen: Seen,
    /// The resident memory in MiB after so many seconds.
    pub memory: Vec<(u64, f64)>,
}

pub async fn run(server: &Server, callers: &Arc<Callers>, minutes: u64) -> Result<Mixed> {
    let (process, address) = (server.process()?, server.address);
    let time = Duration::from_secs(minutes * 60);
    let callers = callers.clone();
    let next = move |turn| request(&callers, turn);
    let traffic = tokio::spawn(load::run(address, CLIENTS, time, next));
    let (mut memory, started) = (Vec::new(), Instant::now());
    while started.elapsed() < time {
        sleep(LOOK).await;
        let after = started.elapsed().as_secs();
        let now = resident(process)?;
        println!("mixed      after {after:>5} s {now:>8.1} MiB resident");
        memory.push((after, now));
    }
    Ok(Mixed {
        seen: traffic.await??,
        memory,
    })
}

/// Of five hundred requests one signs in, twenty replace a service, fifty are pages of the trail; of the others, a third are
/// lists and the rest reads.
fn request(callers: &Callers, turn: usize) -> Result<Option<Request>> {
    let caller = &callers.readers[turn / 25 % callers.readers.len()];
    match (turn % 500, turn % 25, turn % 10, turn % 3) {
        (0, ..) => Ok(Some(Request {
            method: "POST",
            path: "/auth/login".to_owned(),
            token: None,
            body: serde_json::to_vec(
                &json!({"username": format!("user-{}", caller.number), "password": PASSWORD}),
            )?
            .into(),
        })),
        (_, 7, ..) => {
            let mut body = service(TYPES[0]);
            body["name"] = json!(format!("database-{}", caller.number));
            body["description"] = json!(format!("revision {turn}"));
            Ok(Some(Request {
                method: "PUT",
                path: format!("/services/{}", caller.service),
                token: Some(caller.token.clone()),
                body: serde_json::to_vec(&body)?.into(),
            }))
        }
        (_, _, 3, _) => Operation::AuditPage.request(callers, turn),
        (.., 0) => Operation::List.request(callers, turn),
        _ => Operation::Read.request(callers, turn),
    }
}
