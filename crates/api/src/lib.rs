//! The HTTP API of Nomad Services and the `nomad-services` command around it.

pub mod commands;
mod edge;
mod extract;
pub mod lifecycle;
pub mod observability;
mod problem;
mod request_id;
pub mod routes;
pub mod server;
pub mod settings;
pub mod sign_in;
pub mod start;
pub mod state;
mod use_cases;
