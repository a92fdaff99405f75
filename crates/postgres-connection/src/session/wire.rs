//! The bytes of a session: messages out and in. What is to be sent and what has arrived wait in buffers, so that an exchange
//! which is given up at any point can be brought to its end later.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll, Waker, ready},
};

use bytes::{Buf, BytesMut};
use fallible_iterator::FallibleIterator;
use postgres_protocol::{
    IsNull,
    message::backend::{Message, NoticeResponseBody},
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_postgres::types;
use tokio_util::io::{poll_read_buf, poll_write_buf};

use super::{SessionError, Standing};

/// Room for what most exchanges are answered with, in bytes.
const ROOM: usize = 8 * 1024;

/// What carries a session: a socket, encrypted or not.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Sync {}

impl<T: AsyncRead + AsyncWrite + Send + Sync> Stream for T {}

pub(super) struct Wire {
    stream: Pin<Box<dyn Stream>>,
    outgoing: BytesMut,
    incoming: BytesMut,
    ended: bool,
}

impl Wire {
    pub(super) fn new(stream: Pin<Box<dyn Stream>>) -> Self {
        Self {
            stream,
            outgoing: BytesMut::new(),
            incoming: BytesMut::new(),
            ended: false,
        }
    }

    /// What is sent next is written here.
    pub(super) fn outgoing(&mut self) -> &mut BytesMut {
        &mut self.outgoing
    }

    /// Forgets what was written and not sent yet.
    pub(super) fn take_back(&mut self) {
        self.outgoing.clear();
    }

    /// Nothing is sent or read any more.
    pub(super) fn end(&mut self) {
        self.ended = true;
    }

    /// Whether the other side has ended it, as far as that has arrived here.
    pub(super) fn has_ended(&mut self) -> bool {
        // Between two exchanges a server says nothing but notices, and why it goes.
        let mut context = Context::from_waker(Waker::noop());
        match self.poll_read(&mut context) {
            Poll::Ready(Err(_)) => self.ended = true,
            Poll::Ready(Ok(())) => self.ended |= self.incoming.first() == Some(&b'E'),
            Poll::Pending => {}
        }
        self.ended
    }

    /// The next message. What waits to be sent is sent meanwhile: a server that can't get rid of its answers reads no more.
    pub(super) async fn message(&mut self) -> Result<Message, SessionError> {
        loop {
            if let Some(message) = Message::parse(&mut self.incoming)? {
                return Ok(message);
            }
            let moved = poll_fn(|context| {
                if let Err(error) = self.poll_send(context) {
                    return Poll::Ready(Err(error));
                }
                self.poll_read(context)
            });
            if let Err(error) = moved.await {
                self.ended = true;
                return Err(error.into());
            }
        }
    }

    fn poll_send(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        if self.outgoing.is_empty() {
            return Ok(());
        }
        while self.outgoing.has_remaining() {
            match poll_write_buf(self.stream.as_mut(), context, &mut self.outgoing) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => return Ok(()),
            }
        }
        self.outgoing.clear();
        match self.stream.as_mut().poll_flush(context) {
            Poll::Ready(Err(error)) => Err(error),
            // An encrypted stream sends the rest when it is read from, too.
            Poll::Ready(Ok(())) | Poll::Pending => Ok(()),
        }
    }

    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.ended {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        self.incoming.reserve(ROOM);
        match ready!(poll_read_buf(
            self.stream.as_mut(),
            context,
            &mut self.incoming
        )) {
            Ok(0) => Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
            Ok(_) => Poll::Ready(Ok(())),
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

pub(super) fn is_null(value: &types::IsNull) -> IsNull {
    match value {
        types::IsNull::Yes => IsNull::Yes,
        types::IsNull::No => IsNull::No,
    }
}

pub(super) fn standing(status: u8) -> Standing {
    match status {
        b'I' => Standing::Idle,
        b'T' => Standing::InTransaction,
        _ => Standing::Failed,
    }
}

/// Notices are for whoever looks for a fault.
pub(super) fn log(notice: &NoticeResponseBody) {
    let text = notice.fields().find(|field| Ok(field.type_() == b'M'));
    if let Ok(Some(text)) = text {
        let text = String::from_utf8_lossy(text.value_bytes());
        tracing::debug!(%text, "PostgreSQL notes");
    }
}
