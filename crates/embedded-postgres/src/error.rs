//! Why there is no cluster, for whoever wanted one.

use std::path::{Path, PathBuf};

/// Why there is no cluster.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The folder does not hold PostgreSQL's programs.
    #[error(
        "{folder} does not hold initdb, pg_ctl and postgres for the account that runs them: set POSTGRES_BIN_DIR to a folder that does"
    )]
    Incomplete {
        /// The folder.
        folder: PathBuf,
    },
    /// PostgreSQL is not installed and can't be fetched.
    #[error(
        "PostgreSQL is not installed, and {version} can't be fetched: {reason}; install PostgreSQL, or set POSTGRES_BIN_DIR to the folder with initdb"
    )]
    Fetch {
        /// The version.
        version: String,
        /// What happened.
        reason: String,
    },
    /// Another process uses the cluster.
    #[error("{folder} is in use by another process that still runs: stop that one first")]
    InUse {
        /// The cluster's folder.
        folder: PathBuf,
    },
    /// The folder holds data of another major version.
    #[error(
        "{folder} holds data of PostgreSQL {found}, and the programs are of version {wanted}: move it away, or set POSTGRES_BIN_DIR"
    )]
    OtherVersion {
        /// The data folder.
        folder: PathBuf,
        /// The version of the data.
        found: String,
        /// The version of the programs.
        wanted: String,
    },
    /// A program of PostgreSQL's failed.
    #[error("{program} failed: {output}")]
    Program {
        /// Which one.
        program: &'static str,
        /// What it said.
        output: String,
    },
    /// A file or folder can't be used.
    #[error("{path}: {source}")]
    File {
        /// Which one.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The server runs and refuses what is asked of it.
    #[error("the private PostgreSQL answers: {0}")]
    Server(#[from] tokio_postgres::Error),
}

/// What the system says about the file or folder at `path`.
pub(crate) fn file(path: &Path) -> impl FnOnce(std::io::Error) -> ClusterError {
    let path = path.to_owned();
    move |source| ClusterError::File { path, source }
}
