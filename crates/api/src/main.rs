//! The `nomad-services` command.

use std::process::ExitCode;

use clap::Parser;
use nomad_services::commands::{self, Arguments};

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
