//! The `migration` command, on the database at `DATABASE_URL`.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use migration::Migrator;
use sea_orm_migration::{
    DbErr, MigratorTrait,
    sea_orm::sqlx::postgres::{PgConnectOptions, PgSslMode},
};
use secrecy::{ExposeSecret, SecretString};

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

async fn run(arguments: Arguments) -> Result<(), DbErr> {
    let url = &arguments.database_url;
    if asks_for_verification(url)? {
        let reason = "sslmode verify-ca and verify-full are left to `nomad-services migrate`, because the driver of this \
            command also trusts authorities that nobody named";
        return Err(DbErr::Custom(reason.to_owned()));
    }
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

/// As the driver reads the address and the environment.
fn asks_for_verification(url: &SecretString) -> Result<bool, DbErr> {
    let options = url.expose_secret().parse::<PgConnectOptions>();
    let options = options.map_err(|error| DbErr::Custom(error.to_string()))?;
    Ok(matches!(
        options.get_ssl_mode(),
        PgSslMode::VerifyCa | PgSslMode::VerifyFull
    ))
}
