//! What an operator sees of a running server: a line of the log for each request, and metrics.

pub mod log;
pub mod metrics;
pub(crate) mod requests;
