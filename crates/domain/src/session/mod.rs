//! Signing in and staying signed in: who it is that signs in, the sessions that follow, and how attempts are put off.

pub mod ports;

use std::{net::IpAddr, time::Duration};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{Origin, TenantId, UserId, user::User};

/// What a password is compared with, and whose it is.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The user, as the API shows it.
    pub user: User,
    /// The stored hash, in PHC or bcrypt form.
    pub password_hash: String,
    /// Whether user and tenant may sign in at all.
    pub is_active: bool,
    /// What the tenant is called, if there is one.
    pub tenant_name: Option<String>,
}

/// A session: the refresh tokens that follow from one sign-in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Session {
    /// The same for every token of the session.
    pub family_id: Uuid,
    /// Whose session it is.
    pub user: UserId,
    /// When it was begun.
    pub signed_in_at: DateTime<Utc>,
}

/// Whom a refresh token was given to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TokenOwner {
    /// The user.
    pub user: UserId,
    /// The user's tenant, if any.
    pub tenant: Option<TenantId>,
}

/// A refresh token to be given out, in a session that began or goes on with it.
#[derive(Clone, Debug)]
pub struct NewRefreshToken {
    /// The session.
    pub session: Session,
    /// The token's hash: it is found by this, and can't be made from it.
    pub hash: Vec<u8>,
    /// Until when it can be exchanged.
    pub expires_at: DateTime<Utc>,
    /// The request it is given out to.
    pub origin: Origin,
}

/// What an access token says. What its holder may do is asked at each request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AccessClaims {
    /// The user.
    pub user: UserId,
    /// The user's tenant; platform administrators have none.
    pub tenant: Option<TenantId>,
    /// The session it was issued in: it is good no longer than that.
    pub session: Uuid,
    /// Until when it is good by itself.
    pub expires_at: DateTime<Utc>,
}

/// A session, as its user recognises it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OwnSession {
    /// Its identifier.
    pub id: Uuid,
    /// Where it was used from last.
    pub ip_address: Option<IpAddr>,
    /// What the client called itself then.
    pub user_agent: Option<String>,
    /// When it was begun.
    pub created_at: DateTime<Utc>,
    /// When its tokens were exchanged last.
    pub last_used_at: DateTime<Utc>,
    /// When it ends unless its tokens are exchanged before.
    pub expires_at: DateTime<Utc>,
}

/// How attempts are put off.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ThrottlePolicy {
    /// The attempt at an account that brings the first delay.
    pub account_attempts: u32,
    /// The attempt from a network that brings the first delay.
    pub network_attempts: u32,
    /// How long the first delay is; each further one is twice as long.
    pub first_delay: Duration,
    /// How long a delay is at most.
    pub max_delay: Duration,
    /// How long after the last attempt the attempts are forgotten.
    pub forget_after: Duration,
}

/// An attempt that was counted and may go on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Attempt {
    /// Tells it from every other.
    pub id: Uuid,
    /// What it was counted for: an account, and a network.
    pub subjects: Vec<String>,
}

/// Who is known from where, before it is counted.
#[derive(Clone, Debug)]
pub struct Applicant {
    /// The user, if there is one.
    pub credentials: Option<Credentials>,
    /// What attempts at the account are counted for.
    pub account: String,
    /// What attempts from the network are counted for.
    pub network: String,
}
