//! What platform administrators do: they see every user, and decide what each may do.

use domain::{
    Acting, Caller, Error, Role, SystemPurpose, UserId,
    page::{Page, PageRequest},
    password::Password,
    policy::{Action, Resource, authorise},
    ports::{SystemStore, SystemTransaction, Transaction as _},
    session::ports::PasswordHasher,
    user::{NewUser, User, ports::UserAdministration},
};
use uuid::Uuid;

/// What platform administrators do with users.
#[derive(Clone, Debug)]
pub struct Administration<S> {
    store: S,
}

impl<S> Administration<S> {
    /// Of those in `store`.
    pub fn new(store: S) -> Self {
        Self { store }
    }
}

impl<S: SystemStore<Transaction: UserAdministration>> Administration<S> {
    /// Users of every tenant.
    ///
    /// # Errors
    /// `forbidden` for anybody but a platform administrator.
    pub async fn list_users(
        &self,
        caller: &Caller,
        request: PageRequest,
    ) -> Result<Page<User>, Error> {
        let transaction = enter(&self.store, caller, Action::Read, Resource::PlatformUsers).await?;
        let page = transaction.list_users(request).await?;
        transaction.commit().await?;
        Ok(page)
    }

    /// Changes a user's role, or whether the user may sign in; one who may not has no session any more.
    ///
    /// # Errors
    /// `forbidden` for anybody but a platform administrator, `not_found`, `invalid_role` for a role that does not fit whether
    /// the user has a tenant, `last_administrator`, `own_account`, and whatever `check` answers.
    pub async fn change_standing(
        &self,
        caller: &Caller,
        id: UserId,
        (role, is_active): (Option<Role>, Option<bool>),
        check: impl FnOnce(&User) -> Result<(), Error>,
    ) -> Result<User, Error> {
        let transaction =
            enter(&self.store, caller, Action::Update, Resource::PlatformUsers).await?;
        let administrators = transaction.lock_administrators().await?;
        if !administrators.contains(&caller.user) {
            // Whoever was deactivated while this waited.
            return Err(Error::unauthenticated());
        }
        let member = transaction.lock_user(id).await?;
        let user = member.user.as_ref();
        let user = user.ok_or_else(|| Error::not_found("user"))?;
        check(user)?;
        if role.is_some_and(|role| (role == Role::Admin) != user.tenant.is_none()) {
            return Err(Error::conflict(
                "invalid_role",
                "a platform administrator has no tenant, everybody else has one",
            ));
        }
        ensure_somebody_administers(user, member.other_administrators, (role, is_active))?;
        let is_last = administrators.contains(&id) && administrators.len() == 1;
        if is_last && is_active == Some(false) {
            return Err(last_administrator());
        }
        if id == caller.user && is_active == Some(false) {
            return Err(Error::conflict(
                "own_account",
                "nobody deactivates their own account",
            ));
        }
        transaction.update_standing(id, role, is_active).await
    }
}

/// Makes a platform administrator. Whoever can reach the database this way may do that; see the `admin create` command.
///
/// # Errors
/// `username_taken` or `email_taken`.
pub async fn create_administrator(
    store: &impl SystemStore<Transaction: UserAdministration>,
    passwords: &impl PasswordHasher,
    username: String,
    email: String,
    password: &Password,
) -> Result<User, Error> {
    let administrator = NewUser {
        id: UserId(Uuid::new_v4()),
        email,
        username,
        password_hash: passwords.hash(password).await?,
        first_name: None,
        last_name: None,
        role: Role::Admin,
    };
    let transaction = store
        .system(SystemPurpose::Administration, &Acting::default())
        .await?;
    transaction.insert_administrator(administrator).await
}

/// Refuses to leave a tenant without an active administrator: `user`, one of whose tenant's there are `others` besides, is to
/// have another role, or not to be active any more.
pub(crate) fn ensure_somebody_administers(
    user: &User,
    others: u64,
    (role, is_active): (Option<Role>, Option<bool>),
) -> Result<(), Error> {
    let administers = user.role == Role::TenantAdmin && user.is_active;
    let stays = role.is_none_or(|role| role == Role::TenantAdmin) && is_active != Some(false);
    if administers && !stays && others == 0 {
        return Err(last_administrator());
    }
    Ok(())
}

/// Without an administrator, nobody could make another.
fn last_administrator() -> Error {
    Error::conflict(
        "last_administrator",
        "the last active administrator can't be demoted, deactivated or removed",
    )
}

/// A transaction across tenants, for a caller who may do `action` to what belongs to the platform at this moment.
pub(crate) async fn enter<S: SystemStore>(
    store: &S,
    caller: &Caller,
    action: Action,
    resource: Resource,
) -> Result<S::Transaction, Error> {
    enter_as(store, caller, &caller.acting(), action, resource).await
}

/// As [`enter`], shown in the audit as `acting`, who is the caller.
pub(crate) async fn enter_as<S: SystemStore>(
    store: &S,
    caller: &Caller,
    acting: &Acting,
    action: Action,
    resource: Resource,
) -> Result<S::Transaction, Error> {
    let transaction = store.system(SystemPurpose::Administration, acting).await?;
    let actor = transaction.caller(acting, &caller.credential).await?;
    authorise(&actor, action, resource)?;
    Ok(transaction)
}
