//! The people of a tenant: who they are, what each may do, and taking them out.

use domain::{
    Error, TenantScope, UserId,
    page::{Page, PageRequest},
    policy::{Action, Actor, Resource, authorise, authorise_grant},
    ports::TenantStore,
    user::{
        MemberChange, User,
        ports::{LockedMember, MemberChanges, MemberReads},
    },
};

use crate::administration::ensure_somebody_administers;

/// What is done with the people of a tenant.
#[derive(Clone, Debug)]
pub struct Members<S> {
    store: S,
}

impl<S> Members<S> {
    /// Those in `store`.
    pub fn new(store: S) -> Self {
        Self { store }
    }
}

impl<S: TenantStore<Read: MemberReads, Transaction: MemberChanges>> Members<S> {
    /// The tenant's members.
    ///
    /// # Errors
    /// `forbidden` for anybody but the tenant's administrators.
    pub async fn list(
        &self,
        scope: TenantScope,
        request: PageRequest,
    ) -> Result<Page<User>, Error> {
        let tenant = scope.tenant;
        let (actor, page) = self.store.read(scope).list_members(request).await?;
        authorise(&actor, Action::Read, Resource::Members(tenant))?;
        Ok(page)
    }

    /// One member.
    ///
    /// # Errors
    /// `forbidden`, `not_found`.
    pub async fn read(&self, scope: TenantScope, id: UserId) -> Result<User, Error> {
        let tenant = scope.tenant;
        let (actor, user) = self.store.read(scope).member(id).await?;
        authorise(&actor, Action::Read, Resource::Members(tenant))?;
        user.ok_or_else(|| Error::not_found("user"))
    }

    /// Changes what a member may do; `change` reads the change against the member as it is, and refuses a stale one.
    ///
    /// # Errors
    /// `forbidden`, `not_found`, `last_administrator`, `own_account`, and whatever `change` answers.
    pub async fn update(
        &self,
        scope: TenantScope,
        id: UserId,
        change: impl FnOnce(&User) -> Result<MemberChange, Error>,
    ) -> Result<User, Error> {
        let tenant = scope.tenant;
        let mut transaction = self.store.tenant(scope).await?;
        let (actor, member) = transaction.lock_member(id).await?;
        authorise(&actor, Action::Update, Resource::Members(tenant))?;
        let user = user_of(&member)?;
        let change = change(user)?;
        authorise_grant(&actor, user.role)?;
        if let Some(role) = change.role {
            authorise_grant(&actor, role)?;
        }
        let standing = (change.role, change.is_active);
        ensure_somebody_administers(user, member.other_administrators, standing)?;
        ensure_not_oneself(&actor, id, change.is_active != Some(false))?;
        transaction.update_member(id, change).await
    }

    /// Takes a member out: they can't sign in any more, and nothing but an id says who they were.
    ///
    /// # Errors
    /// `forbidden`, `not_found`, `last_administrator`, `own_account`, and whatever `check` answers.
    pub async fn remove(
        &self,
        scope: TenantScope,
        id: UserId,
        check: impl FnOnce(&User) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let tenant = scope.tenant;
        let mut transaction = self.store.tenant(scope).await?;
        let (actor, member) = transaction.lock_member(id).await?;
        authorise(&actor, Action::Delete, Resource::Members(tenant))?;
        let user = user_of(&member)?;
        check(user)?;
        authorise_grant(&actor, user.role)?;
        let removed = (None, Some(false));
        ensure_somebody_administers(user, member.other_administrators, removed)?;
        ensure_not_oneself(&actor, id, false)?;
        transaction.remove_member(id).await
    }
}

fn user_of(member: &LockedMember) -> Result<&User, Error> {
    member.user.as_ref().ok_or_else(|| Error::not_found("user"))
}

fn ensure_not_oneself(actor: &Actor, id: UserId, stays: bool) -> Result<(), Error> {
    if actor.user == id && !stays {
        let detail = "nobody deactivates or removes their own account";
        return Err(Error::conflict("own_account", detail));
    }
    Ok(())
}
