//! `nomad-sim`: runs the simulator by itself.

use std::net::IpAddr;
use std::process::ExitCode;

use clap::Parser;
use nomad_sim::{Settings, Simulator};

/// A simulated Nomad agent with the same HTTP API. `GET /sim` says what can be asked of it.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// The port to listen on; 0 takes any free one.
    #[arg(long, default_value_t = 4646)]
    port: u16,
    /// The address to listen on.
    #[arg(long, default_value = "127.0.0.1")]
    address: IpAddr,
    /// How many times faster than a real cluster deployments go.
    #[arg(long, default_value_t = 1.0)]
    speed: f64,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let settings = Settings {
        address: arguments.address,
        port: arguments.port,
        speed: arguments.speed,
    };
    let simulator = match Simulator::start(settings) {
        Ok(simulator) => simulator,
        Err(error) => {
            eprintln!("nomad-sim: {error}");
            return ExitCode::FAILURE;
        }
    };
    println!("{}", simulator.url());
    if let Err(error) = until_told_to_stop().await {
        eprintln!("nomad-sim: cannot wait for signals: {error}");
    }
    simulator.stop().await;
    ExitCode::SUCCESS
}

async fn until_told_to_stop() -> std::io::Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminate.recv() => Ok(()),
    }
}
