//! Registering, signing in, staying signed in, signing out.

use chrono::{DateTime, Utc};
use domain::{Error, ErrorKind, Plan, Role, UserId, tenant, user::Registration};
use persistence::{
    Acting, Origin, Statement, SystemPurpose, SystemTx, User, audit,
    idempotency::{Answer, Once},
    sign_in::{self, Credentials, Session},
    throttles,
    users::NewUser,
};
use secrecy::SecretString;
use serde_json::json;
use uuid::Uuid;

use crate::{
    sign_in::{OneTimeToken, Verdict, answered_alike},
    state::State,
};

/// How often another slug is tried where one is taken.
const SLUGS: usize = 5;

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

/// Makes a tenant with its first user, who administers it; `answer` is what the user is told, kept where the request is to
/// take effect once.
///
/// # Errors
/// `email_taken`, `username_taken`, and those of [`SystemTx::once`].
pub async fn register(
    state: &State,
    origin: Origin,
    once: Option<&Once>,
    registration: Registration,
    answer: impl Fn(&User) -> Answer,
) -> Result<User, Error> {
    let password_hash = state
        .passwords
        .hash(&registration.password.expose().into())
        .await?;
    let tenant_name = registration.derived_tenant_name();
    let new = NewUser {
        id: UserId(Uuid::new_v4()),
        email: registration.email,
        username: registration.username,
        password_hash,
        first_name: registration.first_name,
        last_name: registration.last_name,
        role: Role::TenantAdmin,
    };
    let acting = Acting::user(new.id, None, origin);
    let limits = (Plan::Free, state.limits(Plan::Free));
    let mut slug = tenant::slug(&tenant_name);
    for _ in 0..SLUGS {
        let mut transaction = state
            .database
            .system(SystemPurpose::Registration, &acting)
            .await?;
        transaction.once(once).await?;
        match transaction
            .register(&tenant_name, &slug, limits, new.clone(), &answer)
            .await
        {
            Err(error) if error.code() == "slug_taken" => {
                let suffix: String = Uuid::new_v4()
                    .simple()
                    .to_string()
                    .chars()
                    .take(6)
                    .collect();
                slug = tenant::slug_with_suffix(&tenant_name, &suffix);
            }
            result => return result,
        }
    }
    Err(Error::conflict(
        "slug_taken",
        "no free slug was found for this tenant name",
    ))
}

/// Signs somebody in. Unknown user, wrong password and inactive user are answered alike, after the same time.
///
/// # Errors
/// `invalid_credentials`.
pub async fn login(
    state: &State,
    origin: Origin,
    login: &str,
    password: SecretString,
) -> Result<SignedIn, Error> {
    answered_alike(state.refusal_time, attempt(state, origin, login, password)).await
}

async fn attempt(
    state: &State,
    origin: Origin,
    login: &str,
    password: SecretString,
) -> Result<SignedIn, Error> {
    let refused = || {
        Error::new(
            ErrorKind::Unauthenticated,
            "invalid_credentials",
            "username or password is wrong",
        )
    };
    let nobody = Acting::nobody(origin.clone());
    let database = &state.database;
    let login = login.to_lowercase();
    let lookup = database.system(SystemPurpose::SignIn, &nobody).await?;
    let applicant = lookup.find_applicant(&login, origin.ip_address).await?;
    lookup.commit().await?;
    // Counted before anything is verified, so that guesses made at the same time count as well.
    let counting = database.system(SystemPurpose::SignIn, &nobody).await?;
    let counted = counting.count_sign_in(&applicant, &state.throttle).await;
    let attempt = counted.inspect_err(|_| count("throttled"))?;
    let found = applicant.credentials;
    let stored = found
        .as_ref()
        .map(|credentials| credentials.password_hash.clone());
    let verdict = state.passwords.verify(&password, stored).await?;
    let acting = match &found {
        Some(found) => Acting::user(found.user.id, found.user.tenant, origin.clone()),
        None => nobody,
    };
    let transaction = state
        .database
        .system(SystemPurpose::SignIn, &acting)
        .await?;
    let (credentials, replacement) = match (found, verdict) {
        (Some(found), Verdict::Right) if found.is_active => (found, None),
        (Some(found), Verdict::Outdated(hash)) if found.is_active => (found, Some(hash)),
        (found, _) => {
            let resource = found.map(|found| format!("users/{}", found.user.id));
            let event = audit::event(
                "user.login_refused",
                resource.unwrap_or_else(|| "users".to_owned()),
                json!({}),
            );
            transaction.finish([event]).await?;
            count("refused");
            return Err(refused());
        }
    };
    count("succeeded");
    if let Some(hash) = replacement {
        let user = credentials.user.id;
        let replace = sign_in::replace_password_hash(user, &credentials.password_hash, hash);
        transaction.rows([replace]).await?;
    }
    let session = Session {
        family_id: Uuid::new_v4(),
        user_id: credentials.user.id.0,
        signed_in_at: Utc::now().naive_utc(),
    };
    let event = audit::event(
        "user.login",
        format!("users/{}", credentials.user.id),
        json!({"session": session.family_id}),
    );
    let more = [event, throttles::take_back(&attempt)];
    signed_in(state, transaction, &origin, session, credentials, more).await
}

fn count(result: &'static str) {
    metrics::counter!("nomad_services_sign_ins_total", "result" => result).increment(1);
}

/// Exchanges a refresh token for a new pair. One that was used before ends its session.
///
/// # Errors
/// `invalid_refresh_token`.
pub async fn refresh(
    state: &State,
    origin: Origin,
    token: OneTimeToken,
) -> Result<SignedIn, Error> {
    let refused = || {
        Error::new(
            ErrorKind::Unauthenticated,
            "invalid_refresh_token",
            "sign in again",
        )
    };
    let database = &state.database;
    let nobody = Acting::nobody(origin.clone());
    let lookup = database.system(SystemPurpose::SignIn, &nobody).await?;
    let owner = lookup.find_token_owner(token.hash()).await?;
    let owner = owner.ok_or_else(refused)?;
    let acting = Acting::user(owner.user, owner.tenant, origin.clone());
    let transaction = database.system(SystemPurpose::SignIn, &acting).await?;
    let redeemed = transaction
        .redeem_refresh_token(token.hash(), owner.user)
        .await?;
    match redeemed {
        (Some(session), Some(credentials)) if credentials.is_active => {
            signed_in(state, transaction, &origin, session, credentials, []).await
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

/// Whoever presents a used token, or whoever used it, has stolen it: the session of both ends.
async fn end_reused(transaction: SystemTx, token: &OneTimeToken) -> Result<(), Error> {
    let Some(session) = transaction.end_reused_session(token.hash()).await? else {
        return transaction.commit().await;
    };
    let resource = format!("sessions/{session}");
    let event = audit::event("session.reuse_detected", resource, json!({}));
    transaction.finish([event]).await?;
    metrics::counter!("nomad_services_session_reuses_total").increment(1);
    tracing::warn!(%session, "a refresh token was used twice; its session has ended");
    Ok(())
}

/// Ends the session a refresh token belongs to. An unknown one has none.
///
/// # Errors
/// Fails where the database does not answer.
pub async fn logout(state: &State, origin: Origin, token: &OneTimeToken) -> Result<(), Error> {
    let nobody = Acting::nobody(origin);
    let transaction = state
        .database
        .system(SystemPurpose::SignIn, &nobody)
        .await?;
    transaction
        .finish([sign_in::end_session(token.hash())])
        .await
        .map(drop)
}

async fn signed_in<const N: usize>(
    state: &State,
    transaction: SystemTx,
    origin: &Origin,
    session: Session,
    credentials: Credentials,
    more: [Statement; N],
) -> Result<SignedIn, Error> {
    let user = credentials.user;
    let refresh_token = OneTimeToken::generate();
    let until = (Utc::now() + state.refresh_duration).naive_utc();
    let insert = sign_in::insert_refresh_token(session, refresh_token.hash(), until, origin);
    let mut statements = vec![insert];
    statements.extend(more);
    transaction.finish_all(statements).await?;
    let (access_token, expires_at) =
        state
            .access_tokens
            .issue(user.id, user.tenant, session.family_id)?;
    Ok(SignedIn {
        user,
        access_token,
        expires_at,
        refresh_token,
    })
}
