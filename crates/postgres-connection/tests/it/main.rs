//! Addresses as they are written, and connections to a real PostgreSQL.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that can't go on has failed"
)]

mod address;
mod connector;
mod proxy;
mod refusals;
