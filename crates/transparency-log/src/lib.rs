//! The audit trail as a transparency log, in the formats that other people's tools read: leaves in an RFC 6962 Merkle tree,
//! tree heads as C2SP checkpoints in signed notes. Nothing here does I/O: whoever stores a log asks which hashes it takes,
//! and whoever checks an export needs no database.

pub mod checkpoint;
pub mod export;
pub mod leaf;
pub mod tree;
pub mod verify;

pub use checkpoint::{Checkpoint, LogKeys, Origin, VerifierKeys};
pub use leaf::Leaf;
pub use tlog_tiles::Hash;
pub use tree::Tree;
