//! `audit`: the audit trail as files. `export` writes them from the database; `verify` says whether one is what was sealed,
//! and asks neither a server nor a database.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufRead, BufReader, BufWriter, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use persistence::{Database, audit_export::SealedLog};
use serde_json::json;
use transparency_log::{
    VerifierKeys,
    checkpoint::Opened,
    export::Line,
    verify::{Finding, Verification, Verified, VerifyError},
};

use super::{Failure, print};
use crate::{
    server::database::ChosenDatabase,
    settings::{Purpose, Settings},
};

/// Rows read at once.
const PAGE: u64 = 1000;

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
    /// Write the logs of every tenant and of the platform into a folder, from the database.
    ///
    /// For each log three files, named after the tenant or "platform": .ndjson with the rows, .checkpoint with the newest
    /// signed head, .keys with the verifier keys. No file is written over. Before rows are archived, this keeps them.
    Export {
        /// The folder; it is made where there is none.
        #[arg(long, value_name = "FOLDER")]
        directory: PathBuf,
    },
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
    pub async fn run(self, configuration: &Path, as_json: bool) -> Result<(), Failure> {
        match self.command {
            Command::Verify(verify) => verify.run(as_json),
            Command::Export { directory } => export(configuration, &directory, as_json).await,
        }
    }
}

async fn export(configuration: &Path, folder: &Path, as_json: bool) -> Result<(), Failure> {
    let settings = Settings::load(configuration, Purpose::Database)?;
    let seal = settings.seal()?;
    let chosen = ChosenDatabase::for_command(&settings).await?;
    let database = chosen.pool(&settings)?;
    fs::create_dir_all(folder)?;
    let mut written = Vec::new();
    for sealed in database.sealed_logs().await? {
        let name = match sealed.log {
            Some(tenant) => tenant.to_string(),
            None => "platform".to_owned(),
        };
        let keys = seal.keys.verifiers(&seal.origin(sealed.log)).join("\n") + "\n";
        let file = |ending: &str| new_file(&folder.join(format!("{name}.{ending}")));
        file("checkpoint")?.write_all(sealed.note.as_bytes())?;
        file("keys")?.write_all(keys.as_bytes())?;
        let rows = write_rows(&database, &sealed, file("ndjson")?).await?;
        written.push(json!({"log": name, "rows": rows, "tree_size": sealed.size}));
    }
    let text = if as_json {
        json!({"logs": written}).to_string()
    } else {
        format!("{} logs written to {}", written.len(), folder.display())
    };
    Ok(print(&text)?)
}

/// The rows that the newest head covers, but for those that were archived.
async fn write_rows(database: &Database, sealed: &SealedLog, file: File) -> Result<u64, Failure> {
    let mut file = BufWriter::new(file);
    let (mut next, mut written) = (0, 0);
    while next < sealed.size {
        let page = database
            .sealed_rows(sealed.log, next..sealed.size, PAGE)
            .await?;
        for leaf in &page {
            serde_json::to_writer(&mut file, &Line::of(leaf)?)?;
            file.write_all(b"\n")?;
            written += 1;
        }
        next = page.last().map_or(sealed.size, |last| last.index + 1);
    }
    file.into_inner()?.sync_all()?;
    Ok(written)
}

/// For its owner alone, and never in the place of another.
fn new_file(path: &Path) -> Result<File, Failure> {
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    Ok(file.map_err(|error| format!("{}: {error}", path.display()))?)
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
