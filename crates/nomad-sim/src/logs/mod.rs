//! What tasks print: kept in memory, rotated as Nomad rotates its log files, and read over HTTP in Nomad's frames.

mod answer;
mod store;

pub use answer::{LogRequest, answer};
pub use store::{LogStore, LogType, Piece, Position};

#[cfg(test)]
mod tests;
