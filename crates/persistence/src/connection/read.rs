//! Reads of one tenant: the statements, the caller's context and the check of the caller in one round trip.

use domain::{Acting, Error, TenantScope, policy::Actor};
use postgres_connection::{Answer, Row};
use sea_orm::Statement;

use super::{Database, Opening, Remedy, exchange, next_rows, remedy, rows};
use crate::{
    callers,
    scope::{Context, Role},
};

/// Statements sent again after the session ended or a prepared statement went stale; a read changes nothing.
const ATTEMPTS: usize = 3;

/// Read-only statements in a tenant's context.
///
/// Dropping it, or a future of it, is harmless: nothing is left open that the next exchange would be in.
#[derive(Debug)]
pub struct TenantRead {
    database: Database,
    scope: TenantScope,
}

impl TenantRead {
    pub(crate) fn new(database: Database, scope: TenantScope) -> Self {
        Self { database, scope }
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
    ) -> Result<(Actor, [Vec<Row>; N]), Error> {
        let answers = match &self.scope.inspection {
            None => {
                let TenantScope { tenant, user, .. } = self.scope;
                let opening = Context::reading(Some(tenant), Some(user)).into();
                let mut sent = Vec::with_capacity(N + 1);
                sent.push(callers::of_scope(&self.scope));
                sent.extend(statements);
                self.answers(&opening, &sent).await
            }
            Some(inspection) => {
                let opening = Opening {
                    context: Context::changing(&Acting::from(&self.scope), Role::System),
                    across: Some(callers::of_inspection(&self.scope, inspection)),
                };
                // Sent again after the session ended, it may be recorded twice; never not at all.
                self.answers(&opening, &statements).await
            }
        };
        let mut answers = answers?.into_iter();
        let standing = next_rows(&mut answers);
        let actor = match &self.scope.inspection {
            None => callers::member(&self.scope, &standing)?,
            Some(inspection) => callers::inspector(&self.scope, inspection, &standing)?,
        };
        Ok((actor, rows(answers)))
    }

    async fn answers(
        &self,
        opening: &Opening,
        statements: &[Statement],
    ) -> Result<Vec<Answer>, Error> {
        let mut attempt = 1;
        loop {
            let mut connection = self.database.connection().await?;
            match exchange(&mut connection, Some(opening), statements, true).await {
                Ok(answers) => return Ok(answers),
                Err(error) => match remedy(&error) {
                    Remedy::PrepareAgain if attempt < ATTEMPTS => connection.forget_statements(),
                    Remedy::Reconnect if attempt < ATTEMPTS => connection.discard(),
                    Remedy::None | Remedy::PrepareAgain | Remedy::Reconnect => {
                        return Err(crate::error::of(error));
                    }
                },
            }
            attempt += 1;
        }
    }
}
