//! `verify-isolation`: the attack of one tenant on another, on a database in use.

use std::{error::Error as _, path::Path};

use clap::Args;
use migration::SchemaState;
use persistence::isolation::{Attempt, Verdict};
use serde_json::{Value, json};

use super::{Failure, print};
use crate::{
    server::database::ChosenDatabase,
    settings::{Purpose, Settings},
};

/// Nothing to choose.
#[derive(Args, Debug)]
pub struct VerifyIsolation {}

impl VerifyIsolation {
    pub async fn run(self, directory: &Path, as_json: bool) -> Result<(), Failure> {
        let settings = Settings::load(directory, Purpose::Database)?;
        let database = ChosenDatabase::for_command(&settings).await?;
        let state = migration::state(database.direct()).await?;
        if state != SchemaState::Current {
            return Err("the database's schema is not this program's: see `migrate status`".into());
        }
        let attempts = database.pool(&settings)?.attack().await;
        let attempts = attempts.map_err(|error| match error.source() {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        })?;
        print(&if as_json {
            document(&attempts).to_string()
        } else {
            lines(&attempts)
        })?;
        let found: Vec<_> = of(&attempts, Verdict::Broken).collect();
        if found.is_empty() {
            return Ok(());
        }
        let objects: Vec<_> = found
            .iter()
            .map(|attempt| attempt.object.as_str())
            .collect();
        Err(format!(
            "tenants are not kept apart: {}",
            unique(&objects).join(", ")
        )
        .into())
    }
}

fn of(attempts: &[Attempt], verdict: Verdict) -> impl Iterator<Item = &Attempt> {
    attempts
        .iter()
        .filter(move |attempt| attempt.verdict == verdict)
}

/// Neighbours are the same where they are the same at all.
fn unique<'a>(objects: &[&'a str]) -> Vec<&'a str> {
    let mut unique = objects.to_vec();
    unique.dedup();
    unique
}

fn lines(attempts: &[Attempt]) -> String {
    let lines: String = attempts
        .iter()
        .map(|attempt| format!("{attempt}\n"))
        .collect();
    let count = |verdict| of(attempts, verdict).count();
    format!(
        "{lines}{} attempts: {} came to nothing, {} found, {} notes, {} untried; nothing of them was kept",
        attempts.len(),
        count(Verdict::Held),
        count(Verdict::Broken),
        count(Verdict::Noted),
        count(Verdict::Untried),
    )
}

fn document(attempts: &[Attempt]) -> Value {
    let attempt = |attempt: &Attempt| {
        json!({
            "object": attempt.object, "attempt": attempt.tried, "outcome": attempt.outcome,
            "verdict": attempt.verdict.as_str().to_lowercase(),
        })
    };
    json!({
        "attempts": attempts.iter().map(attempt).collect::<Vec<_>>(),
        "findings": of(attempts, Verdict::Broken).count(),
    })
}
