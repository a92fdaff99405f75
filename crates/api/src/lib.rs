//! The HTTP API of Nomad Services and the `nomad-services` command around it.

mod client_address;
pub mod commands;
mod connection;
mod edge;
mod extract;
mod idempotency;
mod json;
pub mod lifecycle;
pub mod observability;
pub mod openapi;
pub mod operations;
pub mod paths;
mod problem;
pub mod process;
mod query;
mod readiness;
mod request_id;
pub mod routes;
pub mod schemas;
pub mod server;
pub mod settings;
