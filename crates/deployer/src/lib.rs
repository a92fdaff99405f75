//! The worker that carries deployments out: it claims what is due, observes Nomad, asks the domain what to do next, does
//! it, and writes down what it did. Any number of workers may run; any of them takes over from one that died.

mod pass;
mod worker;

pub use worker::{Worker, WorkerSettings};
