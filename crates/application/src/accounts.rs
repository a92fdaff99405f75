//! One's own password and signed-in sessions.

use domain::{
    Caller, Credential, Error, SystemPurpose, Violation,
    idempotency::{Answer, Once},
    page::{Page, PageRequest},
    password::Password,
    policy::{Action, Resource, authorise},
    ports::{SystemStore, SystemTransaction as _, Transaction as _},
    session::{
        OwnSession, ThrottlePolicy,
        ports::{OwnAccount, PasswordHasher, Verdict},
    },
};
use uuid::Uuid;

/// What somebody does with how they sign in.
#[derive(Clone, Debug)]
pub struct Accounts<S, H> {
    store: S,
    passwords: H,
    throttle: ThrottlePolicy,
}

impl<S, H> Accounts<S, H> {
    /// Guesses of the current password are put off by `throttle`.
    pub fn new(store: S, passwords: H, throttle: ThrottlePolicy) -> Self {
        Self {
            store,
            passwords,
            throttle,
        }
    }
}

impl<S, H> Accounts<S, H>
where
    S: SystemStore<Transaction: OwnAccount>,
    H: PasswordHasher,
{
    /// The caller's sessions.
    ///
    /// # Errors
    /// `unauthenticated` where the caller is not active any more.
    pub async fn list_sessions(
        &self,
        caller: &Caller,
        request: PageRequest,
    ) -> Result<Page<OwnSession>, Error> {
        let transaction = self.open(caller).await?;
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
    pub async fn end_session(&self, caller: &Caller, id: Uuid) -> Result<(), Error> {
        let transaction = self.open(caller).await?;
        let actor = transaction
            .caller(&caller.acting(), &caller.credential)
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
    /// [`Transaction::once`](domain::ports::Transaction::once).
    pub async fn change_password(
        &self,
        caller: &Caller,
        once: Option<&Once>,
        (current, new): (&Password, &Password),
        answer: impl FnOnce(&()) -> Answer + Send,
    ) -> Result<(), Error> {
        let mut transaction = self.open(caller).await?;
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
        let counting = self.open(caller).await?;
        let attempt = counting
            .count_password(actor.user, address, &self.throttle)
            .await?;
        let stored = credentials.password_hash;
        let verdict = self.passwords.verify(current, Some(stored.clone())).await?;
        if matches!(verdict, Verdict::Wrong) {
            let violation = Violation::new("wrong_password", "is not the current password");
            return Err(Error::invalid(vec![violation.at("/current_password")]));
        }
        let hash = self.passwords.hash(new).await?;
        let mut transaction = self.open(caller).await?;
        transaction.once(once).await?;
        transaction.take_back(&attempt).await?;
        let kept = match caller.credential {
            Credential::Session(session) => Some(session),
            Credential::ApiKey { .. } => None,
        };
        transaction
            .change_password(actor.user, &stored, hash, kept, answer)
            .await
    }

    async fn open(&self, caller: &Caller) -> Result<S::Transaction, Error> {
        let purpose = SystemPurpose::Account;
        self.store.system(purpose, &caller.acting()).await
    }
}
