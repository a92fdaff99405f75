//! `with-postgres COMMAND…` runs a command beside a throw-away PostgreSQL, whose address it finds in `TEST_DATABASE_URL`.
//! `POSTGRES_BIN_DIR` says which programs to use; `POSTGRES_VERSION` (`16.9.0`) fetches that version, whatever is installed.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use embedded_postgres::{Binaries, Cluster, ClusterError, Durability, test_database::VARIABLE};
use nix::{sys::signal::kill, unistd::Pid};
use secrecy::ExposeSecret;
use tokio::{
    process::Command,
    signal::unix::{SignalKind, signal},
};

const PREFIX: &str = "nomad-services-test-";

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("with-postgres: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<u8, Box<dyn std::error::Error>> {
    let mut arguments = env::args_os().skip(1);
    let Some(program) = arguments.next() else {
        eprintln!("usage: with-postgres COMMAND [ARGUMENT…]");
        return Ok(2);
    };
    let setting = |name| env::var_os(name).filter(|value| !value.is_empty());
    let preferred = setting("POSTGRES_BIN_DIR").map(PathBuf::from);
    let binaries = match setting("POSTGRES_VERSION") {
        Some(version) => Binaries::fetch(&version.to_string_lossy()).await?,
        None => Binaries::find_or_fetch(preferred.as_deref()).await?,
    };
    sweep(&binaries).await;
    let folder = env::temp_dir().join(format!("{PREFIX}{}", std::process::id()));
    let cluster = Cluster::start(binaries, &folder, Durability::Throwaway).await?;
    let (mut interrupt, mut terminate) = (
        signal(SignalKind::interrupt())?,
        signal(SignalKind::terminate())?,
    );
    let mut child = Command::new(program)
        .args(arguments)
        .env(VARIABLE, cluster.url().expose_secret())
        .kill_on_drop(true)
        .spawn()?;
    let status = tokio::select! {
        status = child.wait() => status?.code(),
        _ = interrupt.recv() => None,
        _ = terminate.recv() => None,
    };
    drop(child);
    drop(cluster);
    remove(&folder)?;
    Ok(status.and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}

/// Ends and removes what runs that were killed have left.
async fn sweep(binaries: &Binaries) {
    let entries = fs::read_dir(env::temp_dir())
        .into_iter()
        .flatten()
        .flatten();
    for folder in entries
        .map(|entry| entry.path())
        .filter(|folder| is_abandoned(folder))
    {
        // Only the process that starts a cluster may end its orphan; one of another process namespace still holds it.
        let started = Cluster::start(binaries.clone(), &folder, Durability::Throwaway).await;
        if matches!(started, Err(ClusterError::InUse { .. })) {
            continue;
        }
        drop(started);
        if let Err(error) = remove(&folder) {
            eprintln!("with-postgres: {} stays: {error}", folder.display());
        }
    }
}

/// Removes the folder, and the one that it leads to where PostgreSQL could not get to it.
fn remove(folder: &Path) -> io::Result<()> {
    let real = fs::canonicalize(folder)?;
    fs::remove_dir_all(&real)?;
    if real == folder || !folder.is_symlink() {
        return Ok(());
    }
    fs::remove_file(folder)
}

fn is_abandoned(folder: &Path) -> bool {
    let name = folder
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let process = name
        .strip_prefix(PREFIX)
        .and_then(|process| process.parse().ok());
    process.is_some_and(|process| kill(Pid::from_raw(process), None).is_err())
}
