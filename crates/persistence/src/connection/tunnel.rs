//! A way to the database for a driver that can't be told whom to trust. The migrations' driver knows none of the system's
//! authorities, and adds those it was built with to the ones it is given; with a certificate of any of them, somebody in
//! between could ask it for the owner's password. So where the server's certificate matters, it speaks through a Unix socket
//! that leads into a connection of our own, checked as the pool's are.

use std::{fmt, io, path::Path, sync::Arc, time::Duration};

use secrecy::{ExposeSecret, SecretString};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpStream, UnixListener},
    task::{JoinHandle, JoinSet},
    time::timeout,
};
use tokio_postgres::{
    config::Host,
    tls::{MakeTlsConnect, TlsConnect},
};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{
    pool::ConnectionSettings,
    tls::{self, SetupError, SslMode},
};

/// What a client sends that wants to go on encrypted, and what a server answers that can.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
const CAN: u8 = b'S';

const CONNECT_DEADLINE: Duration = Duration::from_secs(10);

/// The port that the name of the socket holds; nobody listens there.
const PORT: u16 = 5432;

/// An open tunnel; it closes when this is dropped.
pub struct Tunnel {
    server: Arc<Server>,
    url: SecretString,
    forwarding: JoinHandle<()>,
    _folder: TempDir,
}

struct Server {
    host: String,
    port: u16,
    tls: MakeRustlsConnect,
}

impl Tunnel {
    /// A tunnel to the database, where `connection` checks its certificate. Nothing is sent yet. Must be called inside a tokio
    /// runtime.
    ///
    /// # Errors
    /// The address or the authorities are not usable, or there is no place for the socket.
    pub fn open(connection: &ConnectionSettings) -> Result<Option<Self>, SetupError> {
        let (mode, authorities) = (
            connection.ssl_mode,
            connection.ssl_root_certificate.as_deref(),
        );
        if !matches!(mode, SslMode::VerifyCa | SslMode::VerifyFull) {
            return Ok(None);
        }
        let setup = |reason: String| SetupError::Setup(reason);
        let url = connection.url.expose_secret();
        let config: tokio_postgres::Config = url
            .parse()
            .map_err(|error: tokio_postgres::Error| setup(error.to_string()))?;
        let [Host::Tcp(host)] = config.get_hosts() else {
            let reason = "a certificate can only be checked of one host with a name or an address";
            return Err(setup(reason.to_owned()));
        };
        let server = Arc::new(Server {
            host: host.clone(),
            port: config.get_ports().first().copied().unwrap_or(PORT),
            tls: tls::connector(mode, authorities)?,
        });
        let place = |error: io::Error| setup(format!("there is no place for a socket: {error}"));
        let folder = tempfile::Builder::new()
            .prefix("nomad-services-")
            .tempdir()
            .map_err(place)?;
        let socket = folder.path().join(format!(".s.PGSQL.{PORT}"));
        let listener = UnixListener::bind(socket).map_err(place)?;
        Ok(Some(Self {
            url: through(url, folder.path()),
            forwarding: tokio::spawn(forward(listener, server.clone())),
            server,
            _folder: folder,
        }))
    }

    /// The database's address on this side of the tunnel.
    pub fn url(&self) -> &SecretString {
        &self.url
    }

    /// Whether the server is there, and is the one that it should be.
    ///
    /// # Errors
    /// `InvalidData` where it is another, or does not encrypt; anything else where it does not answer.
    pub async fn check(&self) -> io::Result<()> {
        self.server.connect().await.map(drop)
    }
}

impl fmt::Debug for Tunnel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Server { host, port, .. } = &*self.server;
        write!(formatter, "Tunnel({host}:{port})")
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.forwarding.abort();
    }
}

/// `url` with the socket in `folder` in place of its host.
fn through(url: &str, folder: &Path) -> SecretString {
    let separator = if url.contains('?') { '&' } else { '?' };
    let folder = folder.display();
    format!("{url}{separator}host={folder}&port={PORT}&sslmode=disable").into()
}

impl Server {
    async fn connect(
        &self,
    ) -> io::Result<<MakeRustlsConnect as MakeTlsConnect<TcpStream>>::Stream> {
        let connect = async {
            let mut stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
            stream.set_nodelay(true)?;
            stream.write_all(&SSL_REQUEST).await?;
            if stream.read_u8().await? != CAN {
                let word = "the server does not encrypt";
                return Err(io::Error::new(io::ErrorKind::InvalidData, word));
            }
            let mut tls = self.tls.clone();
            let tls = MakeTlsConnect::<TcpStream>::make_tls_connect(&mut tls, &self.host)
                .map_err(io::Error::other)?;
            tls.connect(stream).await
        };
        timeout(CONNECT_DEADLINE, connect).await?
    }
}

async fn forward(listener: UnixListener, server: Arc<Server>) {
    // They end with the tunnel.
    let mut connections = JoinSet::new();
    while let Ok((mut near, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        let server = server.clone();
        connections.spawn(async move {
            match server.connect().await {
                Ok(mut far) => {
                    // Either side may end at any time, and the other is told by that.
                    let _ = copy_bidirectional(&mut near, &mut far).await;
                }
                Err(error) => tracing::warn!(%error, "no way through to the database"),
            }
        });
    }
}
