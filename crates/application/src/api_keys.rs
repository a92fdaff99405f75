//! API keys of a tenant. A key is told once, in clear text, and stored as a hash.

use std::time::Duration;

use domain::{
    Error, TenantScope,
    api_key::{
        ApiKey, ApiKeyChange, ApiKeyText, NewApiKey,
        ports::{ApiKeyChanges, ApiKeyReads},
    },
    idempotency::{Answer, Once},
    page::{Page, PageRequest},
    policy::{Action, Actor, Resource, authorise, may_grant_scopes},
    ports::{TenantStore, TenantTransaction as _, Transaction as _},
};
use uuid::Uuid;

use crate::key_text;

/// What is done with API keys.
#[derive(Clone, Debug)]
pub struct ApiKeys<S> {
    store: S,
    rotation_overlap: Duration,
}

impl<S> ApiKeys<S> {
    /// A key still works for `rotation_overlap` after it was rotated.
    pub fn new(store: S, rotation_overlap: Duration) -> Self {
        Self {
            store,
            rotation_overlap,
        }
    }
}

/// A key that was just made, and its text.
#[derive(Debug)]
pub struct NamedKey {
    /// What is kept of it.
    pub key: ApiKey,
    /// The key itself, told now and never again.
    pub text: ApiKeyText,
}

impl<S: TenantStore<Read: ApiKeyReads, Transaction: ApiKeyChanges>> ApiKeys<S> {
    /// The tenant's keys.
    ///
    /// # Errors
    /// `forbidden` for anybody but the tenant's administrators.
    pub async fn list(
        &self,
        scope: TenantScope,
        request: PageRequest,
    ) -> Result<Page<ApiKey>, Error> {
        let tenant = scope.tenant;
        let (actor, page) = self.store.read(scope).list_api_keys(request).await?;
        authorise(&actor, Action::Read, Resource::ApiKeys(tenant))?;
        Ok(page)
    }

    /// One key.
    ///
    /// # Errors
    /// `forbidden`, `not_found`.
    pub async fn read(&self, scope: TenantScope, id: Uuid) -> Result<ApiKey, Error> {
        let tenant = scope.tenant;
        let (actor, key) = self.store.read(scope).api_key(id).await?;
        authorise(&actor, Action::Read, Resource::ApiKeys(tenant))?;
        found(key)
    }

    /// Makes a key of the caller's own; `answer` is what a client that asks again is told, without the key.
    ///
    /// # Errors
    /// `forbidden`, also for scopes that the caller lacks, and those of [`Transaction::once`](domain::ports::Transaction::once).
    pub async fn create(
        &self,
        scope: TenantScope,
        once: Option<&Once>,
        new: NewApiKey,
        answer: impl FnOnce(&ApiKey) -> Answer + Send,
    ) -> Result<NamedKey, Error> {
        let tenant = scope.tenant;
        let mut transaction = self.store.tenant(scope).await?;
        transaction.begin_once(once);
        let actor = transaction.caller().await?;
        authorise(&actor, Action::Create, Resource::ApiKeys(tenant))?;
        ensure_may_grant(&actor, new.scopes)?;
        let text = key_text::generate();
        let key = transaction
            .insert_api_key(&actor, new, key_text::stored(&text), answer)
            .await?;
        Ok(NamedKey { key, text })
    }

    /// Changes a key; `change` reads the change against the key as it is, and refuses a stale one.
    ///
    /// # Errors
    /// `forbidden`, `not_found`, `api_key_revoked`, and whatever `change` answers.
    pub async fn update(
        &self,
        scope: TenantScope,
        id: Uuid,
        change: impl FnOnce(&ApiKey) -> Result<ApiKeyChange, Error>,
    ) -> Result<ApiKey, Error> {
        let tenant = scope.tenant;
        let mut transaction = self.store.tenant(scope).await?;
        let (actor, key) = transaction.lock_api_key(id).await?;
        authorise(&actor, Action::Update, Resource::ApiKeys(tenant))?;
        let key = found(key)?;
        let change = change(&key)?;
        ensure_active(&key)?;
        if let Some(scopes) = change.scopes {
            ensure_may_grant(&actor, scopes)?;
        }
        transaction.update_api_key(id, change).await
    }

    /// Gives a key of the caller's own another text; what it was works for a while.
    ///
    /// # Errors
    /// `forbidden`, also for somebody else's key, whose text would let the caller act in their name; `not_found`,
    /// `api_key_revoked`, and those of [`Transaction::once`](domain::ports::Transaction::once).
    pub async fn rotate(
        &self,
        scope: TenantScope,
        once: Option<&Once>,
        id: Uuid,
        answer: impl FnOnce(&ApiKey) -> Answer + Send,
    ) -> Result<NamedKey, Error> {
        let tenant = scope.tenant;
        let mut transaction = self.store.tenant(scope).await?;
        transaction.begin_once(once);
        let (actor, key) = transaction.lock_api_key(id).await?;
        authorise(&actor, Action::Update, Resource::ApiKeys(tenant))?;
        let key = found(key)?;
        if key.owner != actor.user {
            let detail = "only its owner rotates a key: whoever has its text acts in their name";
            return Err(Error::forbidden(detail));
        }
        ensure_active(&key)?;
        let text = key_text::generate();
        let key = transaction
            .rotate_api_key(id, key_text::stored(&text), self.rotation_overlap, answer)
            .await?;
        Ok(NamedKey { key, text })
    }

    /// Ends a key, what it was before its rotation included.
    ///
    /// # Errors
    /// `forbidden`, `not_found`, and whatever `check` answers.
    pub async fn revoke(
        &self,
        scope: TenantScope,
        id: Uuid,
        check: impl FnOnce(&ApiKey) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let tenant = scope.tenant;
        let mut transaction = self.store.tenant(scope).await?;
        let (actor, key) = transaction.lock_api_key(id).await?;
        authorise(&actor, Action::Delete, Resource::ApiKeys(tenant))?;
        let key = found(key)?;
        check(&key)?;
        if !key.is_active {
            return transaction.commit().await;
        }
        transaction.revoke_api_key(id).await
    }
}

fn found(key: Option<ApiKey>) -> Result<ApiKey, Error> {
    key.ok_or_else(|| Error::not_found("API key"))
}

fn ensure_active(key: &ApiKey) -> Result<(), Error> {
    if key.is_active {
        return Ok(());
    }
    let detail = "this API key was revoked, which can't be taken back; make a new one";
    Err(Error::conflict("api_key_revoked", detail))
}

fn ensure_may_grant(actor: &Actor, scopes: domain::Scopes) -> Result<(), Error> {
    if may_grant_scopes(actor, scopes) {
        return Ok(());
    }
    let detail = "an API key makes no key with a scope that it lacks";
    Err(Error::forbidden(detail))
}
