//! The HTTP API of Nomad Services and the `nomad-services` command around it.

pub mod settings;
pub mod sign_in;
