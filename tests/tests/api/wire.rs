//! The wire between a server and PostgreSQL: a proxy that reads what the server says, and counts what requests cost there.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex},
};

use bytes::{Buf, BytesMut};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy},
    net::{TcpListener, TcpStream},
};

/// How the context of a transaction begins, which says who acts.
const CONTEXT: &str = "SELECT set_config('app.tenant_id'";

/// The protocol's numbers of what comes before a session: a wish for TLS, and one for Kerberos.
const WISHES: [u32; 2] = [80_877_103, 80_877_104];

/// What requests have cost.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Cost {
    /// Exchanges that were waited for.
    pub round_trips: usize,
    /// Statements carried out in them.
    pub statements: usize,
}

impl fmt::Display for Cost {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let several = |count| if count == 1 { "" } else { "s" };
        let Self {
            round_trips,
            statements,
        } = *self;
        write!(
            formatter,
            "{round_trips} round trip{}",
            several(round_trips)
        )?;
        write!(formatter, ", {statements} statement{}", several(statements))
    }
}

/// A proxy before PostgreSQL.
pub struct Wire {
    pub port: u16,
    counts: Arc<Mutex<Counts>>,
}

#[derive(Default)]
struct Counts {
    /// The request that is listened for.
    request: String,
    cost: Cost,
    /// Exchanges in which statements were only prepared.
    prepared: usize,
}

impl Wire {
    /// Before the PostgreSQL that listens at `server`.
    pub async fn before(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let counts = Arc::default();
        let counted = Arc::clone(&counts);
        actix_web::rt::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&server).await.expect("PostgreSQL");
                actix_web::rt::spawn(forward(client, server, Arc::clone(&counted)));
            }
        });
        Self { port, counts }
    }

    /// Counts from here on what the request with this id costs.
    ///
    /// Whatever else the server does is not counted: the worker, the sealer, looking whether the database is there, writing down
    /// what another request was refused. Nor is what prepares a statement once in a session, nor what ends a transaction after
    /// its request was answered.
    pub fn listen_for(&self, request: &str) {
        let mut counts = self.counts.lock().expect("no panic");
        counts.request = request.to_owned();
        counts.cost = Cost::default();
    }

    /// What the request has cost that is listened for.
    pub fn cost(&self) -> Cost {
        self.counts.lock().expect("no panic").cost
    }

    /// How many round trips have only prepared statements.
    pub fn prepared(&self) -> usize {
        self.counts.lock().expect("no panic").prepared
    }
}

async fn forward(client: TcpStream, server: TcpStream, counts: Arc<Mutex<Counts>>) {
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let upstream = async move {
        let (mut session, mut read) = (Session::default(), BytesMut::new());
        let mut buffer = vec![0; 65536];
        while let Ok(length @ 1..) = from_client.read(&mut buffer).await {
            let sent = &buffer[..length];
            read.extend_from_slice(sent);
            // Counted before it is answered, so that who has an answer finds it counted.
            session.hear(&mut read, &counts);
            if to_server.write_all(sent).await.is_err() {
                break;
            }
        }
    };
    tokio::select! {
        () = upstream => {}
        _ = copy(&mut from_server, &mut to_client) => {}
    }
}

/// What a client has said in its session.
#[derive(Default)]
struct Session {
    has_begun: bool,
    statements: HashMap<Vec<u8>, String>,
    bound: String,
    /// Statements carried out since the last Sync.
    carried_out: Vec<String>,
    /// Whether the context that was set since the last Sync is that request's.
    context: Option<bool>,
    /// The transaction that is open, and whether it is that request's.
    transaction: Option<bool>,
}

impl Session {
    /// Takes whole messages out of `read`.
    fn hear(&mut self, read: &mut BytesMut, counts: &Mutex<Counts>) {
        loop {
            let typed = usize::from(self.has_begun);
            let Some(length) = read.get(typed..typed + 4) else {
                return;
            };
            let length = typed + u32::from_be_bytes(length.try_into().expect("four")) as usize;
            if read.len() < length {
                return;
            }
            let mut message = read.split_to(length);
            let kind = if self.has_begun { message.get_u8() } else { 0 };
            message.advance(4);
            match kind {
                0 => self.has_begun = !WISHES.contains(&message.get_u32()),
                b'P' => {
                    let name = text(&mut message);
                    let sql = String::from_utf8(text(&mut message)).expect("UTF-8");
                    self.statements.insert(name, sql);
                }
                b'B' => self.bind(message, counts),
                b'E' => self.carried_out.push(self.bound.clone()),
                b'S' => self.end_exchange(counts),
                b'Q' => self.command(&text(&mut message), counts),
                _ => {}
            }
        }
    }

    fn bind(&mut self, mut message: BytesMut, counts: &Mutex<Counts>) {
        let _portal = text(&mut message);
        self.bound = self.statements[&text(&mut message)].clone();
        if !self.bound.starts_with(CONTEXT) {
            return;
        }
        let formats = message.get_u16();
        message.advance(2 * usize::from(formats));
        let values = message.get_u16();
        let value = |_| {
            let length = usize::try_from(message.get_i32()).unwrap_or_default();
            message.split_to(length)
        };
        let values: Vec<BytesMut> = (0..values).map(value).collect();
        // The tenant and the user; what changes something has the request as well, and only requests do nothing but read.
        let request = &counts.lock().expect("no panic").request;
        self.context = Some(values.get(2).is_none_or(|id| id == request.as_bytes()));
    }

    fn end_exchange(&mut self, counts: &Mutex<Counts>) {
        let carried_out = std::mem::take(&mut self.carried_out);
        let context = self.context.take();
        let mut counts = counts.lock().expect("no panic");
        if carried_out.is_empty() {
            counts.prepared += 1;
            return;
        }
        let says = |word: &str| carried_out.iter().any(|sql| sql == word);
        let of_request = context.or(self.transaction);
        if of_request == Some(true) {
            counts.cost.round_trips += 1;
            counts.cost.statements += carried_out.len();
        }
        if says("BEGIN") {
            self.transaction = of_request;
        } else if says("COMMIT") {
            self.transaction = None;
        }
    }

    /// Sent as text are looks whether the database is there, and the end of what was given up.
    fn command(&mut self, sql: &[u8], counts: &Mutex<Counts>) {
        match sql {
            b"" => {}
            b"ROLLBACK" => self.transaction = None,
            _ => {
                let mut counts = counts.lock().expect("no panic");
                counts.cost.round_trips += 1;
                counts.cost.statements += 1;
            }
        }
    }
}

/// The text up to the next zero, which is taken as well.
fn text(message: &mut BytesMut) -> Vec<u8> {
    let end = message.iter().position(|byte| *byte == 0);
    let text = message.split_to(end.expect("an end")).to_vec();
    message.advance(1);
    text
}
