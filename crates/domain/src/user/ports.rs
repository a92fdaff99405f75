//! What the people of the product need from outside.

use std::future::Future;

use super::{MemberChange, NewUser, ProfileChange, User};
use crate::{
    Acting, Credential, Limits, Plan, Result, Role, UserId,
    idempotency::Answer,
    page::{Page, PageRequest},
    policy::Actor,
    ports::SystemTransaction,
};

/// A member, locked, and how the tenant stands without them.
#[derive(Clone, Debug)]
pub struct LockedMember {
    /// The member, if there is one.
    pub user: Option<User>,
    /// How many active administrators the tenant has besides.
    pub other_administrators: u64,
}

/// Looks at the people of a tenant.
pub trait MemberReads {
    /// The user with this id.
    ///
    /// # Errors
    /// `not_found`.
    fn user(&self, id: UserId) -> impl Future<Output = Result<(Actor, User)>> + Send;

    /// The tenant's members, newest first.
    ///
    /// # Errors
    /// `unauthenticated` where the caller is not active any more.
    fn list_members(
        &self,
        request: PageRequest,
    ) -> impl Future<Output = Result<(Actor, Page<User>)>> + Send;

    /// The member with this id, if the tenant has one.
    ///
    /// # Errors
    /// `unauthenticated` where the caller is not active any more.
    fn member(&self, id: UserId) -> impl Future<Output = Result<(Actor, Option<User>)>> + Send;
}

/// Changes the people of a tenant. What locks is the first call of a transaction.
pub trait MemberChanges: Sized {
    /// The user with this id, locked until the transaction ends.
    ///
    /// # Errors
    /// `not_found`.
    fn lock_user(&mut self, id: UserId) -> impl Future<Output = Result<(Actor, User)>> + Send;

    /// Changes a user's profile, and commits.
    ///
    /// # Errors
    /// `email_taken`.
    fn update_profile(
        self,
        id: UserId,
        change: ProfileChange,
    ) -> impl Future<Output = Result<User>> + Send;

    /// The member with this id, locked until the transaction ends together with who administers the tenant.
    ///
    /// # Errors
    /// `unauthenticated` where the caller is not active any more.
    fn lock_member(
        &mut self,
        id: UserId,
    ) -> impl Future<Output = Result<(Actor, LockedMember)>> + Send;

    /// Changes what a member may do, and commits.
    ///
    /// # Errors
    /// Fails where the store does not answer.
    fn update_member(
        self,
        id: UserId,
        change: MemberChange,
    ) -> impl Future<Output = Result<User>> + Send;

    /// Takes a member's access and everything that says who it was, and commits.
    ///
    /// # Errors
    /// Fails where the store does not answer.
    fn remove_member(self, id: UserId) -> impl Future<Output = Result<()>> + Send;
}

/// Makes a tenant with its first user.
pub trait Registering: SystemTransaction {
    /// Makes a tenant with a subscription and its first user, and commits: one round trip. `answer` is what the user is told.
    ///
    /// # Errors
    /// `email_taken`, `username_taken`, or `slug_taken`, on which another slug can be tried.
    fn register(
        self,
        tenant_name: &str,
        slug: &str,
        limits: (Plan, Limits),
        user: NewUser,
        answer: impl FnOnce(&User) -> Answer + Send,
    ) -> impl Future<Output = Result<User>> + Send;
}

/// What platform administrators do with users.
pub trait UserAdministration: SystemTransaction {
    /// Users of every tenant, newest first.
    ///
    /// # Errors
    /// Fails where the store does not answer.
    fn list_users(&self, request: PageRequest) -> impl Future<Output = Result<Page<User>>> + Send;

    /// The user with this id, of any tenant, locked until the transaction ends together with who administers that tenant: the
    /// lock is the one that the tenant's own administrators take. The system user is nobody's to change.
    ///
    /// # Errors
    /// Fails where the store does not answer.
    fn lock_user(&self, id: UserId) -> impl Future<Output = Result<LockedMember>> + Send;

    /// The active platform administrators, locked until the transaction ends, so that the last one is known to be that.
    ///
    /// # Errors
    /// Fails where the store does not answer.
    fn lock_administrators(&self) -> impl Future<Output = Result<Vec<UserId>>> + Send;

    /// Changes what a user may do, and commits.
    ///
    /// # Errors
    /// `not_found`.
    fn update_standing(
        self,
        id: UserId,
        role: Option<Role>,
        is_active: Option<bool>,
    ) -> impl Future<Output = Result<User>> + Send;

    /// Makes a platform administrator, who belongs to no tenant, and commits.
    ///
    /// # Errors
    /// `email_taken` or `username_taken`.
    fn insert_administrator(
        self,
        administrator: NewUser,
    ) -> impl Future<Output = Result<User>> + Send;

    /// Whoever acts, locked until the transaction ends.
    ///
    /// # Errors
    /// `unauthenticated` where the caller is not active any more.
    fn lock_caller(
        &self,
        acting: &Acting,
        credential: &Credential,
    ) -> impl Future<Output = Result<(Actor, User)>> + Send;

    /// Changes the profile of a user without a tenant, and commits.
    ///
    /// # Errors
    /// `email_taken`.
    fn update_profile(
        self,
        id: UserId,
        change: ProfileChange,
    ) -> impl Future<Output = Result<User>> + Send;
}
