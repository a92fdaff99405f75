//! `keys`: the data keys that secret values are encrypted under. Every subcommand works beside running servers.

use std::path::Path;

use clap::{Args, Subcommand};
use domain::{TenantId, secret::KeyId};
use persistence::{
    Database,
    encryption::{KeyStanding, Readiness, Retired, Rotated},
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Failure, print};
use crate::{
    server::{database::ChosenDatabase, encryption},
    settings::{Purpose, Settings},
};

/// Keys read at once.
const PAGE: u32 = 200;

#[derive(Args, Debug)]
pub struct Keys {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Give every tenant a new data key, and encrypt every secret value again.
    ///
    /// Data keys that are still needed are wrapped by the newest key-encryption key: the first in ENCRYPTION_KEY_FILE. To
    /// change that key, put a new one before it in the file of every server and command, then rotate; afterwards `keys
    /// status` says which key-encryption keys are in use, and the others can be removed.
    ///
    /// Servers go on meanwhile. A rotation that was interrupted goes on when it is asked for again.
    Rotate,
    /// End an old data key, which then is removed for good.
    ///
    /// Backups from before the rotation can't be read without it: keep the key as long as you mean to restore them.
    Retire {
        /// The key's id, as `keys list` shows it.
        id: Uuid,
    },
    /// List the data keys with what they are still needed for.
    List {
        /// Of this tenant alone.
        #[arg(long, value_name = "ID")]
        tenant: Option<Uuid>,
    },
    /// Say which key-encryption keys there are and which are in use, how many data keys, and whether all is well.
    Status,
}

impl Keys {
    pub async fn run(self, directory: &Path, as_json: bool) -> Result<(), Failure> {
        let settings = Settings::load(directory, Purpose::Database)?;
        let chosen = ChosenDatabase::for_command(&settings).await?;
        if !chosen.has_data_keys_table().await? {
            return Err(
                "the database has no tables for data keys yet: run `nomad-services migrate up`"
                    .into(),
            );
        }
        let database = chosen
            .pool(&settings)?
            .with_keyring(encryption::keyring(&settings));
        match self.command {
            Command::Rotate => rotate(&database, as_json).await,
            Command::Retire { id } => retire(&database, KeyId(id), as_json).await,
            Command::List { tenant } => list(&database, tenant.map(TenantId), as_json).await,
            Command::Status => status(&database, as_json).await,
        }
    }
}

async fn rotate(database: &Database, as_json: bool) -> Result<(), Failure> {
    if let Readiness::Unready(reason) = database.encryption_readiness().await? {
        return Err(reason.into());
    }
    let mut told = 0;
    let rotated = database.rotate_keys(|rotated| {
        if rotated.owners >= told + 100 {
            told = rotated.owners;
            eprintln!("{told} tenants done, {} rows encrypted again", rotated.rows);
        }
    });
    let Rotated {
        owners,
        keys,
        wrapped,
        rows,
        failures,
    } = rotated.await?;
    let text = if as_json {
        json!({"owners": owners, "keys": keys, "wrapped": wrapped, "rows": rows, "failures": failures})
            .to_string()
    } else {
        let mut text = format!(
            "{keys} data keys made for {owners} owners (tenants and the platform), {wrapped} older ones wrapped again, {rows} rows encrypted again"
        );
        for failure in &failures {
            text.push_str(&format!("\nnot encrypted again: {failure}"));
        }
        text
    };
    print(&text)?;
    if failures.is_empty() {
        return Ok(());
    }
    let count = failures.len();
    Err(format!("{count} rows could not be decrypted and keep their old key").into())
}

async fn retire(database: &Database, id: KeyId, as_json: bool) -> Result<(), Failure> {
    let retired = database.retire_data_key(id).await?;
    let text = match (as_json, retired) {
        (true, _) => json!({"id": id, "state": "retired"}).to_string(),
        (false, Retired::Now) => format!("{id} is retired."),
        (false, Retired::Before) => format!("{id} was retired before."),
    };
    Ok(print(&text)?)
}

async fn list(database: &Database, tenant: Option<TenantId>, as_json: bool) -> Result<(), Failure> {
    let mut lines = Vec::new();
    let mut after = None;
    loop {
        let page = database.data_keys(tenant, after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        for key in &page {
            let uses = database.uses_of_data_key(key).await?;
            lines.push(if as_json {
                document(key, uses).to_string()
            } else {
                line(key, uses)
            });
        }
    }
    if as_json {
        return Ok(print(&format!("{{\"keys\":[{}]}}", lines.join(",")))?);
    }
    Ok(print(&lines.join("\n"))?)
}

fn document(key: &KeyStanding, uses: u64) -> Value {
    json!({
        "id": key.id, "tenant_id": key.tenant, "version": key.version, "state": key.state,
        "wrapped_by": key.wrapped_by, "created_at": key.created_at, "rows": uses,
    })
}

fn line(key: &KeyStanding, uses: u64) -> String {
    let owner = key.tenant.map_or("the platform".to_owned(), |tenant| {
        format!("tenant {tenant}")
    });
    format!(
        "{}  {:<7}  {owner}, version {}, wrapped by {}, {uses} rows",
        key.id, key.state, key.version, key.wrapped_by
    )
}

async fn status(database: &Database, as_json: bool) -> Result<(), Failure> {
    let readiness = database.encryption_readiness().await?;
    let summary = database.summarise_data_keys().await?;
    let since = database.rotation_since().await?;
    let loaded = database.keyring().ids();
    let problem = match &readiness {
        Readiness::Ready => None,
        Readiness::Unready(reason) => Some(reason.clone()),
    };
    let text = if as_json {
        let counts = summary.iter().map(|count| {
            json!({"state": count.state, "wrapped_by": count.wrapped_by, "count": count.count})
        });
        json!({
            "ready": problem.is_none(), "problem": problem, "key_encryption_keys": loaded,
            "data_keys": counts.collect::<Vec<_>>(), "rotating_since": since,
        })
        .to_string()
    } else {
        let mut lines = vec![match &problem {
            None => "ready".to_owned(),
            Some(reason) => format!("not ready: {reason}"),
        }];
        lines.push(format!(
            "key-encryption keys, the newest first: {}",
            loaded.join(", ")
        ));
        for count in &summary {
            let (state, by) = (&count.state, &count.wrapped_by);
            lines.push(format!(
                "{} data keys {state}, wrapped by {by}",
                count.count
            ));
        }
        if let Some(since) = since {
            lines.push(format!("a rotation that began at {since} is not finished"));
        }
        lines.join("\n")
    };
    print(&text)?;
    match problem {
        None => Ok(()),
        Some(_) => Err("secret values can't be encrypted".into()),
    }
}
