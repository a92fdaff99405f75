//! The `nomad-services` command from outside: as a process with arguments, output, signals and an exit code.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that can't go on has failed"
)]

mod audit;
mod canary;
mod database_address;
mod database_away;
mod door;
mod draining;
mod encryption_key;
mod frozen;
mod keys;
mod killed;
mod memory;
mod observed;
mod once;
mod process;
mod production;
mod readme;
mod replicas;
mod serve;
mod starting;
mod verify_isolation;
