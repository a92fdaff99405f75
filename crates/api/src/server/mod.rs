//! The wiring: the one place, besides the commands, that knows which store, which orchestrator and which libraries the use cases
//! work with. What has to be there before the first request is given by the settings, or found and started here.

pub mod agent;
mod audit_seal;
mod bounded_read;
mod composition;
pub mod database;
pub mod encryption;
mod encryption_keys;
mod error;
pub mod orchestrator;

pub(crate) use composition::passwords;
pub use composition::{App, Parts};
pub use error::StartError;
