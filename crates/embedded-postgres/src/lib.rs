//! A private PostgreSQL, run from the native binaries of the machine: for development, where nobody has a server at hand,
//! and for tests, which never talk to anything less. PostgreSQL refuses to run as root, so root runs it as another account.

mod account;
mod binaries;
mod cluster;
mod error;
mod fetch;
mod ownership;
mod place;
mod predecessor;
pub mod test_database;
mod watchdog;

pub use binaries::Binaries;
pub use cluster::{Cluster, Durability};
pub use error::ClusterError;
