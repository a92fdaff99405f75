//! The `nomad-services` command from outside: as a process with arguments, output, signals and an exit code.

#![expect(clippy::expect_used, reason = "a test that can't go on has failed")]

mod canary;
mod encryption_key;
mod keys;
mod killed;
mod once;
mod process;
mod readme;
mod replicas;
mod serve;
