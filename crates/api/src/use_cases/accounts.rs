//! One's own password and signed-in sessions.

use domain::{
    Error, Violation,
    password::Password,
    policy::{Action, Resource, authorise},
};
use persistence::{
    Credential, SystemPurpose, SystemTx,
    idempotency::{Answer, Once},
    page::{Page, PageRequest},
    sessions::OwnSession,
    throttles,
};
use secrecy::SecretString;

use crate::{extract::Caller, sign_in::Verdict, state::State};

/// The caller's sessions.
///
/// # Errors
/// `unauthenticated` where the caller is not active any more.
pub async fn list_sessions(
    state: &State,
    caller: &Caller,
    request: PageRequest,
) -> Result<Page<OwnSession>, Error> {
    let transaction = open(state, caller).await?;
    let (actor, page) = transaction
        .list_sessions(&caller.acting(), &caller.credential, request)
        .await?;
    transaction.commit().await?;
    authorise(&actor, Action::Read, Resource::Sessions(actor.user))?;
    Ok(page)
}

/// Ends one of the caller's sessions, also the one that is used.
///
/// # Errors
/// `not_found`, also for somebody else's.
pub async fn end_session(state: &State, caller: &Caller, id: uuid::Uuid) -> Result<(), Error> {
    let transaction = open(state, caller).await?;
    let (actor, []) = transaction
        .enter(&caller.acting(), &caller.credential, [])
        .await?;
    authorise(&actor, Action::Delete, Resource::Sessions(actor.user))?;
    if !transaction.end_session_of(actor.user, id).await? {
        return Err(Error::not_found("session"));
    }
    transaction.commit().await
}

/// Changes the caller's password and ends every other session. Wrong guesses of the current one are put off like sign-ins.
///
/// # Errors
/// `validation_failed` for a wrong current password or a new one that is not allowed, `too_many_attempts`, and those of
/// [`SystemTx::once`].
pub async fn change_password(
    state: &State,
    caller: &Caller,
    once: Option<&Once>,
    (current, new): (&Password, &Password),
    answer: impl FnOnce(&()) -> Answer,
) -> Result<(), Error> {
    let mut transaction = open(state, caller).await?;
    transaction.once(once).await?;
    let (actor, credentials) = transaction
        .own_credentials(&caller.acting(), &caller.credential)
        .await?;
    authorise(&actor, Action::Update, Resource::Password(actor.user))?;
    transaction.commit().await?;
    let user = &credentials.user;
    let names = [user.username.as_str(), user.email.as_str()];
    let names: Vec<_> = names
        .into_iter()
        .chain(credentials.tenant_name.as_deref())
        .collect();
    new.ensure_none_of(&names)
        .map_err(|refused| Error::invalid(vec![refused.at("/new_password")]))?;

    let address = caller.origin.ip_address;
    let counting = open(state, caller).await?;
    let attempt = counting
        .count_password(actor.user, address, &state.throttle)
        .await?;
    let stored = credentials.password_hash;
    let typed = SecretString::from(current.expose());
    let verdict = state.passwords.verify(&typed, Some(stored.clone())).await?;
    if matches!(verdict, Verdict::Wrong) {
        let violation = Violation::new("wrong_password", "is not the current password");
        return Err(Error::invalid(vec![violation.at("/current_password")]));
    }
    let hash = state.passwords.hash(&new.expose().into()).await?;
    let mut transaction = open(state, caller).await?;
    transaction.once(once).await?;
    transaction.rows([throttles::take_back(&attempt)]).await?;
    let kept = match caller.credential {
        Credential::Session(session) => Some(session),
        Credential::ApiKey { .. } => None,
    };
    transaction
        .change_password(actor.user, &stored, hash, kept, answer)
        .await
}

async fn open(state: &State, caller: &Caller) -> Result<SystemTx, Error> {
    let purpose = SystemPurpose::Account;
    state.database.system(purpose, &caller.acting()).await
}
