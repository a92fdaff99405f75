//! Persistence on real PostgreSQL, as the runtime role, with row-level security on.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that can't go on has failed"
)]

mod audit_seal;
mod connection;
mod context;
mod database;
mod encryption;
mod idempotency;
mod inspection;
mod isolation;
mod key_rotation;
mod pool;
mod pooler;
mod ports;
mod proxy;
mod purposes;
mod sign_in;
mod tls;
