//! How long a connection may keep the server waiting. The HTTP library bounds the first request's headers alone: a client
//! that sends one good request, and then one byte of the next every minute, would hold its connection for ever, and so
//! would one that goes on with a body after its answer, or never reads an answer. Here every head has to be whole in time,
//! and an answer has to be accepted piece by piece.
//!
//! A body is bounded where it is read, see `extract::body`: what a client has to send while a request is being answered is
//! not this module's.

use std::{
    cell::Cell,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use actix_http::{HttpService, Protocol};
use actix_server::{Server, ServerBuilder};
use actix_service::{
    IntoServiceFactory, ServiceFactory, ServiceFactoryExt, fn_service, map_config,
};
use actix_web::{
    body::{BodySize, BoxBody, MessageBody},
    dev::{AppConfig, ServiceRequest, ServiceResponse},
    http::{ConnectionType, StatusCode, header::TRANSFER_ENCODING},
    web::Bytes,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep, sleep, sleep_until},
};

use crate::{problem::Problem, request_id::RequestId, settings::ServerSettings};

/// How long a connection that is to end waits for the client to notice it.
const DISCONNECT: Duration = Duration::from_secs(1);

/// A server of `app` on `listener`, with the deadlines that `settings` say.
///
/// # Errors
/// The listener can't be used.
pub(crate) fn serve<F, I, S, B>(
    app: F,
    listener: std::net::TcpListener,
    settings: &ServerSettings,
) -> io::Result<Server>
where
    F: Fn() -> I + Clone + Send + 'static,
    I: IntoServiceFactory<S, actix_http::Request>,
    S: ServiceFactory<
            actix_http::Request,
            Config = AppConfig,
            Response = ServiceResponse<B>,
            Error = actix_web::Error,
        > + 'static,
    S::InitError: std::fmt::Debug,
    S::Service: 'static,
    B: MessageBody + 'static,
{
    let builder = ServerBuilder::default()
        .disable_signals()
        .shutdown_timeout(settings.shutdown_timeout.get().as_secs().max(1));
    let draining = builder.graceful_shutdown_signal();
    let keep_alive = settings.keep_alive.get();
    let (receive, send) = (settings.receive_timeout.get(), settings.send_timeout.get());
    let server = builder.listen("api", listener, move || {
        let draining = draining.clone();
        let http = HttpService::build()
            .keep_alive(keep_alive)
            // Ours begins as early, and is not over after the first request.
            .client_request_timeout(Duration::ZERO)
            .client_disconnect_timeout(DISCONNECT)
            .graceful_shutdown_signal(move || {
                let draining = draining.clone();
                async move { draining.notified().await }
            })
            .on_connect_ext(|client: &Client, data| {
                data.insert(client.turn.clone());
            })
            .finish(map_config(
                app()
                    .into_factory()
                    .map_err(|error: actix_web::Error| error.error_response()),
                |()| AppConfig::default(),
            ));
        fn_service(move |stream: TcpStream| async move {
            let peer = stream.peer_addr().ok();
            let client = Client::new(stream, receive, send);
            Ok::<_, actix_http::error::DispatchError>((client, Protocol::Http1, peer))
        })
        .and_then(http)
    })?;
    Ok(server.run())
}

/// Whose turn it is on a connection; the connection and its requests share it.
#[derive(Clone, Debug)]
pub(crate) struct Turn {
    phase: Rc<Cell<Phase>>,
    /// Whether the last answer was the last: what follows is the rest of a body, and is not answered.
    is_last: Rc<Cell<bool>>,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    /// The client's, who has not begun: the library ends the connection when that lasts too long.
    Idle,
    /// The client's, who has to be done by then.
    Receiving(Instant),
    /// The server's, until its answer is whole.
    Answering,
}

/// The server's turn, which ends with this.
#[derive(Debug)]
pub(crate) struct Answering(Turn);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.phase.set(Phase::Idle);
    }
}

impl Answering {
    /// Begins the server's turn on the connection of `request`.
    pub(crate) fn begin(request: &ServiceRequest) -> Option<Self> {
        let turn = request.conn_data::<Turn>().cloned()?;
        turn.phase.set(Phase::Answering);
        Some(Self(turn))
    }

    /// Lasts until this answer is whole.
    pub(crate) fn last<B: MessageBody + 'static>(
        turn: Option<Self>,
        mut response: ServiceResponse<B>,
    ) -> ServiceResponse<AnswerBody> {
        let is_chunked = response.request().headers().contains_key(TRANSFER_ENCODING);
        // Whoever refuses may not have waited for the end of the body, and nobody knows how long that is.
        if is_chunked && !response.status().is_success() {
            let head = response.response_mut().head_mut();
            head.set_connection_type(ConnectionType::Close);
            if let Some(Self(turn)) = &turn {
                turn.is_last.set(true);
            }
        }
        response.map_body(|_, body| AnswerBody {
            body: body.boxed(),
            _answering: turn,
        })
    }
}

/// An answer's body; its end is the end of the server's turn.
#[derive(Debug)]
pub(crate) struct AnswerBody {
    body: BoxBody,
    _answering: Option<Answering>,
}

impl MessageBody for AnswerBody {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(context)
    }
}

/// A client's connection, which fails once the client is late.
struct Client {
    stream: TcpStream,
    turn: Turn,
    receive: Duration,
    send: Duration,
    /// Wakes the connection when its head is late.
    late: Pin<Box<Sleep>>,
    /// Runs while the client does not take what it is sent.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Client {
    fn new(stream: TcpStream, receive: Duration, send: Duration) -> Self {
        let deadline = Instant::now() + receive;
        Self {
            stream,
            turn: Turn {
                phase: Rc::new(Cell::new(Phase::Receiving(deadline))),
                is_last: Rc::default(),
            },
            receive,
            send,
            late: Box::pin(sleep_until(deadline)),
            stalled: None,
        }
    }

    /// Ends the client's turn if it has lasted too long. `arrived` says whether something has just been read.
    fn check_turn(&mut self, arrived: bool, context: &mut Context<'_>) -> io::Result<()> {
        if let (Phase::Idle, true) = (self.turn.phase.get(), arrived) {
            let deadline = Instant::now() + self.receive;
            self.turn.phase.set(Phase::Receiving(deadline));
        }
        let Phase::Receiving(deadline) = self.turn.phase.get() else {
            return Ok(());
        };
        if self.late.deadline() != deadline {
            self.late.as_mut().reset(deadline);
        }
        if self.late.as_mut().poll(context).is_pending() {
            return Ok(());
        }
        if !self.turn.is_last.get() {
            // For a client that still listens; to any other it makes no difference.
            let _ = self.stream.try_write(too_late(self.receive).as_bytes());
        }
        Err(io::ErrorKind::TimedOut.into())
    }
}

/// What a client is told whose request is not answered any more.
fn too_late(limit: Duration) -> String {
    let detail = format!("the request did not arrive within {limit:?}");
    let problem = Problem::of_protocol(StatusCode::REQUEST_TIMEOUT, "request_timeout", detail);
    let id = RequestId::generate();
    let body = problem.text("", &id);
    format!(
        "HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-type: application/problem+json\r\n\
         content-length: {}\r\ncache-control: no-store\r\nx-content-type-options: nosniff\r\n\
         x-request-id: {id}\r\n\r\n{body}",
        body.len()
    )
}

impl AsyncRead for Client {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        let arrived = buffer.filled().len() > before;
        match self.check_turn(arrived, context) {
            Ok(()) => read,
            Err(late) => Poll::Ready(Err(late)),
        }
    }
}

impl AsyncWrite for Client {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let send = self.send;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(send)));
        if stalled.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
