//! What a user would compare: requests a second of the server beside the least that the same work can cost, and what it takes
//! of processor and memory. A tool for people, not a test.

mod argon;
mod audit_page;
mod client;
mod database;
mod delay;
mod ground;
mod load;
mod machine;
mod member;
mod mixed;
mod operation;
mod page;
mod pgbench;
mod plot;
mod population;
mod rates;
mod readers;
mod recording;
mod replicas;
mod resources;
mod samples;
mod sealing;
mod server;
mod sign_ins;

use std::{error::Error, path::PathBuf, sync::Arc, time::Duration};

use clap::Parser;
use embedded_postgres::Durability;
use tokio::time::sleep;

use crate::{
    database::Database,
    member::PASSWORD,
    page::{Memory, Results},
    rates::Contest,
    resources::{peak, resident},
    samples::milliseconds,
    server::Server,
};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Measures the server beside pgbench, and writes docs/performance.md.
#[derive(Debug, Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Options {
    #[command(subcommand)]
    other: Option<Other>,
    /// How many tenants there are, each with six services.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(10..=1_000_000))]
    tenants: u32,
    /// How many users sign in, at most twice the tenants.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(5..=100_000))]
    sign_ins: u32,
    /// How long each number is measured, in seconds.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=60))]
    seconds: u64,
    /// How often everything is measured, one after the other; the medians are shown.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=99))]
    rounds: u64,
    /// How many clients at once, separated by commas; at most 64 each.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 8, 32], value_parser = clap::value_parser!(u32).range(1..=64))]
    clients: Vec<u32>,
    /// How many minutes of mixed traffic follow, beside which memory is shown every half minute.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=1440))]
    minutes: u64,
    /// The folder that performance.md and performance.svg are written into.
    #[arg(long, default_value = "docs")]
    page: PathBuf,
}

/// What is measured instead.
#[derive(Debug, clap::Subcommand)]
enum Other {
    AuditPage(audit_page::Options),
    Replicas(replicas::Options),
    Sealing(sealing::Options),
}

/// How long the server is left alone before it counts as idle.
const SETTLED: Duration = Duration::from_secs(5);

/// Room for creates: so many tenants without services for each second that is measured, each for six.
const FRESH_A_SECOND: u64 = 1200;

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::parse();
    let measure = async {
        match &options.other {
            Some(Other::AuditPage(options)) => audit_page::run(options).await,
            Some(Other::Replicas(options)) => replicas::run(options).await,
            Some(Other::Sealing(options)) => sealing::run(options).await,
            None => compare(&options).await,
        }
    };
    // What is measured with ends when it is dropped.
    tokio::select! {
        result = measure => result,
        _ = tokio::signal::ctrl_c() => Err("interrupted".into()),
    }
}

async fn compare(options: &Options) -> Result<()> {
    let (tenants, sign_ins) = (options.tenants, options.sign_ins);
    if sign_ins > tenants * 2 {
        return Err("--sign-ins must be at most twice --tenants".into());
    }
    let fresh = u32::try_from(FRESH_A_SECOND * options.seconds)?.max(sign_ins);
    let time = Duration::from_secs(options.seconds);
    println!(
        "Filling a database with {tenants} tenants that have services, and {fresh} that have none."
    );
    let database = Database::start(Durability::Durable).await?;
    population::fill(&database, tenants, fresh).await?;
    let own = recording::scripts(&database, tenants).await?;
    population::forget(&database.superuser().await?).await?;

    let server = Server::start(&database.url(), database.folder.path(), &[]).await?;
    let process = server.process()?;
    population::sealed(&database).await?;
    sleep(SETTLED).await;
    let idle = resident(process)?;
    let (callers, signing_in) = sign_ins::sign_in_all(server.address, tenants, sign_ins).await?;
    let signed_in = resident(process)?;
    println!(
        "{idle:.1} MiB resident when idle, {signed_in:.1} after {sign_ins} sign-ins, {:.0} a second.",
        signing_in.rate
    );
    let argon2 = bare_argon2(&database, time).await?;
    let superuser = database.superuser().await?;
    superuser
        .batch_execute(include_str!("sql/callers.sql"))
        .await?;

    let callers = Arc::new(callers);
    let contest = Contest {
        database: &database,
        server: &server,
        callers: &callers,
        own,
        tenants,
        fresh,
        rounds: usize::try_from(options.rounds)?,
        seconds: options.seconds,
        clients: &options.clients,
    };
    let rows = contest.run().await?;
    let memory = Memory {
        idle,
        signed_in,
        loaded: resident(process)?,
        peak: peak(process)?,
    };
    println!(
        "{:.1} MiB resident after the load, {:.1} at most.",
        memory.loaded, memory.peak
    );
    let (longer, delayed) = delay::run(&database, &server, &callers, time).await?;
    for row in &delayed {
        println!(
            "{:<11}{:>6.2} ms, through the proxy {:>6.2} ms: {:.1} delays",
            row.operation.name(),
            milliseconds(row.near.median),
            milliseconds(row.far.median),
            row.delays
        );
    }
    let mixed = match options.minutes {
        0 => None,
        minutes => Some(mixed::run(&server, &callers, minutes).await?),
    };
    let results = Results {
        tenants,
        sign_ins,
        rounds: contest.rounds,
        seconds: options.seconds,
        machine: machine::describe(&superuser).await?,
        command: machine::command(),
        rows,
        signing_in,
        argon2,
        memory,
        longer,
        delayed,
        mixed,
    };
    page::write(&options.page, &results)?;
    println!("Written: {}", options.page.join("performance.md").display());
    server.stop().await
}

async fn bare_argon2(database: &Database, time: Duration) -> Result<f64> {
    let sql = "SELECT password FROM users WHERE username = 'first'";
    let stored: String = database
        .superuser()
        .await?
        .query_one(sql, &[])
        .await?
        .get(0);
    tokio::task::spawn_blocking(move || argon::rate(PASSWORD, &stored, 1, time)).await?
}
