//! Running PostgreSQL's own benchmark.

use std::{
    env, fs,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::process::Command;
use tokio_postgres::Config;

use crate::{Result, samples::Seen};

/// What one run of it is.
pub struct Run<'a> {
    pub config: &'a Config,
    pub database: &'a str,
    pub script: &'a str,
    pub variables: &'a [(&'a str, u32)],
    pub clients: u32,
    pub seconds: u64,
}

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

impl Run<'_> {
    /// Runs the script with the server's own login and role.
    pub async fn run(&self, program: &Path) -> Result<Seen> {
        let folder = tempfile::tempdir()?;
        let script = folder.path().join("script");
        fs::write(&script, self.script)?;
        let port = self.config.get_ports().first().copied().unwrap_or_default();
        let password = self.config.get_password().unwrap_or_default();
        let output = Command::new(program)
            .args(["--no-vacuum", "--protocol=prepared", "--log"])
            .arg(format!("--log-prefix={}/log", folder.path().display()))
            .arg(format!("--client={}", self.clients))
            .arg(format!("--jobs={}", self.clients.min(2)))
            .arg(format!("--time={}", self.seconds))
            .args(
                self.variables
                    .iter()
                    .map(|(name, value)| format!("--define={name}={value}")),
            )
            .arg("--file")
            .arg(script)
            .env("PGHOST", "127.0.0.1")
            .env("PGPORT", port.to_string())
            .env("PGUSER", self.config.get_user().unwrap_or_default())
            .env("PGPASSWORD", String::from_utf8_lossy(password).as_ref())
            .env("PGDATABASE", self.database)
            .env("PGOPTIONS", "-c role=nomad_services_app -c timezone=UTC")
            .kill_on_drop(true)
            .output()
            .await?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("pgbench failed: {said}").into());
        }
        let said = String::from_utf8_lossy(&output.stdout);
        let rate = said
            .lines()
            .find_map(|line| line.strip_prefix("tps = ")?.split(' ').next());
        let latencies = latencies(folder.path())?;
        Ok(Seen {
            rate: rate.ok_or("pgbench told no rate")?.parse()?,
            ..Seen::of(latencies, Duration::from_secs(self.seconds))
        })
    }
}

/// From the logs, whose third column is a transaction's time in microseconds.
fn latencies(folder: &Path) -> Result<Vec<Duration>> {
    let mut latencies = Vec::new();
    for file in fs::read_dir(folder)? {
        let file = file?;
        if !file.file_name().to_string_lossy().starts_with("log") {
            continue;
        }
        for line in fs::read_to_string(file.path())?.lines() {
            let time = line.split(' ').nth(2).and_then(|time| time.parse().ok());
            latencies.push(Duration::from_micros(
                time.ok_or("pgbench's log has another form")?,
            ));
        }
    }
    Ok(latencies)
}
