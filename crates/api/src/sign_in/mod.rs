//! What signing in needs and HTTP does not: access tokens, tokens that work once, API keys and the hashing of passwords.

mod access_token;
mod api_key;
mod one_time_token;
mod password;
mod refusals;

pub use access_token::{AccessClaims, AccessTokens};
pub use api_key::{KnownKeys, generate as generate_api_key, stored};
pub use one_time_token::OneTimeToken;
pub use password::{PasswordHasher, Verdict};
pub use refusals::answered_alike;
