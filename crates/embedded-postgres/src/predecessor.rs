//! What a predecessor left that was killed: perhaps a server that still runs, and a
//! file with the number of a process that may be somebody else's by now.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use nix::{errno::Errno, sys::signal::kill, unistd::Pid};

use crate::{Binaries, ClusterError};

/// How long the processes of a server that was ended may take to notice.
const DEADLINE: Duration = Duration::from_secs(20);
/// Where Linux shows them.
const PROCESSES: &str = "/proc";

const PAUSE: Duration = Duration::from_millis(50);

/// Ends the server that still runs on `data`, and takes away a process number that is not its own. Call it as the owner.
pub(crate) fn end(binaries: &Binaries, data: &Path) -> Result<(), ClusterError> {
    // Where this fails the server's own start says what is the matter.
    let _ = stop(binaries, data, "immediate");
    let begun = Instant::now();
    while !servers(data).is_empty() && begun.elapsed() < DEADLINE {
        thread::sleep(PAUSE);
    }
    // PostgreSQL takes any living process of its account for the one that wrote the file.
    if recorded_process(data).is_some_and(|process| is_alive(process) && !serves(process, data)) {
        let path = data.join("postmaster.pid");
        fs::remove_file(&path).map_err(|source| ClusterError::File { path, source })?;
    }
    Ok(())
}

/// Ends the server on `data` and waits for that; whatever else has its recorded number is left alone.
pub(crate) fn stop(binaries: &Binaries, data: &Path, mode: &str) -> io::Result<()> {
    if !recorded_process(data).is_some_and(|process| serves(process, data)) {
        return Ok(());
    }
    let mut stop = binaries.command("pg_ctl");
    stop.args(["stop", "--wait", "--mode", mode, "--pgdata"])
        .arg(data)
        .stdout(Stdio::null());
    let status = stop.status()?;
    match status.success() {
        true => Ok(()),
        false => Err(io::Error::other(format!("pg_ctl ended with {status}"))),
    }
}

/// The process that says it is the server on `data`.
pub(crate) fn recorded_process(data: &Path) -> Option<Pid> {
    let text = fs::read_to_string(data.join("postmaster.pid")).ok()?;
    text.lines()
        .next()?
        .trim()
        .parse()
        .ok()
        .filter(|process| *process > 0)
        .map(Pid::from_raw)
}

fn is_alive(process: Pid) -> bool {
    !matches!(kill(process, None), Err(Errno::ESRCH))
}

/// Whether the process is a server on `data`; where the system does not tell, a living process is taken for it.
fn serves(process: Pid, data: &Path) -> bool {
    if Path::new(PROCESSES).is_dir() {
        servers(data).contains(&process)
    } else {
        is_alive(process)
    }
}

/// The processes named `postgres` that work in `data`: each of a server's does. One that has ended works nowhere.
fn servers(data: &Path) -> Vec<Pid> {
    let number = |process: PathBuf| {
        let program = fs::read_link(process.join("exe")).ok()?;
        let folder = fs::read_link(process.join("cwd")).ok()?;
        let works_here = program.file_name()?.to_str()?.starts_with("postgres") && folder == data;
        let number = process.file_name()?.to_str()?.parse().ok()?;
        works_here.then(|| Pid::from_raw(number))
    };
    fs::read_dir(PROCESSES)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| number(entry.path()))
        .collect()
}
