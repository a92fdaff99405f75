//! Cutting a stream of bytes into JSON documents, whether Nomad puts line ends between them (events) or nothing (logs).
//! What is kept of an unfinished document is bounded.

use bytes::{Buf, Bytes, BytesMut};
use futures::{Stream, StreamExt};
use serde::de::DeserializeOwned;

use super::{Error, ErrorKind, Result};

/// The documents of a stream. It ends with an error: Nomad never ends these streams itself, so an end is a cut.
pub struct Documents<S> {
    pieces: S,
    buffer: BytesMut,
    limit: usize,
}

impl<S: Stream<Item = Result<Bytes>> + Send + Unpin> Documents<S> {
    /// Documents of at most `limit` bytes each.
    pub fn new(pieces: S, limit: usize) -> Self {
        Self {
            pieces,
            buffer: BytesMut::new(),
            limit,
        }
    }

    /// The next document.
    pub async fn next<T: DeserializeOwned>(&mut self) -> Result<T> {
        loop {
            if let Some(document) = self.take()? {
                return Ok(document);
            }
            if self.buffer.len() > self.limit {
                return Err(Error::new(
                    ErrorKind::TooLarge,
                    format!(
                        "a document of the stream is larger than {} bytes",
                        self.limit
                    ),
                ));
            }
            match self.pieces.next().await {
                Some(piece) => self.buffer.extend_from_slice(&piece?),
                None => {
                    return Err(Error::new(ErrorKind::Interrupted, "the stream ended"));
                }
            }
        }
    }

    /// The first document of the buffer, if it is there in full.
    fn take<T: DeserializeOwned>(&mut self) -> Result<Option<T>> {
        let mut documents = serde_json::Deserializer::from_slice(&self.buffer).into_iter::<T>();
        match documents.next() {
            Some(Ok(document)) => {
                let end = documents.byte_offset();
                self.buffer.advance(end);
                Ok(Some(document))
            }
            Some(Err(error)) if error.is_eof() => Ok(None),
            Some(Err(error)) => Err(Error::new(
                ErrorKind::Malformed,
                format!(
                    "the stream is not the JSON expected (column {})",
                    error.column()
                ),
            )),
            None => Ok(None),
        }
    }
}
