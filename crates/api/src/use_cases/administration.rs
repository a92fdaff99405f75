//! What platform administrators do: they see every user, and decide what each may do.

use domain::{
    Error, Role, UserId,
    policy::{Action, Resource, authorise},
};
use persistence::{
    Acting, Database, SystemPurpose, SystemTx, User,
    page::{Page, PageRequest},
    users::NewUser,
};
use secrecy::SecretString;
use uuid::Uuid;

use crate::{extract::Caller, sign_in::PasswordHasher, state::State};

/// Users of every tenant.
///
/// # Errors
/// `forbidden` for anybody but a platform administrator.
pub async fn list_users(
    state: &State,
    caller: &Caller,
    request: PageRequest,
) -> Result<Page<User>, Error> {
    let transaction = enter(state, caller, Action::Read, Resource::PlatformUsers).await?;
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
    state: &State,
    caller: &Caller,
    id: UserId,
    (role, is_active): (Option<Role>, Option<bool>),
    check: impl FnOnce(&User) -> Result<(), Error>,
) -> Result<User, Error> {
    let transaction = enter(state, caller, Action::Update, Resource::PlatformUsers).await?;
    let administrators = transaction.lock_administrators().await?;
    if !administrators.contains(&caller.user) {
        // Whoever was deactivated while this waited.
        return Err(Error::unauthenticated());
    }
    let user = transaction.lock_user(id).await?;
    check(&user)?;
    if role.is_some_and(|role| (role == Role::Admin) != user.tenant.is_none()) {
        return Err(Error::conflict(
            "invalid_role",
            "a platform administrator has no tenant, everybody else has one",
        ));
    }
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

/// Makes a platform administrator. Whoever can reach the database this way may do that; see the `admin create` command.
///
/// # Errors
/// `username_taken` or `email_taken`.
pub async fn create_administrator(
    database: &Database,
    passwords: &PasswordHasher,
    username: String,
    email: String,
    password: &SecretString,
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
    let transaction = database
        .system(SystemPurpose::Administration, &Acting::default())
        .await?;
    transaction.insert_administrator(administrator).await
}

/// Without an administrator, nobody could make another.
pub(super) fn last_administrator() -> Error {
    Error::conflict(
        "last_administrator",
        "the last active administrator can't be demoted, deactivated or removed",
    )
}

/// A transaction across tenants, for a caller who may do `action` to what belongs to the platform at this moment.
pub(super) async fn enter(
    state: &State,
    caller: &Caller,
    action: Action,
    resource: Resource,
) -> Result<SystemTx, Error> {
    enter_as(state, caller, &caller.acting(), action, resource).await
}

/// As [`enter`], shown in the audit as `acting`, who is the caller.
pub(super) async fn enter_as(
    state: &State,
    caller: &Caller,
    acting: &Acting,
    action: Action,
    resource: Resource,
) -> Result<SystemTx, Error> {
    let database = &state.database;
    let transaction = database
        .system(SystemPurpose::Administration, acting)
        .await?;
    let (actor, []) = transaction.enter(acting, &caller.credential, []).await?;
    authorise(&actor, action, resource)?;
    Ok(transaction)
}
