//! Opening connections: the servers of an address in turn, each with a deadline, and words for why there is none.

use std::{error::Error as _, io, time::Duration};

use futures::{FutureExt, future::BoxFuture};
use tokio::time::timeout;
use tokio_postgres::{Client, Config, error::SqlState};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::{
    Address,
    address::Place,
    session::{self, OpeningError, Session, SessionError},
    tls,
};

/// How long a server may take where the address does not say it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Nobody answers, or nobody who can serve now: that may pass.
    #[error("PostgreSQL at {address} does not answer: {reason}")]
    Silent {
        /// Hosts and ports.
        address: String,
        /// What was tried and what came of it.
        reason: String,
    },
    /// Somebody answers who refuses, or who is refused.
    #[error("PostgreSQL at {address} can't be used: {reason}")]
    Refused {
        /// Host and port.
        address: String,
        /// What it said, or what is wrong with it.
        reason: String,
    },
    /// The file with the trusted authorities can't be read.
    #[error("the certificate authorities in {path} can't be read: {reason}")]
    Authorities {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The TLS library refuses the configuration.
    #[error("the connection can't be set up: {0}")]
    Setup(String),
}

/// Opens connections to the database at one address.
#[derive(Clone)]
pub struct Connector {
    address: String,
    attempts: Vec<(Place, Config)>,
    tls: MakeRustlsConnect,
    timeout: Duration,
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Connector({})", self.address)
    }
}

impl Connector {
    /// For `address`. Nothing is sent yet.
    ///
    /// # Errors
    /// The authorities can't be read.
    pub fn new(address: &Address) -> Result<Self, ConnectError> {
        let timeout = address.session().get_connect_timeout();
        Ok(Self {
            address: address.to_string(),
            attempts: address.attempts(),
            tls: tls::connector(address.ssl_mode(), address.ssl_root_certificate())?,
            timeout: timeout.copied().unwrap_or(CONNECT_TIMEOUT),
        })
    }

    /// The driver's own connection to the first server that answers as the address asks for. It ends when the client is
    /// dropped. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// No server answers in its time, or one refuses.
    pub async fn connect(&self) -> Result<Client, ConnectError> {
        let connecting = self.first(|config| {
            let connecting = config.connect(self.tls.clone());
            async move { Ok(connecting.await?) }.boxed()
        });
        let (client, connection) = connecting.await?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a database connection ended");
            }
        });
        Ok(client)
    }

    /// A session with the first server that answers as the address asks for. Must be called inside a tokio runtime. The server
    /// keeps what it has parsed for the session where `keeps_statements`; behind a pooler that knows nothing of that, it can't.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn session(&self, keeps_statements: bool) -> Result<Session, ConnectError> {
        self.first(|config| session::open(config, &self.tls, keeps_statements).boxed())
            .await
    }

    /// What `open` makes of the first place where it works.
    async fn first<'a, T>(
        &'a self,
        open: impl Fn(&'a Config) -> BoxFuture<'a, Result<T, OpeningError>>,
    ) -> Result<T, ConnectError> {
        let mut reasons = Vec::with_capacity(self.attempts.len());
        for (place, config) in &self.attempts {
            let reason = match timeout(self.timeout, open(config)).await {
                Ok(Ok(opened)) => return Ok(opened),
                Ok(Err(error)) if !may_pass(&error) => {
                    return Err(ConnectError::Refused {
                        address: place.to_string(),
                        reason: reason(&error),
                    });
                }
                Ok(Err(error)) => reason(&error),
                Err(_) => format!("no answer within {:?}", self.timeout),
            };
            reasons.push(match self.attempts.len() {
                1 => reason,
                _ => format!("{place}: {reason}"),
            });
        }
        Err(ConnectError::Silent {
            address: self.address.clone(),
            reason: reasons.join("; "),
        })
    }
}

/// Whether another server, or this one later, may answer.
fn may_pass(error: &OpeningError) -> bool {
    let error = match error {
        OpeningError::Driver(error) => error,
        OpeningError::Session(SessionError::Refused(refusal)) => return passes(&refusal.code),
        OpeningError::Unreachable(_) | OpeningError::Session(_) | OpeningError::Unwanted(_) => {
            return true;
        }
    };
    match error.code() {
        Some(code) => passes(code),
        None => {
            // A certificate that is not trusted is invalid data.
            let source = error
                .source()
                .and_then(|source| source.downcast_ref::<io::Error>());
            error.is_closed()
                || source.is_some_and(|source| source.kind() != io::ErrorKind::InvalidData)
        }
    }
}

fn passes(code: &SqlState) -> bool {
    let passing = [
        SqlState::ADMIN_SHUTDOWN,
        SqlState::CANNOT_CONNECT_NOW,
        SqlState::CRASH_SHUTDOWN,
        SqlState::TOO_MANY_CONNECTIONS,
    ];
    passing.contains(code)
}

/// With what is behind it, which the driver leaves out.
fn reason(error: &OpeningError) -> String {
    let OpeningError::Driver(error) = error else {
        return error.to_string();
    };
    match (error.as_db_error(), error.source()) {
        (Some(refused), _) => refused.message().to_owned(),
        (None, Some(source)) => format!("{error}: {source}"),
        (None, None) => error.to_string(),
    }
}
