//! How much longer a request takes where the database is further away: a proxy between the server and PostgreSQL that lets
//! everything wait on its way there, so that every answer waited for shows.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use secrecy::{ExposeSecret, SecretString};
use tokio_postgres::{Client, Config, NoTls};

use crate::{
    Result,
    database::Database,
    load,
    operation::{Callers, Operation},
    population::forget,
    samples::Seen,
    server::Server,
};

pub const DELAY: Duration = Duration::from_millis(1);

/// Of how many statements the delay as it really is gets measured: threads wake up a little late.
const BARE: usize = 500;

/// One operation with a single client.
pub struct Row {
    pub operation: Operation,
    pub near: Seen,
    pub far: Seen,
    /// How many of the delays that a bare statement has the median is longer by.
    pub delays: f64,
}

/// Asks `near` and a server behind the proxy in turn.
pub async fn run(
    database: &Database,
    near: &Server,
    callers: &Arc<Callers>,
    time: Duration,
) -> Result<(Duration, Vec<Row>)> {
    let config = database.config()?;
    let port = config.get_ports().first().copied().unwrap_or_default();
    let proxy = proxy((Ipv4Addr::LOCALHOST, port).into())?;
    let url = database.url();
    let through = url
        .expose_secret()
        .replace(&format!(":{port}/"), &format!(":{}/", proxy.port()));
    let through = SecretString::from(through);
    let far = Server::start(&through, database.folder.path(), &[]).await?;
    let superuser = database.superuser().await?;
    let behind: Config = through.expose_secret().parse()?;
    let (behind, connection) = behind.connect(NoTls).await?;
    tokio::spawn(connection);
    let longer = bare(&behind).await?.saturating_sub(bare(&superuser).await?);
    let mut rows = Vec::new();
    for operation in Operation::ALL {
        let mut both = Vec::new();
        for address in [near.address, far.address] {
            let callers = callers.clone();
            let next = move |turn| operation.request(&callers, turn);
            both.push(load::run(address, 1, time, next).await?);
            if operation == Operation::Create {
                forget(&superuser).await?;
            }
        }
        let (Some(far), Some(near)) = (both.pop(), both.pop()) else {
            continue;
        };
        let more = far.median.as_secs_f64() - near.median.as_secs_f64();
        rows.push(Row {
            operation,
            delays: more / longer.max(DELAY).as_secs_f64(),
            near,
            far,
        });
    }
    far.stop().await?;
    Ok((longer, rows))
}

/// The median time of the smallest statement there is.
async fn bare(postgres: &Client) -> Result<Duration> {
    let mut latencies = Vec::new();
    for _ in 0..BARE {
        let asked = Instant::now();
        postgres.batch_execute("SELECT").await?;
        latencies.push(asked.elapsed());
    }
    latencies.sort_unstable();
    Ok(latencies[latencies.len() / 2])
}

/// Listens until this process ends. Threads, because the timers of an event loop are no finer than a millisecond.
fn proxy(target: SocketAddr) -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            if let Err(error) = join(&client, target) {
                eprintln!("the proxy before PostgreSQL: {error}");
            }
        }
    });
    Ok(address)
}

fn join(client: &TcpStream, target: SocketAddr) -> Result<()> {
    let server = TcpStream::connect(target)?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (send, receive) = mpsc::channel::<(Instant, Vec<u8>)>();
    let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
    let (mut from_server, mut to_client) = (server, client.try_clone()?);
    thread::spawn(move || {
        let mut buffer = vec![0; 65536];
        while let Ok(length @ 1..) = from_client.read(&mut buffer) {
            if send
                .send((Instant::now() + DELAY, buffer[..length].to_vec()))
                .is_err()
            {
                break;
            }
        }
    });
    thread::spawn(move || {
        for (due, bytes) in receive {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if to_server.write_all(&bytes).is_err() {
                break;
            }
        }
        let _ = to_server.shutdown(Shutdown::Both);
    });
    thread::spawn(move || {
        let _ = std::io::copy(&mut from_server, &mut to_client);
        let _ = to_client.shutdown(Shutdown::Both);
    });
    Ok(())
}
