//! One's own profile: a member's in its tenant, a platform administrator's outside of any.

use domain::{
    Caller, Error, SystemPurpose,
    policy::{Action, Resource, authorise},
    ports::{SystemStore, TenantStore, Transaction as _},
    user::{
        ProfileChange, User,
        ports::{MemberChanges, MemberReads, UserAdministration},
    },
};

/// What somebody does with their own profile.
#[derive(Clone, Debug)]
pub struct Profiles<S> {
    store: S,
}

impl<S> Profiles<S> {
    /// Those in `store`.
    pub fn new(store: S) -> Self {
        Self { store }
    }
}

impl<S> Profiles<S>
where
    S: TenantStore<Read: MemberReads, Transaction: MemberChanges>
        + SystemStore<Transaction: UserAdministration>,
{
    /// The caller.
    ///
    /// # Errors
    /// `unauthenticated` where the caller is not active any more.
    pub async fn read(&self, caller: &Caller) -> Result<User, Error> {
        if caller.tenant.is_none() {
            let (transaction, user) = self.administrator(caller, Action::Read).await?;
            transaction.commit().await?;
            return Ok(user);
        }
        let read = self.store.read(caller.scope()?);
        let (actor, user) = read.user(caller.user).await?;
        authorise(&actor, Action::Read, Resource::Profile(user.id))?;
        Ok(user)
    }

    /// Changes the caller's profile; `change` reads the change against the profile as it is, and refuses a stale one.
    ///
    /// # Errors
    /// `unauthenticated`, `email_taken`, and whatever `change` answers.
    pub async fn update(
        &self,
        caller: &Caller,
        change: impl FnOnce(&User) -> Result<ProfileChange, Error>,
    ) -> Result<User, Error> {
        if caller.tenant.is_none() {
            let (transaction, user) = self.administrator(caller, Action::Update).await?;
            return transaction.update_profile(user.id, change(&user)?).await;
        }
        let mut transaction = self.store.tenant(caller.scope()?).await?;
        let (actor, user) = transaction.lock_user(caller.user).await?;
        authorise(&actor, Action::Update, Resource::Profile(user.id))?;
        transaction.update_profile(user.id, change(&user)?).await
    }

    async fn administrator(
        &self,
        caller: &Caller,
        action: Action,
    ) -> Result<(<S as SystemStore>::Transaction, User), Error> {
        let acting = caller.acting();
        let transaction = self
            .store
            .system(SystemPurpose::Administration, &acting)
            .await?;
        let (actor, user) = transaction.lock_caller(&acting, &caller.credential).await?;
        authorise(&actor, action, Resource::Profile(user.id))?;
        Ok((transaction, user))
    }
}
