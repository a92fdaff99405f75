//! Why an exchange did not come to its end.

use std::io;

use fallible_iterator::FallibleIterator;
use postgres_protocol::message::{backend::ErrorResponseBody, frontend::BindError};
use tokio_postgres::error::SqlState;

/// Why an exchange did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// A statement was refused. The session goes on.
    #[error(transparent)]
    Refused(#[from] Box<Refusal>),
    /// The network or the server ended the session.
    #[error("the session with PostgreSQL was lost: {0}")]
    Lost(#[from] io::Error),
    /// A value does not fit its parameter; nothing was sent.
    #[error("a parameter can't be sent: {0}")]
    Parameter(Box<dyn std::error::Error + Send + Sync>),
    /// One of the two says something else than the protocol has.
    #[error("{0}")]
    Protocol(&'static str),
}

/// What PostgreSQL says about a statement that it refuses.
#[derive(Debug, thiserror::Error)]
#[error("{severity}: {message} ({})", code.code())]
pub struct Refusal {
    /// The SQLSTATE.
    pub code: SqlState,
    /// `ERROR`, or `FATAL` where it ends the session.
    pub severity: String,
    /// Its words.
    pub message: String,
    /// The constraint that was violated, if it was one.
    pub constraint: Option<String>,
}

impl Refusal {
    pub(super) fn of(body: &ErrorResponseBody) -> Result<Box<Self>, SessionError> {
        let mut refusal = Self {
            code: SqlState::INTERNAL_ERROR,
            severity: String::new(),
            message: String::new(),
            constraint: None,
        };
        let mut fields = body.fields();
        while let Some(field) = fields.next()? {
            let value = String::from_utf8_lossy(field.value_bytes());
            match field.type_() {
                b'C' => refusal.code = SqlState::from_code(&value),
                b'V' => refusal.severity = value.into_owned(),
                b'M' => refusal.message = value.into_owned(),
                b'n' => refusal.constraint = Some(value.into_owned()),
                _ => {}
            }
        }
        Ok(Box::new(refusal))
    }

    /// Whether the server ends the session with it.
    pub fn is_fatal(&self) -> bool {
        self.severity != "ERROR"
    }
}

impl From<BindError> for SessionError {
    fn from(error: BindError) -> Self {
        Self::Parameter(match error {
            BindError::Conversion(error) => error,
            BindError::Serialization(error) => error.into(),
        })
    }
}
