//! Signing in, staying signed in, signing out.

use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::{
    Acting, Error, ErrorKind, Origin, SystemPurpose,
    audit_log::Event,
    password::Password,
    ports::{SystemStore, Transaction as _},
    session::{
        Credentials, NewRefreshToken, Session, ThrottlePolicy,
        ports::{AccessTokens, PasswordHasher, SignIns, Verdict},
    },
    user::User,
};
use serde_json::json;
use uuid::Uuid;

use crate::{OneTimeToken, refusals::answered_alike};

/// What somebody does to be known.
#[derive(Clone, Debug)]
pub struct Sessions<S, H, T> {
    store: S,
    passwords: H,
    access_tokens: T,
    settings: SessionSettings,
}

/// How people sign in.
#[derive(Clone, Debug)]
pub struct SessionSettings {
    /// How long a session lasts without being used.
    pub refresh_duration: Duration,
    /// A refused sign-in is answered no sooner.
    pub refusal_time: Duration,
    /// How attempts to sign in are put off.
    pub throttle: ThrottlePolicy,
}

/// Somebody who has just signed in.
#[derive(Debug)]
pub struct SignedIn {
    /// Who it is.
    pub user: User,
    /// A JWT, for the next minutes.
    pub access_token: String,
    /// When the access token expires.
    pub expires_at: DateTime<Utc>,
    /// For a new access token, once.
    pub refresh_token: OneTimeToken,
}

impl<S, H, T> Sessions<S, H, T> {
    /// Passwords are verified by `passwords`, access tokens issued by `access_tokens`.
    pub fn new(store: S, passwords: H, access_tokens: T, settings: SessionSettings) -> Self {
        Self {
            store,
            passwords,
            access_tokens,
            settings,
        }
    }
}

impl<S, H, T> Sessions<S, H, T>
where
    S: SystemStore<Transaction: SignIns>,
    H: PasswordHasher,
    T: AccessTokens,
{
    /// Signs somebody in. Unknown user, wrong password and inactive user are answered alike, after the same time.
    ///
    /// # Errors
    /// `invalid_credentials`.
    pub async fn login(
        &self,
        origin: Origin,
        login: &str,
        password: &Password,
    ) -> Result<SignedIn, Error> {
        answered_alike(
            self.settings.refusal_time,
            self.attempt(origin, login, password),
        )
        .await
    }

    async fn attempt(
        &self,
        origin: Origin,
        login: &str,
        password: &Password,
    ) -> Result<SignedIn, Error> {
        let refused = || {
            Error::new(
                ErrorKind::Unauthenticated,
                "invalid_credentials",
                "username or password is wrong",
            )
        };
        let nobody = Acting::nobody(origin.clone());
        let store = &self.store;
        let login = login.to_lowercase();
        let lookup = store.system(SystemPurpose::SignIn, &nobody).await?;
        let applicant = lookup.find_applicant(&login, origin.ip_address).await?;
        lookup.commit().await?;
        // Counted before anything is verified, so that guesses made at the same time count as well.
        let counting = store.system(SystemPurpose::SignIn, &nobody).await?;
        let counted = counting
            .count_sign_in(&applicant, &self.settings.throttle)
            .await;
        let attempt = counted.inspect_err(|_| count("throttled"))?;
        let found = applicant.credentials;
        let stored = found
            .as_ref()
            .map(|credentials| credentials.password_hash.clone());
        let verdict = self.passwords.verify(password, stored).await?;
        let acting = match &found {
            Some(found) => Acting::user(found.user.id, found.user.tenant, origin.clone()),
            None => nobody,
        };
        let transaction = store.system(SystemPurpose::SignIn, &acting).await?;
        let (credentials, replacement) = match (found, verdict) {
            (Some(found), Verdict::Right) if found.is_active => (found, None),
            (Some(found), Verdict::Outdated(hash)) if found.is_active => (found, Some(hash)),
            (found, _) => {
                let resource = found.map(|found| format!("users/{}", found.user.id));
                let event = Event::new(
                    "user.login_refused",
                    resource.unwrap_or_else(|| "users".to_owned()),
                    json!({}),
                );
                transaction.record(event).await?;
                count("refused");
                return Err(refused());
            }
        };
        count("succeeded");
        if let Some(hash) = replacement {
            transaction
                .replace_password_hash(credentials.user.id, &credentials.password_hash, hash)
                .await?;
        }
        let session = Session {
            family_id: Uuid::new_v4(),
            user: credentials.user.id,
            signed_in_at: Utc::now(),
        };
        let event = Event::new(
            "user.login",
            format!("users/{}", credentials.user.id),
            json!({"session": session.family_id}),
        );
        let (refresh_token, kept) = self.refresh_token(session, origin);
        transaction.begin_session(kept, &attempt, event).await?;
        self.signed_in(session, credentials, refresh_token)
    }

    /// Exchanges a refresh token for a new pair. One that was used before ends its session.
    ///
    /// # Errors
    /// `invalid_refresh_token`.
    pub async fn refresh(&self, origin: Origin, token: OneTimeToken) -> Result<SignedIn, Error> {
        let refused = || {
            Error::new(
                ErrorKind::Unauthenticated,
                "invalid_refresh_token",
                "sign in again",
            )
        };
        let store = &self.store;
        let nobody = Acting::nobody(origin.clone());
        let lookup = store.system(SystemPurpose::SignIn, &nobody).await?;
        let owner = lookup.find_token_owner(token.hash()).await?;
        let owner = owner.ok_or_else(refused)?;
        let acting = Acting::user(owner.user, owner.tenant, origin.clone());
        let transaction = store.system(SystemPurpose::SignIn, &acting).await?;
        let redeemed = transaction
            .redeem_refresh_token(token.hash(), owner.user)
            .await?;
        match redeemed {
            (Some(session), Some(credentials)) if credentials.is_active => {
                let (refresh_token, kept) = self.refresh_token(session, origin);
                transaction.continue_session(kept).await?;
                self.signed_in(session, credentials, refresh_token)
            }
            // Whoever was deactivated has lost every session; a suspended tenant is resumed, and its members go on then. So the
            // token is not used up: the transaction is dropped.
            (Some(_), _) => Err(refused()),
            (None, _) => {
                end_reused(transaction, &token).await?;
                Err(refused())
            }
        }
    }

    /// Ends the session a refresh token belongs to. An unknown one has none.
    ///
    /// # Errors
    /// Fails where the store does not answer.
    pub async fn logout(&self, origin: Origin, token: &OneTimeToken) -> Result<(), Error> {
        let nobody = Acting::nobody(origin);
        let transaction = self.store.system(SystemPurpose::SignIn, &nobody).await?;
        transaction.end_session(token.hash()).await
    }

    /// The session's next token, as its owner gets it and as it is kept.
    fn refresh_token(&self, session: Session, origin: Origin) -> (OneTimeToken, NewRefreshToken) {
        let token = OneTimeToken::generate();
        let kept = NewRefreshToken {
            session,
            hash: token.hash(),
            expires_at: Utc::now() + self.settings.refresh_duration,
            origin,
        };
        (token, kept)
    }

    fn signed_in(
        &self,
        session: Session,
        credentials: Credentials,
        refresh_token: OneTimeToken,
    ) -> Result<SignedIn, Error> {
        let user = credentials.user;
        let (access_token, expires_at) =
            self.access_tokens
                .issue(user.id, user.tenant, session.family_id)?;
        Ok(SignedIn {
            user,
            access_token,
            expires_at,
            refresh_token,
        })
    }
}

fn count(result: &'static str) {
    metrics::counter!("nomad_services_sign_ins_total", "result" => result).increment(1);
}

/// Whoever presents a used token, or whoever used it, has stolen it: the session of both ends.
async fn end_reused(transaction: impl SignIns, token: &OneTimeToken) -> Result<(), Error> {
    let Some(session) = transaction.end_reused_session(token.hash()).await? else {
        return transaction.commit().await;
    };
    let resource = format!("sessions/{session}");
    let event = Event::new("session.reuse_detected", resource, json!({}));
    transaction.record(event).await?;
    metrics::counter!("nomad_services_session_reuses_total").increment(1);
    tracing::warn!(%session, "a refresh token was used twice; its session has ended");
    Ok(())
}
