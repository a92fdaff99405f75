//! What somebody shows who they are with, where a library does the work: passwords, hashed and verified, and access tokens,
//! signed and verified. Both implement ports of the domain.

mod access_token;
mod argon;
mod password;

pub use access_token::SignedTokens;
pub use password::{Load, PasswordParameters, Passwords};
