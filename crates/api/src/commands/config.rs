//! `config print`: what holds here, and where it comes from.

use std::{fmt::Write, path::Path};

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::{Failure, print};
use crate::settings::{Purpose, Settings};

#[derive(Args, Debug)]
pub struct Config {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print every setting with its origin: a file, an environment variable, or "built in". Secrets are masked.
    Print,
}

impl Config {
    pub fn run(self, directory: &Path, as_json: bool) -> Result<(), Failure> {
        let Self {
            command: Command::Print,
        } = self;
        let settings = Settings::load(directory, Purpose::Inspect)?;
        let text = if as_json {
            document(&settings).to_string()
        } else {
            listing(&settings)
        };
        Ok(print(&text)?)
    }
}

fn document(settings: &Settings) -> Value {
    let entries = settings
        .entries()
        .map(|(key, value, origin)| (key.to_owned(), json!({"value": value, "origin": origin})));
    json!({
        "environment": settings.environment.name(),
        "settings": entries.collect::<Map<_, _>>(),
    })
}

/// As the configuration files have it, so that a part of it can be copied into one.
fn listing(settings: &Settings) -> String {
    let mut text = format!("# environment: {}\n", settings.environment.name());
    let mut section = "";
    let mut entries: Vec<_> = settings
        .entries()
        .map(|(key, value, origin)| (key.rsplit_once('.').unwrap_or(("", key)), value, origin))
        .collect();
    // A section's own keys stand before its subsections.
    entries.sort_by_key(|(key, ..)| *key);
    for ((own, name), value, origin) in entries {
        if own != section {
            section = own;
            // Writing to a string does not fail.
            let _ = writeln!(text, "\n[{section}]");
        }
        let _ = writeln!(text, "{:<50} # {origin}", format!("{name} = {value}"));
    }
    text
}
