//! Opening a session: the driver signs in (TLS, SCRAM, what the server has to be), and then leaves its stream to us. It is lent
//! a handle of the stream, and another of the encrypted one where it makes that, and both are taken back.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, UnixStream},
};
use tokio_postgres::{
    Config,
    config::{Host, TargetSessionAttrs},
    tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream},
};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{
    Query, Session, SessionError,
    wire::{Stream, Wire},
};

/// Why a session could not be opened at one place.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpeningError {
    /// Nobody can be reached there.
    #[error(transparent)]
    Unreachable(#[from] io::Error),
    /// The server, or the driver, refuses.
    #[error(transparent)]
    Driver(#[from] tokio_postgres::Error),
    /// It was refused after signing in.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// It is not a server of the kind that is asked for.
    #[error("{0}")]
    Unwanted(&'static str),
}

/// A session at the single place of `config`.
pub(crate) async fn open(
    config: &Config,
    tls: &MakeRustlsConnect,
    keeps_statements: bool,
) -> Result<Session, OpeningError> {
    let (plain, encrypted) = (Lent::new(socket(config).await?), Lent::empty());
    let host = match config.get_hosts() {
        [Host::Tcp(host), ..] => host.as_str(),
        _ => "",
    };
    let mut tls = tls.clone();
    let connect = <MakeRustlsConnect as MakeTlsConnect<Lent>>::make_tls_connect(&mut tls, host);
    let connect = connect.map_err(io::Error::other)?;
    let connect = Keeping {
        connect,
        kept: encrypted.clone(),
    };
    // Neither sends anything when it is dropped.
    drop(config.connect_raw(plain.clone(), connect).await?);
    let stream = match encrypted.take() {
        Some(stream) => stream,
        None => plain
            .take()
            .ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected))?,
    };
    let mut session = Session::new(Wire::new(stream), keeps_statements);
    let refused = match config.get_target_session_attrs() {
        TargetSessionAttrs::ReadWrite => ("on", "the server takes no changes"),
        TargetSessionAttrs::ReadOnly => ("off", "the server takes changes"),
        _ => return Ok(session),
    };
    let question = [Query::plain("SHOW transaction_read_only")];
    let answers = session.exchange(&question).await?;
    let row = answers.first().and_then(|answer| answer.rows.first());
    match row.map(|row| row.at::<&str>(0)) {
        Some(Ok(read_only)) if read_only == refused.0 => Err(OpeningError::Unwanted(refused.1)),
        _ => Ok(session),
    }
}

async fn socket(config: &Config) -> io::Result<Carrier> {
    let port = config.get_ports().first().copied().unwrap_or(5432);
    let stream = match (config.get_hostaddrs(), config.get_hosts()) {
        ([address, ..], _) => TcpStream::connect((*address, port)).await?,
        ([], [Host::Tcp(host), ..]) => TcpStream::connect((host.as_str(), port)).await?,
        ([], [Host::Unix(folder), ..]) => {
            let path = folder.join(format!(".s.PGSQL.{port}"));
            return Ok(Box::pin(UnixStream::connect(path).await?));
        }
        ([], []) => return Err(io::ErrorKind::NotFound.into()),
    };
    stream.set_nodelay(true)?;
    if config.get_keepalives() {
        let mut keepalive = TcpKeepalive::new().with_time(config.get_keepalives_idle());
        if let Some(interval) = config.get_keepalives_interval() {
            keepalive = keepalive.with_interval(interval);
        }
        if let Some(retries) = config.get_keepalives_retries() {
            keepalive = keepalive.with_retries(retries);
        }
        SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
    }
    Ok(Box::pin(stream))
}

/// What carries a session.
pub(super) type Carrier = Pin<Box<dyn Stream>>;

/// A handle of a stream that can be taken back from whoever has another.
#[derive(Clone)]
struct Lent(Arc<Mutex<Option<Carrier>>>);

impl Lent {
    fn new(stream: Carrier) -> Self {
        Self(Arc::new(Mutex::new(Some(stream))))
    }

    fn empty() -> Self {
        Self(Arc::default())
    }

    fn take(&self) -> Option<Carrier> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn with<T>(
        &self,
        poll: impl FnOnce(Pin<&mut dyn Stream>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let mut stream = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match stream.as_mut() {
            Some(stream) => poll(stream.as_mut()),
            None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }
}

impl AsyncRead for Lent {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.with(|stream| stream.poll_read(context, buffer))
    }
}

impl AsyncWrite for Lent {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.with(|stream| stream.poll_write(context, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|stream| stream.poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|stream| stream.poll_shutdown(context))
    }
}

/// The driver's way to an encrypted stream, of which a handle is kept.
struct Keeping<Connect> {
    connect: Connect,
    kept: Lent,
}

/// An encrypted stream, as the driver has it.
struct Encrypted {
    stream: Lent,
    /// Asked for once.
    binding: Mutex<Option<ChannelBinding>>,
}

impl<Connect> TlsConnect<Lent> for Keeping<Connect>
where
    Connect: TlsConnect<Lent, Stream: Send + Sync + 'static, Future: Send> + Send + 'static,
{
    type Stream = Encrypted;
    type Error = Connect::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Encrypted, Connect::Error>> + Send>>;

    fn connect(self, stream: Lent) -> Self::Future {
        let Self { connect, kept } = self;
        let connecting = connect.connect(stream);
        Box::pin(async move {
            let stream = connecting.await?;
            let binding = Mutex::new(Some(stream.channel_binding()));
            *kept.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::pin(stream));
            Ok(Encrypted {
                stream: kept,
                binding,
            })
        })
    }
}

impl AsyncRead for Encrypted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Encrypted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl TlsStream for Encrypted {
    fn channel_binding(&self) -> ChannelBinding {
        let mut binding = self.binding.lock().unwrap_or_else(PoisonError::into_inner);
        binding.take().unwrap_or_else(ChannelBinding::none)
    }
}
