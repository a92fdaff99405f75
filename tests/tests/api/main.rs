//! The API from outside, over HTTP, on real PostgreSQL: one file for each resource.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that can't go on has failed"
)]

mod admin;
mod app;
mod auth;
mod contract;
mod idempotency;
mod older_clients;
mod requests;
mod services;
mod users;
