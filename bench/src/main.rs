//! Requests per second of the API, and how they compare with the least that the same work can cost: pgbench sending the
//! same SQL in the same kind of transaction, and bare Argon2 for signing in. A tool for people, not a test.

mod argon;
mod audit_page;
mod client;
mod ground;
mod pgbench;
mod readers;
mod recording;
mod sealing;
mod server;
mod stage;
mod worker;

use std::{error::Error, time::Duration};

use clap::Parser;
use stage::Stage;
use worker::Operation;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Measures requests per second beside pgbench doing the same SQL, and beside bare Argon2 for signing in.
#[derive(Debug, Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Options {
    /// How long each number is measured.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// How many clients at once, separated by commas; at most 64 each.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 8, 32], value_parser = clap::value_parser!(u16).range(1..=64))]
    clients: Vec<u16>,
    /// Let pgbench pipeline its statements, as the server does; otherwise it waits for each answer.
    #[arg(long)]
    pipeline: bool,
    #[command(subcommand)]
    other: Option<Other>,
}

/// What is measured instead.
#[derive(Debug, clap::Subcommand)]
enum Other {
    AuditPage(audit_page::Options),
    Sealing(sealing::Options),
}

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::parse();
    match &options.other {
        Some(Other::AuditPage(options)) => return audit_page::run(options).await,
        Some(Other::Sealing(options)) => return sealing::run(options).await,
        None => {}
    }
    let most = options.clients.iter().copied().max().unwrap_or(1);
    let time = Duration::from_secs(options.seconds);
    let stage = Stage::set(usize::from(most)).await?;
    let pgbench = pgbench::find();
    if pgbench.is_none() {
        println!(
            "pgbench is neither on PATH nor beside PostgreSQL's programs: rates without ratios."
        );
    }
    println!(
        "Client, server and database share this machine. {} s for each number. pgbench {}.\n\
         A create is followed by taking the service away with SQL, on both sides. Signing in is compared with Argon2 alone.\n",
        options.seconds,
        if options.pipeline {
            "pipelines its statements"
        } else {
            "waits for the answer to each statement"
        },
    );
    println!(
        "{:<10}{:>9}{:>14}{:>14}{:>8}",
        "", "clients", "requests/s", "baseline/s", "ratio"
    );
    for operation in Operation::ALL {
        let recorded = stage.record(operation).await?;
        for clients in options.clients.iter().copied().map(usize::from) {
            let rate = stage.requests(operation, clients, time).await?;
            let baseline = match (&recorded, &pgbench) {
                (None, _) => Some(stage.argon2(clients, time).await?),
                (Some(recorded), Some(program)) => {
                    let script = recorded.script(options.pipeline);
                    let seconds = options.seconds;
                    Some(
                        pgbench::run(program, &stage.ground.login()?, &script, clients, seconds)
                            .await?,
                    )
                }
                (Some(_), None) => None,
            };
            let (baseline, ratio) = baseline.map_or(("-".to_owned(), "-".to_owned()), |baseline| {
                (format!("{baseline:.0}"), format!("{:.2}", rate / baseline))
            });
            println!(
                "{:<10}{clients:>9}{rate:>14.0}{baseline:>14}{ratio:>8}",
                operation.name()
            );
        }
    }
    stage.ground.clear().await
}
