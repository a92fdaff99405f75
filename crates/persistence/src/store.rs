//! The ways into the database that use cases know: a tenant's transaction, one across tenants, and how each ends.

use domain::{
    Acting, Credential, Error, SystemPurpose, TenantScope,
    audit_log::Event,
    idempotency::{Answer, Once},
    policy::Actor,
    ports::{
        Reachable, Retention, SystemStore, SystemTransaction, TenantStore, TenantTransaction,
        Transaction,
    },
};
use sea_orm::{DbBackend, FromQueryResult, Statement};

use crate::{
    Database, SystemTx, TenantRead, TenantTx, audit, connection,
    idempotency::{self, ClaimKey},
    rows::first,
    throttles,
};

impl TenantStore for Database {
    type Read = TenantRead;
    type Transaction = TenantTx;

    fn read(&self, scope: TenantScope) -> TenantRead {
        TenantRead::new(self.clone(), scope)
    }

    async fn tenant(&self, scope: TenantScope) -> Result<TenantTx, Error> {
        Self::tenant(self, scope).await
    }
}

impl SystemStore for Database {
    type Transaction = SystemTx;

    async fn system(&self, purpose: SystemPurpose, acting: &Acting) -> Result<SystemTx, Error> {
        Self::system(self, purpose, acting).await
    }
}

impl Reachable for Database {
    async fn reach(&self) -> Result<(), Error> {
        self.ping().await
    }
}

impl<Context: Send + Sync> Transaction for connection::Transaction<Context>
where
    Self: ClaimKey,
{
    async fn once(&mut self, once: Option<&Once>) -> Result<(), Error> {
        match once {
            Some(once) => self.claim(once).await,
            None => Ok(()),
        }
    }

    async fn record(self, event: Event) -> Result<(), Error> {
        self.finish([audit::event(event)]).await.map(drop)
    }

    async fn commit(self) -> Result<(), Error> {
        self.finish([]).await.map(drop)
    }
}

impl TenantTransaction for TenantTx {
    async fn caller(&mut self) -> Result<Actor, Error> {
        let (actor, []) = self.enter([]).await?;
        Ok(actor)
    }

    fn begin_once(&mut self, once: Option<&Once>) {
        self.claims_next(once);
    }

    async fn keep_refusal(self, once: &Once, answer: &Answer) -> Result<(), Error> {
        self.keep(once, answer).await
    }
}

impl SystemTransaction for SystemTx {
    async fn caller(&self, acting: &Acting, credential: &Credential) -> Result<Actor, Error> {
        let (actor, []) = self.enter(acting, credential, []).await?;
        Ok(actor)
    }
}

#[derive(FromQueryResult)]
struct Removed {
    total: i64,
}

async fn removed(transaction: SystemTx, statement: Statement) -> Result<u64, Error> {
    let [rows] = transaction.finish([statement]).await?;
    let removed: Option<Removed> = first(&rows)?;
    Ok(removed.map_or(0, |removed| removed.total.unsigned_abs()))
}

impl Retention for SystemTx {
    async fn remove_expired_answers(self) -> Result<u64, Error> {
        removed(self, idempotency::remove_expired()).await
    }

    async fn remove_forgotten_attempts(self) -> Result<u64, Error> {
        let statement = Statement::from_string(DbBackend::Postgres, throttles::EXPIRED);
        removed(self, statement).await
    }
}
