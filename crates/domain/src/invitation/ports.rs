//! What invitations need from outside.

use std::{future::Future, time::Duration};

use uuid::Uuid;

use super::{Invitation, NewInvitation, OpenInvitation};
use crate::{
    Result,
    idempotency::Answer,
    page::{Page, PageRequest},
    policy::Actor,
    ports::SystemTransaction,
    user::{NewUser, User},
};

/// Looks at the invitations of a tenant.
pub trait InvitationReads {
    /// The tenant's invitations, newest first.
    ///
    /// # Errors
    /// `unauthenticated` where the caller is not active any more.
    fn list_invitations(
        &self,
        request: PageRequest,
    ) -> impl Future<Output = Result<(Actor, Page<Invitation>)>> + Send;

    /// The invitation with this id, if the tenant has one.
    ///
    /// # Errors
    /// `unauthenticated` where the caller is not active any more.
    fn invitation(
        &self,
        id: Uuid,
    ) -> impl Future<Output = Result<(Actor, Option<Invitation>)>> + Send;
}

/// Changes the invitations of a tenant.
pub trait InvitationChanges: Sized {
    /// Makes an invitation that can be accepted for `duration`, and commits; `answer` is what a client that asks again is
    /// told.
    ///
    /// # Errors
    /// Fails where the store does not answer.
    fn insert_invitation(
        self,
        actor: &Actor,
        new: NewInvitation,
        token_hash: Vec<u8>,
        duration: Duration,
        answer: impl FnOnce(&Invitation) -> Answer + Send,
    ) -> impl Future<Output = Result<Invitation>> + Send;

    /// The invitation with this id, if the tenant has one. The first call of a transaction.
    ///
    /// # Errors
    /// `unauthenticated` where the caller is not active any more.
    fn find_invitation(
        &mut self,
        id: Uuid,
    ) -> impl Future<Output = Result<(Actor, Option<Invitation>)>> + Send;

    /// Takes an invitation back, and commits.
    ///
    /// # Errors
    /// Fails where the store does not answer.
    fn delete_invitation(self, id: Uuid) -> impl Future<Output = Result<()>> + Send;
}

/// Lets somebody in who is no user yet.
pub trait InvitationAcceptance: SystemTransaction {
    /// The invitation with this token, if it can be accepted, locked until the transaction ends.
    ///
    /// # Errors
    /// Fails where the store does not answer.
    fn lock_open_invitation(
        &self,
        token_hash: Vec<u8>,
    ) -> impl Future<Output = Result<Option<OpenInvitation>>> + Send;

    /// Makes the member who accepts `invitation`, and commits. `answer` is what they are told.
    ///
    /// # Errors
    /// `email_taken` or `username_taken`.
    fn accept_invitation(
        self,
        invitation: &OpenInvitation,
        member: NewUser,
        answer: impl FnOnce(&User) -> Answer + Send,
    ) -> impl Future<Output = Result<User>> + Send;
}
