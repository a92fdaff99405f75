//! The simulator from outside, over HTTP, as `reference` answers of a real agent have it.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that can't go on has failed"
)]

mod deployments;
mod failures;
mod faults;
mod jobs;
mod placement;
mod scale;
mod support;
mod surroundings;
