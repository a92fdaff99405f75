//! Transactions that change something. BEGIN and the context leave with the first statement, COMMIT with the last where
//! the caller knows that it is the last; one that is dropped on the way is rolled back before its connection is used again.

use std::{
    fmt,
    marker::PhantomData,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use deadpool::managed::Object;
use domain::{
    Acting, Credential, Error, SystemPurpose, TenantId, TenantScope, UserId,
    idempotency::{Answer as KeptAnswer, Once},
    policy::Actor,
};
use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, ExecResult, ProxyExecResult, QueryResult, Statement,
};

use super::{
    Answer, Database, ExchangeError, Opening, Remedy, pool::Pooled, purpose, remedy, to_db_err,
};
use crate::{callers, encryption::TenantKeys, idempotency, scope};

const ROLLBACK_DEADLINE: Duration = Duration::from_secs(5);

/// Marks a transaction in one tenant's context.
#[derive(Debug)]
pub struct InTenant;

/// Marks a transaction across tenants.
#[derive(Debug)]
pub struct AcrossTenants;

/// A transaction of a tenant's member: row-level security shows it that tenant alone.
pub type TenantTx = Transaction<InTenant>;

/// A transaction across tenants, as the narrow system role; its uses are the [`SystemPurpose`]s.
pub type SystemTx = Transaction<AcrossTenants>;

/// A transaction in a context that can't be changed.
pub struct Transaction<Context> {
    database: Database,
    connection: Option<Pooled>,
    opening: Mutex<Option<Opening>>,
    ended: AtomicBool,
    scope: Option<TenantScope>,
    once: Option<Once>,
    keys: Option<TenantKeys>,
    context: PhantomData<Context>,
}

impl<Context> fmt::Debug for Transaction<Context> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Transaction")
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

impl TenantTx {
    pub(super) fn new(database: Database, connection: Pooled, scope: &TenantScope) -> Self {
        let opening = Opening {
            begin: "BEGIN",
            context: scope::statement(&Acting::from(scope)),
            across: None,
        };
        Self::opened(database, connection, opening, Some(scope.clone()))
    }

    /// The tenant whose context it has.
    pub(crate) fn tenant(&self) -> Result<TenantId, Error> {
        Ok(self.scope()?.tenant)
    }

    /// The first statements together with the caller's standing, in one round trip.
    ///
    /// # Errors
    /// `unauthenticated` where the caller, its session or key, or the tenant is not active any more; `network_not_allowed`.
    pub async fn enter<const N: usize>(
        &mut self,
        statements: [Statement; N],
    ) -> Result<(Actor, [Vec<QueryResult>; N]), Error> {
        let scope = self.scope()?.clone();
        let mut sent = Vec::with_capacity(N + 1);
        sent.push(callers::of_scope(&scope));
        sent.extend(statements);
        let answers = self.first(&sent).await?;
        let (caller, answers) = standing_first(&answers)?;
        let actor = callers::member(&scope, &caller)?;
        Ok((actor, collect(answers)?))
    }

    /// Whose transaction it is.
    pub(crate) fn caller(&self) -> Result<UserId, Error> {
        Ok(self.scope()?.user)
    }

    fn scope(&self) -> Result<&TenantScope, Error> {
        self.scope.as_ref().ok_or_else(Error::unauthenticated)
    }

    /// Sends the opening statements, on another connection where this one turns out to be broken: nothing has happened yet.
    async fn first(&mut self, statements: &[Statement]) -> Result<Vec<Answer>, Error> {
        let begun = self
            .opening
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        match self.send(statements, false).await {
            Err(error) if begun.is_some() => match remedy(&error) {
                Remedy::None => return Err(crate::error::of(error)),
                Remedy::PrepareAgain => {
                    self.connection()?.forget_statements();
                    let rollback = self.connection()?.client.batch_execute("ROLLBACK");
                    rollback
                        .await
                        .map_err(|error| crate::error::of(error.into()))?;
                }
                Remedy::Reconnect => {
                    if let Some(broken) = self.connection.take() {
                        drop(Object::take(broken));
                    }
                    self.connection = Some(self.database.connection().await?);
                }
            },
            result => return result.map_err(crate::error::of),
        }
        *self.opening.lock().unwrap_or_else(PoisonError::into_inner) = begun;
        self.send(statements, false).await.map_err(crate::error::of)
    }
}

impl SystemTx {
    pub(super) fn new(
        database: Database,
        connection: Pooled,
        purpose: SystemPurpose,
        acting: &Acting,
    ) -> Self {
        let opening = Opening {
            begin: purpose::begin(purpose),
            context: scope::statement(acting),
            across: None,
        };
        Self::opened(database, connection, opening, None)
    }

    /// Statements on behalf of somebody who is known, with their standing at this moment, in one round trip.
    ///
    /// # Errors
    /// As [`TenantTx::enter`].
    pub async fn enter<const N: usize>(
        &self,
        acting: &Acting,
        credential: &Credential,
        statements: [Statement; N],
    ) -> Result<(Actor, [Vec<QueryResult>; N]), Error> {
        let user = acting.user.ok_or_else(Error::unauthenticated)?;
        let mut sent = Vec::with_capacity(N + 1);
        sent.push(callers::statement(user, credential));
        sent.extend(statements);
        let answers = self.send(&sent, false).await.map_err(crate::error::of)?;
        let (caller, answers) = standing_first(&answers)?;
        let actor = callers::actor(user, &acting.origin, &caller)?;
        Ok((actor, collect(answers)?))
    }
}

impl<Context> Transaction<Context> {
    fn opened(
        database: Database,
        connection: Pooled,
        opening: Opening,
        scope: Option<TenantScope>,
    ) -> Self {
        Self {
            database,
            connection: Some(connection),
            opening: Mutex::new(Some(opening)),
            ended: AtomicBool::new(false),
            scope,
            once: None,
            keys: None,
            context: PhantomData,
        }
    }

    /// Several statements in one round trip, with the rows of each.
    ///
    /// # Errors
    /// The first statement's that failed; the transaction is then void.
    pub async fn rows<const N: usize>(
        &self,
        statements: [Statement; N],
    ) -> Result<[Vec<QueryResult>; N], Error> {
        let answers = self
            .send(&statements, false)
            .await
            .map_err(crate::error::of)?;
        collect(&answers)
    }

    /// The last statements and COMMIT in one round trip, with the rows of each.
    ///
    /// # Errors
    /// The first statement's that failed; then nothing of the transaction took effect.
    pub async fn finish<const N: usize>(
        self,
        statements: [Statement; N],
    ) -> Result<[Vec<QueryResult>; N], Error> {
        let answers = self
            .send(&statements, true)
            .await
            .map_err(crate::error::of)?;
        collect(&answers)
    }

    /// The last statements, what `read` makes of their rows, and COMMIT. Where the request is to take effect once, `answer`
    /// is kept with what was changed, which costs a round trip more.
    ///
    /// # Errors
    /// The first statement's that failed, or `read`'s; then nothing of the transaction took effect.
    pub async fn finish_answered<const N: usize, T>(
        self,
        statements: [Statement; N],
        read: impl FnOnce([Vec<QueryResult>; N]) -> Result<T, Error>,
        answer: impl FnOnce(&T) -> KeptAnswer,
    ) -> Result<T, Error> {
        let Some(once) = self.once.clone() else {
            return read(self.finish(statements).await?);
        };
        let result = read(self.rows(statements).await?)?;
        let record = idempotency::record(&once, &answer(&result));
        self.finish([record]).await?;
        Ok(result)
    }

    /// The database it is a transaction of.
    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    /// What this transaction encrypts and decrypts with, from here on.
    pub(crate) fn keep_keys(&mut self, keys: TenantKeys) {
        self.keys = Some(keys);
    }

    /// See [`keep_keys`](Self::keep_keys).
    pub(crate) fn keys(&self) -> Result<&TenantKeys, Error> {
        let keys = self.keys.as_ref();
        keys.ok_or_else(|| Error::internal("the transaction has read no keys"))
    }

    /// The request that is to take effect once, from here on.
    pub(crate) fn answers(&mut self, once: Once) {
        self.once = Some(once);
    }

    async fn send(
        &self,
        statements: &[Statement],
        commit: bool,
    ) -> Result<Vec<Answer>, ExchangeError> {
        let opening = self
            .opening
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(connection) = &self.connection else {
            unreachable!("the connection is given back on drop alone");
        };
        let answers = connection
            .exchange(opening.as_ref(), statements, commit)
            .await?;
        self.ended.store(commit, Ordering::Release);
        Ok(answers)
    }

    fn connection(&self) -> Result<&Pooled, Error> {
        self.connection
            .as_ref()
            .ok_or_else(|| crate::error::unavailable("the connection was lost"))
    }
}

/// The rows about the caller, which were asked for first, and the other answers.
fn standing_first(answers: &[Answer]) -> Result<(Vec<QueryResult>, &[Answer]), Error> {
    let (caller, others) = answers
        .split_first()
        .ok_or_else(|| Error::internal("nothing was answered"))?;
    Ok((caller.results().map_err(Error::internal)?, others))
}

pub(super) fn collect<const N: usize>(answers: &[Answer]) -> Result<[Vec<QueryResult>; N], Error> {
    let mut rows = Vec::with_capacity(N);
    for answer in answers {
        rows.push(answer.results().map_err(Error::internal)?);
    }
    let mut rows = rows.into_iter();
    Ok(std::array::from_fn(|_| rows.next().unwrap_or_default()))
}

impl<Context> Drop for Transaction<Context> {
    fn drop(&mut self) {
        let unopened = self
            .opening
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .is_some();
        let Some(connection) = self.connection.take() else {
            return;
        };
        if unopened || self.ended.load(Ordering::Acquire) {
            return;
        }
        // What was queued is still carried out, so ROLLBACK queues behind it, whatever was interrupted.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            drop(Object::take(connection));
            return;
        };
        runtime.spawn(async move {
            let rollback = connection.client.batch_execute("ROLLBACK");
            if !matches!(
                tokio::time::timeout(ROLLBACK_DEADLINE, rollback).await,
                Ok(Ok(()))
            ) {
                drop(Object::take(connection));
            }
        });
    }
}

#[async_trait::async_trait]
impl<Context: Send + Sync> ConnectionTrait for Transaction<Context> {
    fn get_database_backend(&self) -> DbBackend {
        DbBackend::Postgres
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        let answers = self.send(&[statement], false).await.map_err(to_db_err)?;
        let rows_affected = answers.first().map(Answer::affected).unwrap_or_default();
        Ok(ProxyExecResult {
            last_insert_id: 0,
            rows_affected,
        }
        .into())
    }

    async fn execute_unprepared(&self, _: &str) -> Result<ExecResult, DbErr> {
        Err(DbErr::Custom(
            "statements are prepared, so that values never become SQL".to_owned(),
        ))
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        Ok(self.query_all_raw(statement).await?.into_iter().next())
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let answers = self.send(&[statement], false).await.map_err(to_db_err)?;
        answers
            .first()
            .map(Answer::results)
            .unwrap_or(Ok(Vec::new()))
    }
}
