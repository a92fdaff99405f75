//! A simulated Nomad agent with the same HTTP API: docker tasks are played, `raw_exec` tasks really run.

pub mod checks;
pub mod logs;
pub mod parse;
pub mod runtime;
