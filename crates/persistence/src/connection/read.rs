//! Reads of one tenant: the statements, the caller's context and the check of the caller in one round trip.

use domain::{Acting, Error, SystemPurpose, TenantScope, policy::Actor};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, Statement};

use super::{Database, Opening, Remedy, purpose, remedy, to_db_err};
use crate::{callers, scope};

const BEGIN: &str = "BEGIN READ ONLY";

/// Statements sent again after the session ended or a prepared statement went stale; a read changes nothing.
const ATTEMPTS: usize = 3;

/// Read-only statements in a tenant's context.
///
/// Dropping it, or a future of it, is harmless: COMMIT leaves together with the statements.
#[derive(Debug)]
pub struct TenantRead {
    database: Database,
    scope: TenantScope,
    opening: Opening,
}

impl TenantRead {
    pub(crate) fn new(database: Database, scope: TenantScope) -> Self {
        let opening = Opening {
            begin: BEGIN,
            context: scope::statement(&Acting::from(&scope)),
            across: None,
        };
        Self {
            database,
            scope,
            opening,
        }
    }

    /// The tenant whose rows are visible.
    pub(crate) fn tenant(&self) -> domain::TenantId {
        self.scope.tenant
    }

    /// The rows of each statement and the caller's standing, in one round trip. What a platform administrator reads is
    /// recorded with the first of them, in the same transaction.
    ///
    /// # Errors
    /// `unauthenticated` where the caller, its session or key, or the tenant is not active any more; `network_not_allowed`.
    /// Inside a tenant `forbidden` for anybody but a platform administrator, and `not_found` where there is no such tenant.
    pub async fn fetch<const N: usize>(
        &self,
        statements: [Statement; N],
    ) -> Result<(Actor, [Vec<QueryResult>; N]), Error> {
        let rows = match &self.scope.inspection {
            None => {
                let mut sent = Vec::with_capacity(N + 1);
                sent.push(callers::of_scope(&self.scope));
                sent.extend(statements);
                self.rows(&self.opening, &sent).await
            }
            Some(inspection) => {
                let opening = Opening {
                    begin: purpose::begin(SystemPurpose::Inspection),
                    across: Some(callers::of_inspection(&self.scope, inspection)),
                    ..self.opening.clone()
                };
                // Sent again after the session ended, it may be recorded twice; never not at all.
                self.rows(&opening, &statements).await
            }
        };
        let mut rows = rows.map_err(crate::error::of_query)?.into_iter();
        let standing = rows.next().unwrap_or_default();
        let actor = match &self.scope.inspection {
            None => callers::member(&self.scope, &standing)?,
            Some(inspection) => callers::inspector(&self.scope, inspection, &standing)?,
        };
        Ok((
            actor,
            std::array::from_fn(|_| rows.next().unwrap_or_default()),
        ))
    }

    async fn rows(
        &self,
        opening: &Opening,
        statements: &[Statement],
    ) -> Result<Vec<Vec<QueryResult>>, DbErr> {
        let mut attempt = 1;
        loop {
            let connection = self
                .database
                .connection()
                .await
                .map_err(crate::error::to_db_err)?;
            match connection.exchange(Some(opening), statements, true).await {
                Ok(answers) => return answers.iter().map(super::Answer::results).collect(),
                Err(error) => match remedy(&error) {
                    Remedy::PrepareAgain if attempt < ATTEMPTS => connection.forget_statements(),
                    Remedy::Reconnect if attempt < ATTEMPTS => {
                        drop(deadpool::managed::Object::take(connection));
                    }
                    Remedy::None | Remedy::PrepareAgain | Remedy::Reconnect => {
                        return Err(to_db_err(error));
                    }
                },
            }
            attempt += 1;
        }
    }
}

#[async_trait::async_trait]
impl ConnectionTrait for TenantRead {
    fn get_database_backend(&self) -> DbBackend {
        DbBackend::Postgres
    }

    async fn execute_raw(&self, _: Statement) -> Result<ExecResult, DbErr> {
        Err(DbErr::Custom("a read changes nothing".to_owned()))
    }

    async fn execute_unprepared(&self, _: &str) -> Result<ExecResult, DbErr> {
        Err(DbErr::Custom("a read changes nothing".to_owned()))
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        Ok(self.query_all_raw(statement).await?.into_iter().next())
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let mut rows = self.rows(&self.opening, &[statement]).await?;
        Ok(rows.pop().unwrap_or_default())
    }
}
