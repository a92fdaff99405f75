//! Tokens, password hashing, throttling, API keys and invitations.

use domain::session::ThrottlePolicy;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::values::{NonZeroDuration, bounded, masked, optional, required};

/// The fewest bytes a secret for tokens may have: what HMAC-SHA-256 needs not to be weakened.
pub const MIN_JWT_SECRET: usize = 32;

/// Tokens and password hashing.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AuthSettings {
    /// Signs and verifies access tokens; see [`super::Settings::jwt_secret`].
    #[serde(deserialize_with = "optional", serialize_with = "masked")]
    pub jwt_secret: Option<SecretString>,
    /// Verifies only, while the secret is being changed.
    #[serde(deserialize_with = "optional", serialize_with = "masked")]
    pub jwt_previous_secret: Option<SecretString>,
    /// How long an access token is good for.
    pub access_token_duration: NonZeroDuration,
    /// How long a refresh token is good for.
    pub refresh_token_duration: NonZeroDuration,
    /// The tokens' `iss`.
    #[serde(deserialize_with = "required")]
    pub issuer: String,
    /// The tokens' `aud`.
    #[serde(deserialize_with = "required")]
    pub audience: String,
    /// A refused sign-in is answered no sooner than this after it arrived.
    pub refusal_time: NonZeroDuration,
    /// How passwords are hashed.
    pub password: PasswordSettings,
    /// How attempts to sign in are put off.
    pub throttle: ThrottleSettings,
}

/// When attempts to sign in are put off, and for how long.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ThrottleSettings {
    /// The attempt at an account that brings the first delay.
    #[serde(deserialize_with = "bounded::<1, 1_000_000, _, _>")]
    pub account_attempts: u32,
    /// The attempt from a client's network that brings the first delay.
    #[serde(deserialize_with = "bounded::<1, 1_000_000, _, _>")]
    pub network_attempts: u32,
    /// How long the first delay is; each further one is twice as long.
    pub first_delay: NonZeroDuration,
    /// How long a delay is at most.
    pub max_delay: NonZeroDuration,
    /// How long after the last attempt the attempts are forgotten.
    pub forget_after: NonZeroDuration,
}

impl ThrottleSettings {
    /// As the database applies it.
    pub fn policy(&self) -> ThrottlePolicy {
        ThrottlePolicy {
            account_attempts: self.account_attempts,
            network_attempts: self.network_attempts,
            first_delay: self.first_delay.get(),
            max_delay: self.max_delay.get(),
            forget_after: self.forget_after.get(),
        }
    }
}

/// API keys.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ApiKeySettings {
    /// How long a key still works after it was rotated.
    pub rotation_overlap: NonZeroDuration,
}

/// Invitations to a tenant.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct InvitationSettings {
    /// How long one can be accepted.
    pub duration: NonZeroDuration,
}

/// Argon2id's parameters, and how much of it happens at once.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PasswordSettings {
    /// Memory for one hash, in KiB; not below the least OWASP recommends.
    #[serde(deserialize_with = "bounded::<7168, 4_194_304, _, _>")]
    pub memory_kib: u32,
    /// Passes over that memory.
    #[serde(deserialize_with = "bounded::<1, 100, _, _>")]
    pub iterations: u32,
    /// Argon2's degree of parallelism within one hash.
    #[serde(deserialize_with = "bounded::<1, 64, _, _>")]
    pub lanes: u32,
    /// Passwords hashed at once; 0: one for two processor cores, so that whoever is signed in is served meanwhile.
    #[serde(deserialize_with = "bounded::<0, 1024, _, _>")]
    pub concurrency: usize,
    /// How many more may wait.
    #[serde(deserialize_with = "bounded::<0, 100_000, _, _>")]
    pub queue: usize,
}

impl PasswordSettings {
    /// Passwords hashed at once.
    pub fn concurrency(&self) -> usize {
        match self.concurrency {
            0 => std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2)),
            concurrency => concurrency,
        }
    }
}
