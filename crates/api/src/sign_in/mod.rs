//! What signing in needs and HTTP does not: access tokens, refresh tokens, API keys and the hashing of passwords.

mod access_token;
mod api_key;
mod password;
mod refresh_token;
mod refusals;

pub use access_token::{AccessClaims, AccessTokens};
pub use api_key::{KnownKeys, generate as generate_api_key, stored};
pub use password::{PasswordHasher, Verdict};
pub use refresh_token::RefreshToken;
pub use refusals::answered_alike;
