//! A small process that outlives this one and then ends the private PostgreSQL, which otherwise nobody would end after a
//! SIGKILL.

use std::{
    io,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Stdio},
};

use nix::unistd::Pid;

use crate::Binaries;

/// The input ends when the process at its other end does. The server is asked to end only while it is the one recorded.
const SCRIPT: &str = "trap '' HUP INT TERM; while read -r _; do :; done; \
     read -r recorded < \"$1\" && [ \"$recorded\" = \"$2\" ] && kill -INT \"$2\"";

/// Watches until it is dropped, or this process ends in any other way.
#[derive(Debug)]
pub(crate) struct Watchdog(Child);

impl Watchdog {
    /// Watches over the server with this process number on `data`.
    pub(crate) fn over(binaries: &Binaries, data: &Path, server: Pid) -> io::Result<Self> {
        let mut shell = binaries.unprivileged("/bin/sh");
        shell
            .args(["-c", SCRIPT, "nomad-services-watchdog"])
            .arg(data.join("postmaster.pid"))
            .arg(server.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // A signal for everything that runs in the terminal is not meant for it.
            .process_group(0);
        shell.spawn().map(Self)
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        if let Err(error) = self.0.wait() {
            eprintln!("the watchdog of the private PostgreSQL was not seen ending: {error}");
        }
    }
}
