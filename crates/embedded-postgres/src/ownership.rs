//! Whose cluster it is: one process runs it, others may use it meanwhile. The lock goes with its process however that
//! ends, so a predecessor that was killed never has to be guessed from what it left behind.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::Path,
    time::Duration,
};

use tokio::time::{Instant, sleep};

/// How long somebody else may take to start the cluster or to give it up.
const DEADLINE: Duration = Duration::from_secs(15);
const INTERVAL: Duration = Duration::from_millis(100);

/// Held by the process that runs the cluster in a folder.
#[derive(Debug)]
pub(crate) struct Ownership(#[expect(dead_code, reason = "closing it is what ends it")] File);

/// What a process is to a cluster.
#[derive(Debug)]
pub(crate) enum Claim {
    /// It runs the cluster.
    Owner(Ownership),
    /// Another process runs it, on this port.
    Guest(u16),
}

impl Ownership {
    /// Waits for the process that runs the cluster in `folder`, if there is one, to end.
    ///
    /// # Errors
    /// `None` where it goes on running.
    pub(crate) async fn wait(folder: &Path) -> io::Result<Option<Self>> {
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(ownership) = Self::take(folder)? {
                return Ok(Some(ownership));
            }
            if Instant::now() > deadline {
                return Ok(None);
            }
            sleep(INTERVAL).await;
        }
    }

    /// Becomes the owner, or finds the port of the cluster that the owner runs, once that is `usable`.
    ///
    /// # Errors
    /// `None` where there is an owner whose cluster does not become so.
    pub(crate) async fn claim(
        folder: &Path,
        usable: impl AsyncFn(u16) -> bool,
    ) -> io::Result<Option<Claim>> {
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(ownership) = Self::take(folder)? {
                return Ok(Some(Claim::Owner(ownership)));
            }
            if let Some(port) = ready_port(&folder.join("data"))
                && usable(port).await
            {
                return Ok(Some(Claim::Guest(port)));
            }
            if Instant::now() > deadline {
                return Ok(None);
            }
            sleep(INTERVAL).await;
        }
    }

    fn take(folder: &Path) -> io::Result<Option<Self>> {
        let file = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(folder.join("lock"))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

/// The fourth line of PostgreSQL's own lock file is its port, the eighth says whether it takes connections.
fn ready_port(data: &Path) -> Option<u16> {
    let text = fs::read_to_string(data.join("postmaster.pid")).ok()?;
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    let ready = *lines.get(7)? == "ready";
    lines.get(3)?.parse().ok().filter(|_| ready)
}
