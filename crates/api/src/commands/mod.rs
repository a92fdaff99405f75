//! The command line: one file for each subcommand. Answers go to standard output, errors and the log to standard error; the
//! exit code is 0, 1 where it failed and 2 where it was used wrongly.

mod admin;
mod audit;
mod config;
mod keys;
mod migrate;
mod openapi;
mod serve;
mod verify_isolation;

use std::{
    error::Error,
    io::{self, Write},
    path::PathBuf,
};

use clap::{Parser, Subcommand};

/// Multi-tenant self-service control plane on top of HashiCorp Nomad.
///
/// Without a subcommand it serves the API. In development, which is the default, it starts what is missing: a private
/// PostgreSQL where DATABASE_URL (or DB_HOST) is not set, and where NOMAD_ADDR is not set, a `nomad agent -dev` if nomad is
/// on PATH, else a simulator. What it makes it keeps in .data/.
///
/// Every setting stands in config/default.toml with its default and the environment variable that sets it; `config print`
/// shows what holds here and where it comes from. ENVIRONMENT=production makes nothing up and asks for what is missing.
#[derive(Debug, Parser)]
#[command(name = "nomad-services", version, max_term_width = 100)]
#[command(after_help = "Exit codes: 0 done, 1 failed, 2 used wrongly.")]
pub struct Arguments {
    /// The folder with default.toml and `<environment>.toml`; what is absent there is built in.
    #[arg(long, global = true, value_name = "FOLDER", default_value = "config")]
    config_directory: PathBuf,
    /// Print the answer as one JSON document, for programs.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the API until SIGTERM or Ctrl-C; the same as no subcommand.
    ///
    /// On SIGTERM or Ctrl-C /readyz answers "unready" for server.drain_delay, then no new connections are accepted, requests
    /// under way finish within server.shutdown_timeout, and what was started beside the server is stopped.
    Serve,
    /// Bring the database's schema to another version, or say which it has.
    Migrate(migrate::Migrate),
    /// Work with platform administrators.
    Admin(admin::Admin),
    /// Work with the keys that secret values are encrypted under.
    Keys(keys::Keys),
    /// Try to get from one tenant to another in the database, and say what came of it.
    ///
    /// It makes two tenants in a transaction that it takes back, tries as one of them to read, change, insert and point at
    /// rows of the other, and whatever else could lead past row-level security. A line an attempt; exit code 1 where
    /// one succeeds. Safe on a database in use: nothing is kept, and no row but its own is touched.
    VerifyIsolation(verify_isolation::VerifyIsolation),
    /// Check the audit trail, or write it to files.
    Audit(audit::Audit),
    /// Look at the configuration.
    Config(config::Config),
    /// Print the API's description (OpenAPI 3.1, JSON), as a server has it at /api/v1/openapi.json.
    Openapi,
}

/// What a subcommand fails with.
type Failure = Box<dyn Error>;

/// Does what the arguments say.
///
/// # Errors
/// A message for whoever typed them.
pub async fn run(arguments: Arguments) -> Result<(), Failure> {
    let Arguments {
        config_directory,
        json,
        command,
    } = arguments;
    match command.unwrap_or(Command::Serve) {
        Command::Serve => serve::run(&config_directory).await,
        Command::Migrate(command) => command.run(&config_directory, json).await,
        Command::Admin(command) => command.run(&config_directory, json).await,
        Command::Keys(command) => command.run(&config_directory, json).await,
        Command::VerifyIsolation(command) => command.run(&config_directory, json).await,
        Command::Audit(command) => command.run(&config_directory, json).await,
        Command::Config(command) => command.run(&config_directory, json),
        Command::Openapi => openapi::run(json),
    }
}

/// Writes an answer to standard output. A reader that has gone away is an error, not a crash.
fn print(text: &str) -> io::Result<()> {
    let mut output = io::stdout().lock();
    writeln!(output, "{}", text.trim_end())?;
    output.flush()
}
