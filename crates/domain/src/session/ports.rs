//! What signing in needs from outside.

use std::{future::Future, net::IpAddr};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{
    AccessClaims, Applicant, Attempt, Credentials, NewRefreshToken, OwnSession, Session,
    ThrottlePolicy, TokenOwner,
};
use crate::{
    Acting, Credential, Result, TenantId, UserId,
    audit_log::Event,
    idempotency::Answer,
    page::{Page, PageRequest},
    password::Password,
    policy::Actor,
    ports::SystemTransaction,
};

/// Finds who signs in, counts attempts to, and keeps refresh tokens.
pub trait SignIns: SystemTransaction {
    /// Who it is that gives this username or email address, in lower case, from `address`.
    ///
    /// # Errors
    /// Fails where the store does not answer.
    fn find_applicant(
        &self,
        login: &str,
        address: Option<IpAddr>,
    ) -> impl Future<Output = Result<Applicant>> + Send;

    /// Counts an attempt of `applicant` to sign in, and commits.
    ///
    /// # Errors
    /// `too_many_attempts`, with the time after which another is worth it.
    fn count_sign_in(
        self,
        applicant: &Applicant,
        policy: &ThrottlePolicy,
    ) -> impl Future<Output = Result<Attempt>> + Send;

    /// Replaces an outdated hash, unless the password was changed meanwhile.
    ///
    /// # Errors
    /// Fails where the store does not answer.
    fn replace_password_hash(
        &self,
        user: UserId,
        outdated: &str,
        current: String,
    ) -> impl Future<Output = Result<()>> + Send;

    /// Begins a session with its first token, takes back the `attempt` that was none to guess, records `event`, and commits.
    ///
    /// # Errors
    /// Fails where the store does not answer.
    fn begin_session(
        self,
        token: NewRefreshToken,
        attempt: &Attempt,
        event: Event,
    ) -> impl Future<Output = Result<()>> + Send;

    /// Whom a refresh token was given to, however long ago, and commits.
    ///
    /// # Errors
    /// Fails where the store does not answer.
    fn find_token_owner(
        self,
        hash: Vec<u8>,
    ) -> impl Future<Output = Result<Option<TokenOwner>>> + Send;

    /// Uses a refresh token of `user` up, once. Without a session it is not good.
    ///
    /// # Errors
    /// Fails where the store does not answer.
    fn redeem_refresh_token(
        &self,
        hash: Vec<u8>,
        user: UserId,
    ) -> impl Future<Output = Result<(Option<Session>, Option<Credentials>)>> + Send;

    /// Goes on with a session, and commits.
    ///
    /// # Errors
    /// Fails where the store does not answer.
    fn continue_session(self, token: NewRefreshToken) -> impl Future<Output = Result<()>> + Send;

    /// Ends the session of a refresh token that has been used already; which one, if it had not ended before.
    ///
    /// # Errors
    /// Fails where the store does not answer.
    fn end_reused_session(
        &self,
        hash: Vec<u8>,
    ) -> impl Future<Output = Result<Option<Uuid>>> + Send;

    /// Ends the session a token belongs to, if there is one, and commits.
    ///
    /// # Errors
    /// Fails where the store does not answer.
    fn end_session(self, hash: Vec<u8>) -> impl Future<Output = Result<()>> + Send;
}

/// A user's own password and sessions, which belong to nobody's tenant.
pub trait OwnAccount: SystemTransaction {
    /// The sessions of whoever acts, newest first.
    ///
    /// # Errors
    /// `unauthenticated` where the caller is not active any more.
    fn list_sessions(
        &self,
        acting: &Acting,
        credential: &Credential,
        request: PageRequest,
    ) -> impl Future<Output = Result<(Actor, Page<OwnSession>)>> + Send;

    /// Ends one session of a user; whether there was one.
    ///
    /// # Errors
    /// Fails where the store does not answer.
    fn end_session_of(&self, user: UserId, id: Uuid) -> impl Future<Output = Result<bool>> + Send;

    /// Whoever acts, and what their password is compared with.
    ///
    /// # Errors
    /// `unauthenticated` where the caller is not active any more.
    fn own_credentials(
        &self,
        acting: &Acting,
        credential: &Credential,
    ) -> impl Future<Output = Result<(Actor, Credentials)>> + Send;

    /// Counts an attempt to guess the password of a user who is signed in, and commits.
    ///
    /// # Errors
    /// `too_many_attempts`, with the time after which another is worth it.
    fn count_password(
        self,
        user: UserId,
        address: Option<IpAddr>,
        policy: &ThrottlePolicy,
    ) -> impl Future<Output = Result<Attempt>> + Send;

    /// Takes an attempt back that was none to guess.
    ///
    /// # Errors
    /// Fails where the store does not answer.
    fn take_back(&self, attempt: &Attempt) -> impl Future<Output = Result<()>> + Send;

    /// Replaces a user's password, which must still be `outdated`, ends every session but `kept`, and commits. `answer` is
    /// what the client is told.
    ///
    /// # Errors
    /// `password_changed` where it was changed meanwhile.
    fn change_password(
        self,
        user: UserId,
        outdated: &str,
        current: String,
        kept: Option<Uuid>,
        answer: impl FnOnce(&()) -> Answer + Send,
    ) -> impl Future<Output = Result<()>> + Send;
}

/// Issues and verifies access tokens.
pub trait AccessTokens: Send + Sync {
    /// A token for `user`, who has signed in with `session`, and when it expires.
    ///
    /// # Errors
    /// Only for a defect of the library.
    fn issue(
        &self,
        user: UserId,
        tenant: Option<TenantId>,
        session: Uuid,
    ) -> Result<(String, DateTime<Utc>)>;

    /// What `token` says, where it is ours and good.
    ///
    /// # Errors
    /// `unauthenticated`, whatever is wrong with it.
    fn verify(&self, token: &str) -> Result<AccessClaims>;
}

/// Whether a password was right.
#[derive(Debug)]
pub enum Verdict {
    /// It was not, or there was nobody to compare with.
    Wrong,
    /// It was, and its hash is up to date.
    Right,
    /// It was, and its hash should be replaced by this one.
    Outdated(String),
}

/// Hashes and verifies passwords, so many at once as the machine can.
pub trait PasswordHasher: Send + Sync {
    /// The hash to store for `password`, in PHC form.
    ///
    /// # Errors
    /// `busy` where too many wait already.
    fn hash(&self, password: &Password) -> impl Future<Output = Result<String>> + Send;

    /// Whether `password` is the one `stored` was made from. Whatever `stored` is, and without it, this verifies once.
    ///
    /// # Errors
    /// `busy` where too many wait already.
    fn verify(
        &self,
        password: &Password,
        stored: Option<String>,
    ) -> impl Future<Output = Result<Verdict>> + Send;
}
