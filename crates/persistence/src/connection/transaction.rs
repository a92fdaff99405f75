//! Transactions that change something. BEGIN and the context leave with the first statement, COMMIT with the last where
//! the caller knows that it is the last; one that is dropped on the way is rolled back before its connection is used again.

use std::{fmt, marker::PhantomData};

use domain::{
    Acting, Credential, Error, TenantId, TenantScope, UserId,
    idempotency::{Answer as KeptAnswer, Once},
    policy::Actor,
};
use postgres_connection::{Answer, Row};
use sea_orm::Statement;
use tokio::sync::Mutex;

use super::{
    Database, ExchangeError, Opening, Remedy, exchange, next_rows, pool::Pooled, remedy, rows,
};
use crate::{callers, encryption::TenantKeys, idempotency, scope};

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

/// A transaction in a context that can't be changed. One that is dropped before its end leaves nothing behind.
pub struct Transaction<Context> {
    database: Database,
    state: Mutex<State>,
    scope: Option<TenantScope>,
    once: Option<Once>,
    /// The request that is to take effect once, whose key travels with what is asked next.
    unclaimed: Option<Once>,
    keys: Option<TenantKeys>,
    context: PhantomData<Context>,
}

struct State {
    connection: Pooled,
    /// What has not been sent yet.
    opening: Option<Opening>,
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
    ) -> Result<(Actor, [Vec<Row>; N]), Error> {
        let mut sent = Vec::with_capacity(N + 3);
        sent.push(callers::of_scope(self.scope()?));
        let unclaimed = self.unclaimed.take();
        sent.extend(unclaimed.iter().flat_map(idempotency::claiming));
        sent.extend(statements);
        let mut answers = self.first(&sent).await?.into_iter();
        let standing = next_rows(&mut answers);
        let actor = callers::member(self.scope()?, &standing)?;
        if let Some(once) = unclaimed {
            let claimed = rows(answers.by_ref().take(2));
            self.await_key(&once, claimed).await?;
            self.once = Some(once);
        }
        Ok((actor, rows(answers)))
    }

    /// See [`TenantTransaction::begin_once`](domain::ports::TenantTransaction::begin_once).
    pub(crate) fn claims_next(&mut self, once: Option<&Once>) {
        self.unclaimed = once.cloned();
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
        let state = self.state.get_mut();
        let begun = state.opening.clone();
        match state.send(statements, false).await {
            Err(error) if begun.is_some() => match remedy(&error) {
                Remedy::None => return Err(crate::error::of(error)),
                Remedy::PrepareAgain => {
                    state.connection.forget_statements();
                    let recovered = state.connection.recover().await;
                    recovered.map_err(|error| crate::error::of(error.into()))?;
                }
                Remedy::Reconnect => {
                    let another = self.database.connection().await?;
                    std::mem::replace(&mut state.connection, another).discard();
                }
            },
            result => return result.map_err(crate::error::of),
        }
        state.opening = begun;
        let answers = state.send(statements, false).await;
        answers.map_err(crate::error::of)
    }
}

impl SystemTx {
    /// Statements on behalf of somebody who is known, with their standing at this moment, in one round trip.
    ///
    /// # Errors
    /// As [`TenantTx::enter`].
    pub async fn enter<const N: usize>(
        &self,
        acting: &Acting,
        credential: &Credential,
        statements: [Statement; N],
    ) -> Result<(Actor, [Vec<Row>; N]), Error> {
        let user = acting.user.ok_or_else(Error::unauthenticated)?;
        let mut sent = Vec::with_capacity(N + 1);
        sent.push(callers::statement(user, credential));
        sent.extend(statements);
        let mut answers = self.send(&sent, false).await?.into_iter();
        let standing = next_rows(&mut answers);
        let actor = callers::actor(user, &acting.origin, &standing)?;
        Ok((actor, rows(answers)))
    }
}

impl<Context> Transaction<Context> {
    pub(super) fn new(
        database: Database,
        connection: Pooled,
        context: scope::Context,
        scope: Option<TenantScope>,
    ) -> Self {
        Self {
            database,
            state: Mutex::new(State {
                connection,
                opening: Some(context.into()),
            }),
            scope,
            once: None,
            unclaimed: None,
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
    ) -> Result<[Vec<Row>; N], Error> {
        Ok(rows(self.send(&statements, false).await?))
    }

    /// The last statements and COMMIT in one round trip, with the rows of each.
    ///
    /// # Errors
    /// The first statement's that failed; then nothing of the transaction took effect.
    pub async fn finish<const N: usize>(
        self,
        statements: [Statement; N],
    ) -> Result<[Vec<Row>; N], Error> {
        Ok(rows(self.send(&statements, true).await?))
    }

    /// The last statements, what `read` makes of their rows, and COMMIT. Where the request is to take effect once, `answer`
    /// is kept with what was changed, which costs a round trip more.
    ///
    /// # Errors
    /// The first statement's that failed, or `read`'s; then nothing of the transaction took effect.
    pub async fn finish_answered<const N: usize, T>(
        self,
        statements: [Statement; N],
        read: impl FnOnce([Vec<Row>; N]) -> Result<T, Error>,
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

    async fn send(&self, statements: &[Statement], commit: bool) -> Result<Vec<Answer>, Error> {
        if self.unclaimed.is_some() {
            // Only what is entered looks at whose key it is.
            return Err(Error::internal("the request's key was not claimed"));
        }
        let answers = self.state.lock().await.send(statements, commit).await;
        answers.map_err(crate::error::of)
    }
}

impl State {
    async fn send(
        &mut self,
        statements: &[Statement],
        commit: bool,
    ) -> Result<Vec<Answer>, ExchangeError> {
        let opening = self.opening.take();
        exchange(&mut self.connection, opening.as_ref(), statements, commit).await
    }
}
