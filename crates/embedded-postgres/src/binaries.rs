//! Where PostgreSQL's programs are, and the account that may run them.

use std::{
    env,
    ffi::OsStr,
    fs,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Command,
};

use nix::unistd::{Gid, Uid, User};

/// Where Debian and its relatives install each major version.
const VERSIONS: &str = "/usr/lib/postgresql";

/// Accounts that root runs PostgreSQL as, in this order of preference.
const ACCOUNTS: [&str; 2] = ["postgres", "nobody"];

/// A folder with `initdb`, `pg_ctl` and `postgres`, and who runs them.
#[derive(Clone, Debug)]
pub struct Binaries {
    folder: PathBuf,
    account: Option<(Uid, Gid)>,
}

impl Binaries {
    /// Looks in `preferred`, then on `PATH`, then where distributions install PostgreSQL, the newest version first.
    pub fn find(preferred: Option<&Path>) -> Option<Self> {
        let on_path = env::var_os("PATH").map(|path| env::split_paths(&path).collect::<Vec<_>>());
        let mut installed: Vec<_> = fs::read_dir(VERSIONS)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| {
                Some((
                    entry.file_name().to_str()?.parse::<u32>().ok()?,
                    entry.path(),
                ))
            })
            .collect();
        installed.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
        let folder = preferred
            .map(Path::to_owned)
            .into_iter()
            .chain(on_path.into_iter().flatten())
            .chain(installed.into_iter().map(|(_, folder)| folder.join("bin")))
            .find(|folder| {
                ["initdb", "pg_ctl", "postgres"]
                    .iter()
                    .all(|name| folder.join(name).is_file())
            })?;
        // A link on PATH does not lead PostgreSQL to its own other files; where it points to does.
        let real = fs::canonicalize(folder.join("initdb")).ok()?;
        let folder = real.parent().map(Path::to_owned)?;
        Some(Self {
            folder,
            account: unprivileged(),
        })
    }

    /// One of the programs, to be run as the account that may run it.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(self.folder.join(program.as_ref()));
        command
            .current_dir("/")
            .env_remove("PGDATA")
            .env_remove("PGHOST")
            .env_remove("PGPORT");
        if let Some((user, group)) = self.account {
            command.uid(user.as_raw()).gid(group.as_raw());
        }
        command
    }

    /// Gives a folder to the account that runs PostgreSQL.
    pub(crate) fn own(&self, folder: &Path) -> std::io::Result<()> {
        match self.account {
            Some((user, group)) => Ok(nix::unistd::chown(folder, Some(user), Some(group))?),
            None => Ok(()),
        }
    }
}

fn unprivileged() -> Option<(Uid, Gid)> {
    if !Uid::effective().is_root() {
        return None;
    }
    let found = ACCOUNTS
        .iter()
        .find_map(|name| User::from_name(name).ok().flatten());
    found.map(|user| (user.uid, user.gid))
}
