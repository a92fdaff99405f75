//! The HTTP API of Nomad Services and the `nomad-services` command around it.

mod client_address;
pub mod commands;
mod connection;
mod edge;
mod extract;
pub mod idempotency;
mod json;
pub mod lifecycle;
pub mod observability;
pub mod openapi;
mod problem;
mod query;
mod request_id;
mod retention;
pub mod routes;
mod sealing;
pub mod server;
pub mod settings;
pub mod sign_in;
pub mod start;
pub mod state;
mod use_cases;
