//! The `nomad-services` command.

use std::process::ExitCode;

use clap::Parser;
use nomad_services::commands::{self, Arguments};

// A request makes and drops many small things, and what signing in needs is given back: glibc does neither well.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    match commands::run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("nomad-services: {error}");
            ExitCode::FAILURE
        }
    }
}
