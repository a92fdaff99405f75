//! One's own profile: a member's in its tenant, a platform administrator's outside of any.

use domain::{
    Error,
    policy::{Action, Resource, authorise},
    user::ProfileChange,
};
use persistence::{SystemPurpose, SystemTx, User};

use crate::{extract::Caller, state::State};

/// The caller.
///
/// # Errors
/// `unauthenticated` where the caller is not active any more.
pub async fn read(state: &State, caller: &Caller) -> Result<User, Error> {
    if caller.tenant.is_none() {
        let (transaction, user) = administrator(state, caller, Action::Read).await?;
        transaction.commit().await?;
        return Ok(user);
    }
    let read = state.database.read(caller.scope()?);
    let (actor, user) = read.user(caller.user).await?;
    authorise(&actor, Action::Read, Resource::Profile(user.id))?;
    Ok(user)
}

/// Changes the caller's profile; `change` reads the change against the profile as it is, and refuses a stale one.
///
/// # Errors
/// `unauthenticated`, `email_taken`, and whatever `change` answers.
pub async fn update(
    state: &State,
    caller: &Caller,
    change: impl FnOnce(&User) -> Result<ProfileChange, Error>,
) -> Result<User, Error> {
    if caller.tenant.is_none() {
        let (transaction, user) = administrator(state, caller, Action::Update).await?;
        return transaction.update_profile(user.id, change(&user)?).await;
    }
    let mut transaction = state.database.tenant(caller.scope()?).await?;
    let (actor, user) = transaction.lock_user(caller.user).await?;
    authorise(&actor, Action::Update, Resource::Profile(user.id))?;
    transaction.update_profile(user.id, change(&user)?).await
}

async fn administrator(
    state: &State,
    caller: &Caller,
    action: Action,
) -> Result<(SystemTx, User), Error> {
    let transaction = state
        .database
        .system(SystemPurpose::Administration, &caller.acting())
        .await?;
    let (actor, user) = transaction
        .lock_caller(&caller.acting(), &caller.credential)
        .await?;
    authorise(&actor, action, Resource::Profile(user.id))?;
    Ok((transaction, user))
}
