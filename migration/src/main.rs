//! The `migration` command, on the database at `DATABASE_URL`.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use migration::Migrator;
use sea_orm_migration::MigratorTrait;
use secrecy::SecretString;

/// Brings the schema of a Nomad Services database to another version.
#[derive(Parser)]
#[command(name = "migration", version)]
struct Arguments {
    /// postgres://user:password@host:port/name, of the database's owner.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: SecretString,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Apply what has not been applied.
    Up,
    /// Take back the last migrations.
    Down {
        /// How many.
        #[arg(long, default_value_t = 1)]
        steps: u32,
    },
    /// Say what has been applied.
    Status,
    /// Drop every table, then apply everything.
    Fresh,
    /// Take everything back, then apply it again.
    Refresh,
    /// Take everything back.
    Reset,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("migration: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), sea_orm_migration::DbErr> {
    let url = &arguments.database_url;
    let connection = migration::connect(url).await?;
    match arguments.command {
        Command::Up => migration::up(url).await?,
        Command::Down { steps } => migration::down(url, Some(steps)).await?,
        Command::Status => {}
        Command::Fresh => Migrator::fresh(&connection).await?,
        Command::Refresh => Migrator::refresh(&connection).await?,
        Command::Reset => Migrator::reset(&connection).await?,
    }
    for migration in Migrator::get_migration_with_status(&connection).await? {
        println!(
            "{:<10} {}",
            migration.status().to_string(),
            migration.name()
        );
    }
    connection.close().await
}
