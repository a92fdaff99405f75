//! A door before a server that can be shut, and can freeze with everything in it.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::{JoinHandle, JoinSet},
};

pub struct Door {
    server: String,
    /// Where it stands.
    pub address: String,
    frozen: watch::Sender<bool>,
    open: JoinHandle<()>,
}

impl Door {
    /// Before `server`, a host and a port.
    pub async fn before(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address").to_string();
        let frozen = watch::Sender::new(false);
        let forward = forward(listener, server.to_owned(), frozen.subscribe());
        Self {
            server: server.to_owned(),
            address,
            frozen,
            open: tokio::spawn(forward),
        }
    }

    /// Ends every connection, and takes no more.
    pub async fn shut(&mut self) {
        self.open.abort();
        let ended = (&mut self.open).await;
        assert!(ended.is_err_and(|error| error.is_cancelled()));
    }

    pub async fn open(&mut self) {
        let listener = TcpListener::bind(&self.address).await.expect("its port");
        let forward = forward(listener, self.server.clone(), self.frozen.subscribe());
        self.open = tokio::spawn(forward);
    }

    /// Lets nothing through any more, or what waited too: connections stay, and are accepted.
    pub fn freeze(&self, frozen: bool) {
        self.frozen.send_replace(frozen);
    }
}

async fn forward(listener: TcpListener, server: String, frozen: watch::Receiver<bool>) {
    // Its tasks end with it.
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let (server, frozen) = (server.clone(), frozen.clone());
        connections.spawn(async move {
            let server = TcpStream::connect(server).await.expect("the server");
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            tokio::join!(
                pass(from_client, to_server, frozen.clone()),
                pass(from_server, to_client, frozen)
            );
        });
    }
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut frozen: watch::Receiver<bool>) {
    let mut bytes = vec![0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut bytes).await {
        if frozen.wait_for(|frozen| !frozen).await.is_err() {
            return;
        }
        if to.write_all(&bytes[..length]).await.is_err() {
            return;
        }
    }
}
