//! What signing in needs and HTTP does not: access tokens, refresh tokens and the hashing of passwords.

mod access_token;
mod password;
mod refresh_token;
mod refusals;

pub use access_token::{AccessClaims, AccessTokens};
pub use password::{PasswordHasher, Verdict};
pub use refresh_token::RefreshToken;
pub use refusals::answered_alike;
