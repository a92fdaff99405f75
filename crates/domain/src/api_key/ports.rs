//! What API keys need from outside.

use std::{future::Future, time::Duration};

use uuid::Uuid;

use super::{ApiKey, ApiKeyChange, KeyOwner, NewApiKey};
use crate::{
    Result,
    idempotency::Answer,
    page::{Page, PageRequest},
    policy::Actor,
    ports::SystemTransaction,
};

/// Looks at the keys of a tenant.
pub trait ApiKeyReads {
    /// The tenant's keys, newest first.
    ///
    /// # Errors
    /// `unauthenticated` where the caller is not active any more.
    fn list_api_keys(
        &self,
        request: PageRequest,
    ) -> impl Future<Output = Result<(Actor, Page<ApiKey>)>> + Send;

    /// The key with this id, if the tenant has one.
    ///
    /// # Errors
    /// `unauthenticated` where the caller is not active any more.
    fn api_key(&self, id: Uuid) -> impl Future<Output = Result<(Actor, Option<ApiKey>)>> + Send;
}

/// Changes the keys of a tenant. `stored` is the form in which a key is kept: it is found by this, and can't be made from it.
pub trait ApiKeyChanges: Sized {
    /// The key with this id, if the tenant has one, locked until the transaction ends. The first call of a transaction.
    ///
    /// # Errors
    /// `unauthenticated` where the caller is not active any more.
    fn lock_api_key(
        &mut self,
        id: Uuid,
    ) -> impl Future<Output = Result<(Actor, Option<ApiKey>)>> + Send;

    /// Makes a key of the actor's, and commits; `answer` is what a client that asks again is told.
    ///
    /// # Errors
    /// Fails where the store does not answer.
    fn insert_api_key(
        self,
        actor: &Actor,
        new: NewApiKey,
        stored: String,
        answer: impl FnOnce(&ApiKey) -> Answer + Send,
    ) -> impl Future<Output = Result<ApiKey>> + Send;

    /// Changes a key, and commits.
    ///
    /// # Errors
    /// Fails where the store does not answer.
    fn update_api_key(
        self,
        id: Uuid,
        change: ApiKeyChange,
    ) -> impl Future<Output = Result<ApiKey>> + Send;

    /// Gives a key another text, and commits; what it was works for `overlap`. `answer` is what a client that asks again is
    /// told.
    ///
    /// # Errors
    /// Fails where the store does not answer.
    fn rotate_api_key(
        self,
        id: Uuid,
        stored: String,
        overlap: Duration,
        answer: impl FnOnce(&ApiKey) -> Answer + Send,
    ) -> impl Future<Output = Result<ApiKey>> + Send;

    /// Ends a key and what it was before its rotation, and commits.
    ///
    /// # Errors
    /// Fails where the store does not answer.
    fn revoke_api_key(self, id: Uuid) -> impl Future<Output = Result<()>> + Send;
}

/// Finds whose key is shown, before its tenant is known.
pub trait KeyOwners: SystemTransaction {
    /// Whose key this is, in its stored form, and commits; notes that it is used unless that was noted within `pause`.
    ///
    /// # Errors
    /// Fails where the store does not answer.
    fn find_key_owner(
        self,
        stored: &str,
        pause: Duration,
    ) -> impl Future<Output = Result<Option<KeyOwner>>> + Send;
}
