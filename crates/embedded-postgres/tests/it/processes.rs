//! Processes as the system shows them.

use std::{
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// Generous, because it only bounds a test that fails.
const DEADLINE: Duration = Duration::from_secs(60);

/// Waits until `found` finds something.
pub fn eventually<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    while begun.elapsed() < DEADLINE {
        if let Some(found) = found() {
            return found;
        }
        thread::sleep(Duration::from_millis(20));
    }
    panic!("{what} did not happen within {DEADLINE:?}");
}

/// The server that says it runs on the cluster in `folder`.
pub fn server(folder: &Path) -> Option<Pid> {
    let file = fs::read_to_string(folder.join("data/postmaster.pid")).ok()?;
    let ready = file.lines().last()?.trim() == "ready";
    let process = file.lines().next()?.parse().ok()?;
    ready.then_some(Pid::from_raw(process))
}

/// Running, and not merely waiting to be noticed by its parent.
pub fn runs(process: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_some_and(|(_, state)| !state.starts_with('Z'))
}

pub fn ends(process: Pid) {
    eventually("the end of the process", || (!runs(process)).then_some(()));
}

pub fn murder(process: Pid) {
    kill(process, Signal::SIGKILL).unwrap();
}

/// The watchdog that `parent` has started.
pub fn watchdog_of(parent: Pid) -> Option<Pid> {
    let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"));
    let tasks = fs::read_dir(format!("/proc/{parent}/task")).ok()?.flatten();
    let others = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    let all: String = children.into_iter().chain(others).collect();
    all.split_whitespace()
        .filter_map(|child| child.parse().ok().map(Pid::from_raw))
        .find(|child| {
            let command = fs::read_to_string(format!("/proc/{child}/cmdline"));
            command.is_ok_and(|command| command.contains("watchdog"))
        })
}
