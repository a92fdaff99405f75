//! What platform administrators do: they see every user, and decide what each may do.

use domain::{
    Error, Role, UserId,
    policy::{Action, Actor, Resource, authorise},
};
use persistence::{
    Acting, Database, SystemPurpose, SystemTx, User,
    page::{Page, PageRequest},
    sign_in::end_sessions,
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
    let transaction = enter(state, caller, Action::Read).await?;
    let page = transaction.list_users(request).await?;
    transaction.commit().await?;
    Ok(page)
}

/// Changes a user's role, or whether the user may sign in; one who may not has no session any more.
///
/// # Errors
/// `forbidden` for anybody but a platform administrator, `not_found`, `invalid_role` for a role that does not fit whether
/// the user has a tenant, and whatever `check` answers.
pub async fn change_standing(
    state: &State,
    caller: &Caller,
    id: UserId,
    (role, is_active): (Option<Role>, Option<bool>),
    check: impl FnOnce(&User) -> Result<(), Error>,
) -> Result<User, Error> {
    let transaction = enter(state, caller, Action::Update).await?;
    let user = transaction.lock_user(id).await?;
    check(&user)?;
    if role.is_some_and(|role| (role == Role::Admin) != user.tenant.is_none()) {
        return Err(Error::conflict(
            "invalid_role",
            "a platform administrator has no tenant, everybody else has one",
        ));
    }
    if id == caller.user && is_active == Some(false) {
        return Err(Error::conflict(
            "own_account",
            "nobody deactivates their own account",
        ));
    }
    if is_active == Some(false) {
        transaction.rows([end_sessions(id)]).await?;
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

/// A transaction across tenants, for a caller who is an active platform administrator at this moment.
async fn enter(state: &State, caller: &Caller, action: Action) -> Result<SystemTx, Error> {
    let database = &state.database;
    let transaction = database
        .system(SystemPurpose::Administration, &caller.acting())
        .await?;
    let found = transaction.find_credentials_of(caller.user).await?;
    let user = found
        .filter(|found| found.is_active)
        .ok_or_else(Error::unauthenticated)?
        .user;
    let actor = Actor {
        user: user.id,
        role: user.role,
        tenant: user.tenant,
        scopes: None,
    };
    authorise(&actor, action, Resource::PlatformUsers)?;
    Ok(transaction)
}
