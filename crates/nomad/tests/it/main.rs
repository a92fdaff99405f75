//! The client against a listener that plays Nomad: what is sent, what is made of answers recorded from a real agent,
//! and what happens when the other side misbehaves.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod agent;
mod cluster;
mod errors;
mod jobs;
mod recorded;
mod requests;
mod streams;
mod tls;
