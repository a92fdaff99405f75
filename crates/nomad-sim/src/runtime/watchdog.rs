//! A process group that dies with the simulator, even when that is killed without a word.
//!
//! A small shell leads the group and waits on a pipe that only the simulator holds open. When the simulator dies, however
//! that comes, the system closes the pipe, the shell wakes and kills its whole group: the task and what it has started. The
//! group exists before the task joins it, so there is no moment at which a task is unguarded; and no unsafe code, no
//! helper binary and nothing beyond POSIX is needed. A process that leaves the group by `setsid` escapes.

use std::{io::Result, process::Stdio};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use tokio::process::{Child, Command};

use super::directory::Account;

const SCRIPT: &str = "read -r _; kill -KILL 0";

/// A process group. All of it is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Group {
    /// Not reaped before the group is killed, so that its number can't have become another's.
    _leader: Child,
    id: i32,
}

impl Group {
    /// Starts the shell that leads a new group.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn new(account: Account) -> Result<Self> {
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", SCRIPT, "nomad-sim-watchdog"])
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0);
        run_as(&mut command, account);
        let leader = command.spawn()?;
        let id = leader.id().and_then(|id| i32::try_from(id).ok());
        let id = id.ok_or_else(|| std::io::Error::other("the watchdog ended at once"))?;
        Ok(Self {
            _leader: leader,
            id,
        })
    }

    /// Its number, which is that of its leader.
    pub(crate) fn id(&self) -> i32 {
        self.id
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // It may be empty already.
        let _ = killpg(Pid::from_raw(self.id), Signal::SIGKILL);
    }
}

/// Makes a command run as the account for tasks.
pub(crate) fn run_as(command: &mut Command, account: Account) {
    if let Some((user, group)) = account {
        command.uid(user.as_raw()).gid(group.as_raw());
    }
}
