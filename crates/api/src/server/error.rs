//! Why the server does not start.

use embedded_postgres::ClusterError;
use persistence::isolation::Finding;
use postgres_connection::{AddressError, ConnectError};

/// Why the server does not start, for its operator.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The private PostgreSQL does not start.
    #[error("{0}; or set DATABASE_URL to a server of yours")]
    PrivateDatabase(#[from] ClusterError),
    /// Nothing answers where the database should be.
    #[error(
        "the database at {address} did not answer within {waited:?} (database.startup_timeout): {reason}"
    )]
    DatabaseSilent {
        /// Hosts and ports.
        address: String,
        /// How long it was waited for.
        waited: std::time::Duration,
        /// What came of asking.
        reason: String,
    },
    /// The database can't be connected to.
    #[error(transparent)]
    Connection(#[from] ConnectError),
    /// The database's address is none.
    #[error("the database's address is not valid; allowed: {0}")]
    Address(#[from] AddressError),
    /// The database is not one this program can work with.
    #[error("the database {0}")]
    Database(String),
    /// The schema is not the one this program was built for.
    #[error("the database's schema does not fit this program, and MIGRATE_ON_START is false: {0}")]
    Schema(String),
    /// The database would not keep tenants apart.
    #[error(
        "the database does not keep tenants apart, so nothing is served from it:{}",
        listed(.0)
    )]
    Isolation(Vec<Finding>),
    /// The Nomad agent or the simulator does not start.
    #[error("{0}; or set NOMAD_ADDR to a cluster of yours")]
    Orchestrator(String),
    /// The program's own paths or their description are at fault.
    #[error("the API's paths or their description are at fault: {0}")]
    Routes(String),
    /// A setting passes every check and is still not usable.
    #[error("{0}")]
    Setting(String),
    /// A port can't be opened.
    #[error("port {port} on {host} can't be opened: {source}; {variable} sets another")]
    Port {
        /// The address.
        host: std::net::IpAddr,
        /// The port.
        port: u16,
        /// The variable that sets the port.
        variable: &'static str,
        /// What the system says.
        source: std::io::Error,
    },
    /// The server stopped by itself.
    #[error("the server can't go on: {0}")]
    Serving(std::io::Error),
}

fn listed(findings: &[Finding]) -> String {
    let lines = findings.iter().map(|finding| format!("\n  {finding}"));
    lines.collect()
}
