//! The pool of sessions: how many there may be, how long they live, and how long a request waits for one. A session is used
//! again by the thread that opened it where that is possible: its socket wakes that thread, and nobody has to be called from
//! another. No pool of a library knows threads, and none may keep a session back until it has been brought to its end.

use std::{
    ops::{Deref, DerefMut},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, ThreadId},
    time::{Duration, Instant},
};

use domain::Error;
use postgres_connection::{
    Address, Answer, ConnectError, Connector, Query, Session, SessionError, Standing,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use tokio_postgres::error::SqlState;

use super::PoolSettings;
use crate::scope::{Bounds, Role};

/// How long a session may take to be brought to its end after its request was given up.
const RECOVERY: Duration = Duration::from_secs(5);

/// What the pool's sessions do at one moment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Connections {
    /// Used by a request.
    pub in_use: usize,
    /// Open and free.
    pub idle: usize,
    /// Requests that wait for one.
    pub waiting: usize,
}

/// What is in the way of settings that come with a session.
const POOLER: &str = "unsupported startup parameter";

/// What is said where a pooler gave a session's statements to another: they are not there, or are there already.
const LOST: [SqlState; 2] = [
    SqlState::INVALID_SQL_STATEMENT_NAME,
    SqlState::DUPLICATE_PSTATEMENT,
];

/// Opens sessions, and keeps those that are free.
pub(super) struct Pool {
    connector: Connector,
    /// Opens sessions without settings.
    bare: Connector,
    /// Whether sessions keep no settings: then each transaction carries its own.
    is_bare: AtomicBool,
    /// Whether sessions keep the statements that they have parsed.
    keeps_statements: AtomicBool,
    bounds: Arc<Bounds>,
    settings: PoolSettings,
    /// One for each session that may be in use.
    permits: Arc<Semaphore>,
    waiting: AtomicUsize,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    /// The one that was used last is last.
    idle: Vec<Idle>,
    /// Sessions, free and in use.
    open: usize,
}

struct Idle {
    session: Session,
    opened: Opened,
    since: Instant,
}

/// Where and when a session was opened.
#[derive(Clone, Copy)]
struct Opened {
    by: ThreadId,
    at: Instant,
    is_bare: bool,
}

/// A session in use. It goes back when this is dropped, without a transaction.
pub(super) struct Pooled {
    session: Option<Session>,
    opened: Opened,
    pool: Arc<Pool>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Pool {
    pub(super) fn new(
        address: &Address,
        bounds: Bounds,
        settings: PoolSettings,
    ) -> Result<Self, ConnectError> {
        let mut options = String::new();
        for (name, value) in [
            ("statement_timeout", &bounds.statement_timeout),
            ("idle_in_transaction_session_timeout", &bounds.idle_timeout),
        ] {
            if let Some(value) = value {
                options.push_str(&format!("-c {name}={value} "));
            }
        }
        options.push_str(&format!("-c role={} -c timezone=UTC", Role::App.name()));
        Ok(Self {
            connector: Connector::new(&address.clone().with_options(&options))?,
            bare: Connector::new(address)?,
            is_bare: AtomicBool::new(false),
            keeps_statements: AtomicBool::new(settings.keeps_statements),
            bounds: Arc::new(bounds),
            settings,
            permits: Arc::new(Semaphore::new(settings.max_open)),
            waiting: AtomicUsize::new(0),
            kept: Mutex::default(),
        })
    }

    /// What opens sessions past the pool, without settings.
    pub(super) fn bare(&self) -> &Connector {
        &self.bare
    }

    pub(super) fn connections(&self) -> Connections {
        Connections {
            in_use: self.settings.max_open - self.permits.available_permits(),
            idle: self.kept().idle.len(),
            waiting: self.waiting.load(Ordering::Relaxed),
        }
    }

    /// A session that is free, or a new one.
    ///
    /// # Errors
    /// `database_unavailable` where none is free in time, or none can be opened.
    pub(super) async fn take(self: &Arc<Self>) -> Result<Pooled, Error> {
        let permit = self.permit().await?;
        let mut pooled = Pooled {
            session: None,
            opened: Opened {
                by: thread::current().id(),
                at: Instant::now(),
                is_bare: false,
            },
            pool: self.clone(),
            permit: Some(permit),
        };
        if let Some(Idle {
            session, opened, ..
        }) = self.reuse()
        {
            (pooled.session, pooled.opened) = (Some(session), opened);
            return Ok(pooled);
        }
        // From here on it counts as open; `pooled` gives that back where it is not to be.
        let (session, is_bare) = self.open().await?;
        metrics::counter!("nomad_services_database_connections_opened_total").increment(1);
        pooled.session = Some(session);
        pooled.opened.is_bare = is_bare;
        Ok(pooled)
    }

    /// A session, and whether it keeps no settings: a pooler either refuses them or drops them in silence.
    async fn open(&self) -> Result<(Session, bool), Error> {
        let unreachable =
            |error| crate::error::unavailable("the database can't be reached").with_source(error);
        let keeps_statements = self.keeps_statements.load(Ordering::Relaxed);
        if !self.is_bare.load(Ordering::Relaxed) {
            // A pooler may lose what is prepared, so the first question is asked without.
            match self.connector.session(false).await {
                Ok(mut session) => {
                    let has_role = has_role(&mut session).await?;
                    if !has_role {
                        self.note_pooler();
                    }
                    session.keep_statements(keeps_statements);
                    return Ok((session, !has_role));
                }
                Err(ConnectError::Refused { reason, .. }) if reason.contains(POOLER) => {
                    self.note_pooler();
                }
                Err(error) => return Err(unreachable(error)),
            }
        }
        let session = self.bare.session(keeps_statements).await;
        Ok((session.map_err(unreachable)?, true))
    }

    fn note_pooler(&self) {
        if !self.is_bare.swap(true, Ordering::Relaxed) {
            tracing::info!(
                "a pooler stands before PostgreSQL: each transaction carries its role, its time zone and its bounds"
            );
        }
    }

    async fn permit(&self) -> Result<OwnedSemaphorePermit, Error> {
        if let Ok(permit) = self.permits.clone().try_acquire_owned() {
            return Ok(permit);
        }
        let _waits = Waits::new(&self.waiting);
        let permit = timeout(
            self.settings.acquire_timeout,
            self.permits.clone().acquire_owned(),
        );
        match permit.await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(closed)) => Err(Error::internal(closed)),
            Err(late) => {
                let detail = "every database connection is in use";
                Err(crate::error::unavailable(detail).with_source(late))
            }
        }
    }

    /// A free session: one of this thread, or any where no more may be opened.
    fn reuse(&self) -> Option<Idle> {
        let by = thread::current().id();
        loop {
            let mut kept = self.kept();
            let own = kept.idle.iter().rposition(|idle| idle.opened.by == by);
            let place = match own {
                Some(place) => place,
                None if kept.open < self.settings.max_open => {
                    kept.open += 1;
                    return None;
                }
                None => kept.idle.len().checked_sub(1)?,
            };
            let mut idle = kept.idle.remove(place);
            if !idle.session.has_ended() && idle.opened.at.elapsed() < self.settings.max_lifetime {
                return Some(idle);
            }
            kept.open -= 1;
        }
    }

    fn keep(&self, session: Session, opened: Opened) {
        let since = Instant::now();
        self.kept().idle.push(Idle {
            session,
            opened,
            since,
        });
    }

    fn close(&self) {
        self.kept().open -= 1;
    }

    /// Closes sessions that have been free for long, down to those that are kept.
    pub(super) async fn close_idle(self: Arc<Self>) {
        let mut clock = tokio::time::interval(self.settings.idle_timeout / 6);
        loop {
            clock.tick().await;
            let mut kept = self.kept();
            let before = kept.idle.len();
            let mut excess = before.saturating_sub(self.settings.max_idle);
            kept.idle.retain(|idle| {
                let close = excess > 0 && idle.since.elapsed() > self.settings.idle_timeout;
                excess -= usize::from(close);
                !close
            });
            kept.open -= before - kept.idle.len();
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pooled {
    /// What a transaction has to carry itself.
    pub(super) fn bounds(&self) -> Option<&Bounds> {
        self.opened.is_bare.then(|| &*self.pool.bounds)
    }

    /// Carries out statements; where they begin a transaction, once more if a pooler turns out to have given the session's prepared
    /// statements to others, because nothing took effect then.
    pub(super) async fn carry_out(
        &mut self,
        queries: &[Query<'_>],
        begins: bool,
    ) -> Result<Vec<Answer>, SessionError> {
        match self.exchange(queries).await {
            Err(SessionError::Refused(refusal)) if LOST.contains(&refusal.code) => {
                self.lose_statements();
                if !begins {
                    return Err(refusal.into());
                }
                self.recover().await?;
                self.exchange(queries).await
            }
            answers => answers,
        }
    }

    /// No session keeps its statements from here on.
    fn lose_statements(&mut self) {
        if self.pool.keeps_statements.swap(false, Ordering::Relaxed) {
            tracing::warn!(
                "a pooler before PostgreSQL loses prepared statements, so none are used any more: set its max_prepared_statements \
                 (PgBouncer 1.21 or newer), or DATABASE_PREPARED_STATEMENTS=false"
            );
        }
        self.keep_statements(false);
    }

    /// Ends the session.
    pub(super) fn discard(mut self) {
        self.session = None;
    }
}

impl Deref for Pooled {
    type Target = Session;

    fn deref(&self) -> &Session {
        match &self.session {
            Some(session) => session,
            None => unreachable!("the session is given back on drop alone"),
        }
    }
}

impl DerefMut for Pooled {
    fn deref_mut(&mut self) -> &mut Session {
        match &mut self.session {
            Some(session) => session,
            None => unreachable!("the session is given back on drop alone"),
        }
    }
}

impl Drop for Pooled {
    fn drop(&mut self) {
        let (pool, opened) = (self.pool.clone(), self.opened);
        let Some(mut session) = self.session.take() else {
            return pool.close();
        };
        if session.standing() == Standing::Idle {
            return pool.keep(session, opened);
        }
        // What was sent is still carried out; its end, and that of the transaction, is waited for before anybody else gets it.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return pool.close();
        };
        let permit = self.permit.take();
        runtime.spawn(async move {
            match timeout(RECOVERY, session.recover()).await {
                Ok(Ok(())) => pool.keep(session, opened),
                _ => pool.close(),
            }
            drop(permit);
        });
    }
}

/// Whether a session runs as the role that it was opened for.
async fn has_role(session: &mut Session) -> Result<bool, Error> {
    let question = [Query::plain("SELECT current_setting('role')")];
    let answers = session.exchange(&question).await;
    let answers = answers.map_err(|error| crate::error::of(error.into()))?;
    let row = answers.first().and_then(|answer| answer.rows.first());
    Ok(row.is_some_and(|row| row.at::<&str>(0).ok() == Some(Role::App.name())))
}

/// Counts who waits, for as long as that lasts.
struct Waits<'a>(&'a AtomicUsize);

impl<'a> Waits<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
