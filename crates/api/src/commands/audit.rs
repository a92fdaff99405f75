//! `audit verify`: whether an export of the audit trail is what was sealed. It asks neither a server nor a database.

use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader},
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use serde_json::json;
use transparency_log::{
    VerifierKeys,
    checkpoint::Opened,
    verify::{Finding, Verification, Verified, VerifyError},
};

use super::{Failure, print};

/// What no seal can show.
const LIMITS: &str = "Not shown by this: rows after the head that was checked, and rows cut off the end together with it. \
     A head that is kept somewhere else, or cosigned by a witness, shows the latter; give it as --old-checkpoint.";

#[derive(Args, Debug)]
pub struct Audit {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check an export (NDJSON) against a signed checkpoint, without a server or a database.
    ///
    /// Exit code 1 names the first row that was edited, removed, moved or made up. Get the checkpoint before the export, so
    /// that the export holds all that the checkpoint covers; get the key once and keep it. What seals can't show: rows
    /// written after the checkpoint, and rows cut off the end together with the checkpoint that covered them, unless an
    /// older checkpoint was kept somewhere else.
    Verify(Verify),
}

#[derive(Args, Debug)]
struct Verify {
    /// GET /audit-logs/export, or "-" for standard input. Several are read one after the other: first what was archived.
    #[arg(required = true, value_name = "EXPORT")]
    exports: Vec<PathBuf>,
    /// The file with GET /audit-logs/checkpoint.
    #[arg(long, value_name = "FILE")]
    checkpoint: PathBuf,
    /// A verifier key, as GET /audit-logs/verifier-key has them; several where the key has changed.
    #[arg(long = "key", required = true, value_name = "VKEY")]
    keys: Vec<String>,
    /// A file with an older checkpoint: the log must have grown from it without changing.
    #[arg(long = "old-checkpoint", value_name = "FILE")]
    older: Vec<PathBuf>,
}

impl Audit {
    pub fn run(self, as_json: bool) -> Result<(), Failure> {
        let Self {
            command: Command::Verify(verify),
        } = self;
        verify.run(as_json)
    }
}

impl Verify {
    fn run(self, as_json: bool) -> Result<(), Failure> {
        let keys: VerifierKeys = self.keys.join("\n").parse()?;
        let newest = opened(&self.checkpoint, &keys)?;
        let mut heads = vec![newest.clone()];
        for path in &self.older {
            let older = opened(path, &keys)?;
            if older.checkpoint.size > newest.checkpoint.size {
                let (path, size) = (path.display(), newest.checkpoint.size);
                return Err(format!(
                    "{path} is of {} rows, and so newer than --checkpoint, which is of {size}",
                    older.checkpoint.size
                )
                .into());
            }
            heads.push(older);
        }
        match verified(heads, &self.exports) {
            Ok(verified) => Ok(print(&success(&newest, &verified, as_json))?),
            Err(Refused::Export(finding)) => {
                if as_json {
                    print(&json!({"verified": false, "finding": finding}).to_string())?;
                }
                Err(finding.detail.into())
            }
            Err(Refused::Other(error)) => Err(error),
        }
    }
}

enum Refused {
    Export(Finding),
    Other(Failure),
}

impl From<VerifyError> for Refused {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::Found(finding) => Self::Export(finding),
            other => Self::Other(other.into()),
        }
    }
}

fn opened(path: &Path, keys: &VerifierKeys) -> Result<Opened, Failure> {
    let shown = path.display();
    let note = fs::read_to_string(path).map_err(|error| format!("{shown}: {error}"))?;
    let opened = keys.open(&note);
    Ok(opened.map_err(|error| format!("{shown} is not to be believed: {error}"))?)
}

fn verified(heads: Vec<Opened>, exports: &[PathBuf]) -> Result<Verified, Refused> {
    let mut verification = Verification::new(heads)?;
    for path in exports {
        let failed =
            |error: io::Error| Refused::Other(format!("{}: {error}", path.display()).into());
        let reader: Box<dyn BufRead> = if path.as_os_str() == "-" {
            Box::new(io::stdin().lock())
        } else {
            Box::new(BufReader::new(File::open(path).map_err(failed)?))
        };
        for line in reader.lines() {
            verification.line(&line.map_err(failed)?)?;
        }
    }
    Ok(verification.finish()?)
}

fn success(newest: &Opened, verified: &Verified, as_json: bool) -> String {
    let Opened { checkpoint, key_id } = newest;
    let (origin, root) = (checkpoint.origin.as_str(), checkpoint.root.to_string());
    let key = format!("{key_id:08x}");
    let Verified { rows, uncovered } = verified;
    if as_json {
        return json!({
            "verified": true, "origin": origin, "rows": rows, "root": root, "key_id": key,
            "uncovered_rows": uncovered, "not_shown": LIMITS,
        })
        .to_string();
    }
    format!(
        "{rows} rows are as they were sealed, up to the head {root} of {origin}, signed by key {key}.\n\
         {uncovered} rows of the export are newer than that head.\n{LIMITS}"
    )
}
