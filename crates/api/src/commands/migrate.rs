//! `migrate`: the schema of the database, by hand.

use std::path::Path;

use clap::{Args, Subcommand};
use migration::Standing;
use postgres_connection::Address;
use serde_json::{Value, json};

use super::{Failure, print};
use crate::{
    server::database::{ChosenDatabase, unusable},
    settings::{Purpose, Settings},
};

#[derive(Args, Debug)]
pub struct Migrate {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Apply every migration that has not been applied.
    Up,
    /// Take back the last migrations, and the data that only they had a place for.
    Down {
        /// How many to take back.
        #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
        steps: u32,
        /// Take back every one: the database is empty afterwards.
        #[arg(long, conflicts_with = "steps")]
        all: bool,
    },
    /// Say which migrations have been applied, and change nothing.
    Status,
}

impl Migrate {
    pub async fn run(self, directory: &Path, as_json: bool) -> Result<(), Failure> {
        let settings = Settings::load(directory, Purpose::Database)?;
        let database = ChosenDatabase::for_command(&settings).await?;
        let address = database.direct();
        let changed = match self.command {
            Command::Up => migration::up(address, None).await,
            Command::Down { all: true, .. } => migration::down(address, None).await,
            Command::Down { steps, .. } => migration::down(address, Some(steps)).await,
            Command::Status => Ok(()),
        };
        changed.map_err(|error| unusable("can't be migrated", &error))?;
        report(address, as_json).await
    }
}

async fn report(address: &Address, as_json: bool) -> Result<(), Failure> {
    let status = migration::status(address).await;
    let status = status.map_err(|error| unusable("can't be asked for its schema", &error))?;
    let text = if as_json {
        let migrations = status
            .iter()
            .map(|(name, standing)| json!({"name": name, "status": word(*standing)}));
        json!({"migrations": migrations.collect::<Vec<Value>>()}).to_string()
    } else {
        let lines = status
            .iter()
            .map(|(name, standing)| format!("{:<8} {name}", word(*standing)));
        lines.collect::<Vec<_>>().join("\n")
    };
    Ok(print(&text)?)
}

fn word(standing: Standing) -> &'static str {
    match standing {
        Standing::Applied => "applied",
        Standing::Pending => "pending",
        Standing::Unknown => "unknown",
    }
}
