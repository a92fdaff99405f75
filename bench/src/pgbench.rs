//! Running PostgreSQL's own benchmark.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use secrecy::ExposeSecret;
use tokio::process::Command;

use crate::{Result, ground::Login};

/// pgbench on `PATH`, else beside PostgreSQL's other programs.
pub fn find() -> Option<PathBuf> {
    let on_path = env::var_os("PATH").map(|path| env::split_paths(&path).collect::<Vec<_>>());
    let preferred = env::var_os("POSTGRES_BIN_DIR").map(PathBuf::from);
    let installed = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let installed = installed
        .flatten()
        .map(|version| version.path().join("bin"));
    let folders = preferred
        .into_iter()
        .chain(on_path.into_iter().flatten())
        .chain(installed);
    let mut programs = folders.map(|folder| folder.join("pgbench"));
    programs.find(|program| program.is_file())
}

/// Transactions per second of `script`, run by this many clients as the server's own role.
pub async fn run(
    program: &Path,
    login: &Login,
    script: &str,
    clients: usize,
    seconds: u64,
) -> Result<f64> {
    let file = tempfile::NamedTempFile::new()?;
    fs::write(file.path(), script)?;
    let output = Command::new(program)
        .args(["--no-vacuum", "--protocol=prepared", "--define=known=0"])
        .arg(format!("--client={clients}"))
        .arg(format!("--jobs={}", clients.min(2)))
        .arg(format!("--time={seconds}"))
        .arg("--file")
        .arg(file.path())
        .env("PGHOST", "127.0.0.1")
        .env("PGPORT", login.port.to_string())
        .env("PGUSER", &login.user)
        .env("PGPASSWORD", login.password.expose_secret())
        .env("PGDATABASE", &login.database)
        .env("PGOPTIONS", "-c role=nomad_services_app -c timezone=UTC")
        .output()
        .await?;
    let said = String::from_utf8_lossy(&output.stdout);
    let rate = said
        .lines()
        .find_map(|line| line.strip_prefix("tps = ")?.split(' ').next());
    let failed = || {
        format!(
            "pgbench failed: {}",
            String::from_utf8_lossy(&output.stderr)
        )
    };
    match rate {
        Some(rate) if output.status.success() => Ok(rate.parse()?),
        _ => Err(failed().into()),
    }
}
