//! The HTTP API of Nomad Services and the `nomad-services` command around it.

mod extract;
mod problem;
pub mod routes;
pub mod server;
pub mod settings;
pub mod sign_in;
pub mod state;
mod use_cases;
