//! The `migration` command, with the arguments that `sea-orm-cli migrate` gives it. They are read here and not by SeaORM's own
//! command line, which prints the database's password with its help and ends in a panic where nothing answers.

mod generate;

use std::{
    env,
    io::{self, IsTerminal},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand};
use migration::MigrationError;
use postgres_connection::Address;
use secrecy::SecretString;
use tracing_subscriber::EnvFilter;

/// Brings the schema of a Nomad Services database to another version.
///
/// Without a subcommand it applies what has not been applied. `sea-orm-cli migrate` calls it like that, too.
#[derive(Parser)]
#[command(name = "migration", version)]
struct Arguments {
    /// postgres://user:password@host:port/name, of the database's owner.
    #[arg(
        short = 'u',
        long,
        value_name = "URL",
        env = "DATABASE_URL",
        hide_env_values = true,
        global = true
    )]
    database_url: Option<SecretString>,
    /// The schema that the tables are in.
    #[arg(short = 's', long, value_name = "SCHEMA", env = "DATABASE_SCHEMA", value_parser = ["public"], global = true)]
    database_schema: Option<String>,
    /// Say on standard error whatever is done.
    #[arg(short, long, global = true)]
    verbose: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Apply what has not been applied.
    Up {
        /// How many at most.
        #[arg(short, long)]
        num: Option<u32>,
    },
    /// Take back the last migrations.
    Down {
        /// How many.
        #[arg(short, long, default_value_t = 1)]
        num: u32,
    },
    /// Say what has been applied.
    Status,
    /// Drop every table, then apply everything.
    Fresh,
    /// Take everything back, then apply it again.
    Refresh,
    /// Take everything back.
    Reset,
    /// Begin another migration: its file, two for its SQL, and its place among the others.
    Generate(Generate),
}

#[derive(Args)]
struct Generate {
    /// What it does, such as add_teams.
    migration_name: String,
    /// The folder of the migrations' crate; ./migration or the working folder where it is not given.
    #[arg(short = 'd', long, value_name = "FOLDER", env = "MIGRATION_DIR")]
    migration_dir: Option<PathBuf>,
    /// Name it after the date in UTC, as without any of the two.
    #[arg(long, conflicts_with = "local_time")]
    universal_time: bool,
    /// Name it after the date here.
    #[arg(long)]
    local_time: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = arguments();
    log(arguments.verbose);
    match run(arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("migration: {error}");
            ExitCode::FAILURE
        }
    }
}

/// As the command line has them, or the end. An address in the wrong place is not repeated, because it holds a password.
fn arguments() -> Arguments {
    Arguments::try_parse().unwrap_or_else(|error| {
        let said = error.to_string();
        let given = env::args_os().filter_map(|argument| argument.into_string().ok());
        let mut addresses = given.filter(|argument| argument.contains(['@', '=']));
        if addresses.any(|address| said.contains(&address)) {
            eprintln!("migration: an address stands in DATABASE_URL or follows -u");
            std::process::exit(2);
        }
        error.exit()
    })
}

fn log(verbose: bool) {
    let filter = EnvFilter::new(if verbose {
        "debug"
    } else {
        "sea_orm_migration=info"
    });
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr);
    match verbose {
        true => log.init(),
        false => log
            .with_target(false)
            .with_level(false)
            .without_time()
            .init(),
    }
}

async fn run(arguments: Arguments) -> Result<(), Box<dyn std::error::Error>> {
    if let Some(Command::Generate(new)) = &arguments.command {
        let files = generate::migration(
            new.migration_dir.as_deref(),
            &new.migration_name,
            new.local_time,
        )?;
        for file in files {
            println!("{}", file.display());
        }
        return Ok(());
    }
    let Some(url) = &arguments.database_url else {
        return Err("no database is named: set DATABASE_URL, or give an address after -u".into());
    };
    let address = Address::parse(url)
        .map_err(|allowed| format!("the database's address is not valid; allowed: {allowed}"))?;
    change(&address, arguments.command).await?;
    for (name, standing) in migration::status(&address).await? {
        println!("{standing:<10} {name}");
    }
    Ok(())
}

async fn change(address: &Address, command: Option<Command>) -> Result<(), MigrationError> {
    match command {
        None => migration::up(address, None).await,
        Some(Command::Up { num }) => migration::up(address, num).await,
        Some(Command::Down { num }) => migration::down(address, Some(num)).await,
        Some(Command::Fresh) => migration::fresh(address).await,
        Some(Command::Refresh) => migration::refresh(address).await,
        Some(Command::Reset) => migration::reset(address).await,
        Some(Command::Status | Command::Generate(_)) => Ok(()),
    }
}
