//! One session with PostgreSQL, spoken as its protocol has it: every statement of an exchange leaves at once, ended by a single
//! Sync, and so costs the server one answer and one round trip. The usual driver ends each statement by itself, which costs
//! both sides half as much again; it still opens the connection, and everything that does not serve requests goes through it.
//!
//! Outside of BEGIN and COMMIT, the statements of one exchange are one transaction: Sync commits it, and an error anywhere takes
//! all of it back (PostgreSQL's protocol, "Pipelining").

mod error;
mod names;
mod opening;
mod row;
mod wire;

use std::{collections::HashMap, sync::Arc};

use postgres_protocol::message::{backend::Message, frontend};
use tokio_postgres::types::{ToSql, Type};

pub use error::{Refusal, SessionError};
use names::Names;
pub(crate) use opening::{OpeningError, open};
pub use row::{Answer, Column, ColumnError, Row};
use wire::Wire;

/// More statements than a program has; a bound all the same.
const PREPARED: usize = 512;

/// A statement and its parameters.
#[derive(Clone, Copy)]
pub struct Query<'a> {
    /// With `$1` and so on for its parameters.
    pub sql: &'a str,
    /// Their values.
    pub parameters: &'a [&'a (dyn ToSql + Sync)],
}

impl std::fmt::Debug for Query<'_> {
    /// Without the values, which may be secret.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Query({})", self.sql)
    }
}

impl<'a> Query<'a> {
    /// A statement without parameters.
    pub const fn plain(sql: &'a str) -> Self {
        Self {
            sql,
            parameters: &[],
        }
    }
}

/// Where a session stands between two exchanges.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing {
    /// No transaction is open.
    Idle,
    /// A transaction is open.
    InTransaction,
    /// A transaction is open in which something failed.
    Failed,
    /// An exchange was given up before its end; [`Session::recover`] finds out more.
    Interrupted,
}

/// A statement that the server has parsed.
#[derive(Clone)]
struct Prepared {
    /// None where the server is to parse it each time.
    name: Option<Arc<str>>,
    parameters: Arc<[Type]>,
    columns: Arc<[Column]>,
}

impl Prepared {
    fn takes(&self, parameters: usize) -> bool {
        self.parameters.len() == parameters
    }
}

/// A session. It ends when it is dropped.
pub struct Session {
    wire: Wire,
    prepared: HashMap<Arc<str>, Prepared>,
    /// Names that the server may forget.
    forgotten: Vec<Arc<str>>,
    names: Names,
    keeps_statements: bool,
    standing: Standing,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Session({:?})", self.standing)
    }
}

impl Session {
    fn new(wire: Wire, keeps_statements: bool) -> Self {
        Self {
            wire,
            prepared: HashMap::new(),
            forgotten: Vec::new(),
            names: Names::new(),
            keeps_statements,
            standing: Standing::Idle,
        }
    }

    /// Where it stands.
    pub fn standing(&self) -> Standing {
        self.standing
    }

    /// Whether it can't be used any more, as far as that is known without asking the server.
    pub fn has_ended(&mut self) -> bool {
        self.wire.has_ended()
    }

    /// Carries out all of `queries`, in this order and one round trip, and what each was answered with. A statement that is
    /// new to the session costs one more, once.
    ///
    /// # Errors
    /// The first statement's that was refused: none after it was carried out. A session that was lost stays lost.
    pub async fn exchange(&mut self, queries: &[Query<'_>]) -> Result<Vec<Answer>, SessionError> {
        self.ensure_at_rest()?;
        self.prepare(queries).await?;
        let mut expected = Vec::with_capacity(queries.len());
        for query in queries {
            let known = self.prepared.get(query.sql);
            let Some(prepared) = known.filter(|known| known.takes(query.parameters.len())) else {
                self.wire.take_back();
                return Err(SessionError::Protocol("a statement has other parameters"));
            };
            let out = self.wire.outgoing();
            let name = match &prepared.name {
                Some(name) => name,
                None => {
                    let types = prepared.parameters.iter().map(Type::oid);
                    frontend::parse("", query.sql, types, out)?;
                    ""
                }
            };
            let values = query.parameters.iter().zip(prepared.parameters.iter());
            let bound = frontend::bind(
                "",
                name,
                [1],
                values,
                |(value, of), out| Ok(wire::is_null(&value.to_sql_checked(of, out)?)),
                [1],
                out,
            );
            if let Err(error) = bound {
                self.wire.take_back();
                return Err(error.into());
            }
            frontend::execute("", 0, out)?;
            expected.push(prepared.columns.clone());
        }
        self.answers(expected).await
    }

    /// Carries out statements of which nothing is expected, as text.
    ///
    /// # Errors
    /// As [`exchange`](Self::exchange).
    pub async fn command(&mut self, sql: &str) -> Result<(), SessionError> {
        self.ensure_at_rest()?;
        frontend::query(sql, self.wire.outgoing())?;
        self.until_end(&mut |_| Ok(())).await
    }

    /// Brings a session whose exchange was given up to its end, and ends a transaction that is open.
    ///
    /// # Errors
    /// The session is lost.
    pub async fn recover(&mut self) -> Result<(), SessionError> {
        if self.standing == Standing::Interrupted {
            match self.until_end(&mut |_| Ok(())).await {
                Ok(()) | Err(SessionError::Refused(_)) => {}
                Err(lost) => return Err(lost),
            }
        }
        match self.standing {
            Standing::Idle => Ok(()),
            _ => self.command("ROLLBACK").await,
        }
    }

    /// Forgets what was prepared: a migration may have changed what it refers to.
    pub fn forget_statements(&mut self) {
        let names = self
            .prepared
            .drain()
            .filter_map(|(_, prepared)| prepared.name);
        self.forgotten.extend(names);
    }

    /// Has the server keep each statement that it parses from here on, or parse it each time.
    pub fn keep_statements(&mut self, keeps_statements: bool) {
        self.forget_statements();
        if !keeps_statements {
            // Behind a pooler they may be somebody else's by then.
            self.forgotten.clear();
        }
        self.keeps_statements = keeps_statements;
    }

    /// Answers to what was given up would be taken for answers to what comes next.
    fn ensure_at_rest(&self) -> Result<(), SessionError> {
        match self.standing {
            Standing::Interrupted => Err(SessionError::Protocol("an exchange was given up")),
            _ => Ok(()),
        }
    }

    /// Has the server parse what it has not seen.
    async fn prepare(&mut self, queries: &[Query<'_>]) -> Result<(), SessionError> {
        let mut unknown: Vec<&str> = Vec::new();
        for query in queries {
            if !self.prepared.contains_key(query.sql) && !unknown.contains(&query.sql) {
                unknown.push(query.sql);
            }
        }
        if unknown.is_empty() {
            return Ok(());
        }
        if self.prepared.len() + unknown.len() > PREPARED {
            self.forget_statements();
            return Box::pin(self.prepare(queries)).await;
        }
        let out = self.wire.outgoing();
        for name in self.forgotten.drain(..) {
            frontend::close(b'S', &name, out)?;
        }
        let mut prepared = Vec::with_capacity(unknown.len());
        for sql in unknown {
            let name = self.keeps_statements.then(|| self.names.next());
            let text = name.as_deref().unwrap_or_default();
            frontend::parse(text, sql, [], out)?;
            frontend::describe(b'S', text, out)?;
            prepared.push((Arc::from(sql), name));
        }
        let (mut described, mut parameters) = (Vec::with_capacity(prepared.len()), Arc::from([]));
        let outcome = self
            .until_ready(|message| {
                match message {
                    Message::ParameterDescription(body) => parameters = row::types(&body)?,
                    Message::RowDescription(body) => {
                        described.push((parameters.clone(), row::columns(&body)?));
                    }
                    Message::NoData => described.push((parameters.clone(), Arc::from([]))),
                    _ => {}
                }
                Ok(())
            })
            .await;
        // Those before the one that was refused are kept; its own name is free.
        for ((sql, name), (parameters, columns)) in prepared.into_iter().zip(described) {
            let known = Prepared {
                name,
                parameters,
                columns,
            };
            self.prepared.insert(sql, known);
        }
        outcome
    }

    /// What the statements were answered with that were just written.
    async fn answers(&mut self, expected: Vec<Arc<[Column]>>) -> Result<Vec<Answer>, SessionError> {
        let mut answers = Vec::with_capacity(expected.len());
        let mut expected = expected.into_iter();
        let mut current = expected.next().map(Answer::of);
        self.until_ready(|message| {
            match (message, &mut current) {
                (Message::DataRow(body), Some(answer)) => return answer.push(body),
                (Message::CommandComplete(body), Some(answer)) => answer.complete(body.tag()?),
                (Message::EmptyQueryResponse, Some(_)) => {}
                (Message::DataRow(_) | Message::CommandComplete(_), None) => {
                    return Err(SessionError::Protocol(
                        "an answer came that nobody asked for",
                    ));
                }
                _ => return Ok(()),
            }
            answers.extend(current.take());
            current = expected.next().map(Answer::of);
            Ok(())
        })
        .await?;
        Ok(answers)
    }

    /// Ends what was written with a Sync, and reads to the end of what it is answered with.
    async fn until_ready(
        &mut self,
        mut each: impl FnMut(Message) -> Result<(), SessionError>,
    ) -> Result<(), SessionError> {
        frontend::sync(self.wire.outgoing());
        self.until_end(&mut each).await
    }

    /// Reads to the end of an exchange, which is written whole.
    async fn until_end(
        &mut self,
        each: &mut impl FnMut(Message) -> Result<(), SessionError>,
    ) -> Result<(), SessionError> {
        self.standing = Standing::Interrupted;
        let mut refused = None;
        loop {
            match self.wire.message().await? {
                Message::ReadyForQuery(body) => {
                    self.standing = wire::standing(body.status());
                    return refused.map_or(Ok(()), |refused: Box<Refusal>| Err(refused.into()));
                }
                Message::ErrorResponse(body) => {
                    let refusal = Refusal::of(&body)?;
                    if refusal.is_fatal() {
                        self.wire.end();
                        return Err(refusal.into());
                    }
                    refused = Some(refusal);
                }
                Message::NoticeResponse(body) => wire::log(&body),
                message => each(message)?,
            }
        }
    }
}
