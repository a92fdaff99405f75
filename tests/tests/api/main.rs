//! The API from outside, over HTTP, on real PostgreSQL: one file for each resource.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that can't go on has failed"
)]

mod accounts;
mod admin;
mod admin_in_tenant;
mod answers;
mod api_keys;
mod app;
mod audit;
mod audit_logs;
mod auth;
mod browsers;
mod connections;
mod contract;
mod deployments;
mod edge;
mod fields;
mod hostile;
mod http;
mod idempotency;
mod invitations;
mod isolation;
mod members;
mod older_clients;
mod operations;
mod proxies;
mod quota;
mod requests;
mod round_trips;
mod secrets;
mod services;
mod sessions;
mod templates;
mod tenants;
mod totals;
mod users;
mod wire;
