//! Where PostgreSQL's programs are, and the account that may run them.

use std::{
    cmp::Reverse,
    env,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{ClusterError, account::Account, fetch};

/// Where Debian and its relatives install each major version.
const VERSIONS: &str = "/usr/lib/postgresql";

const NEEDED: [&str; 3] = ["initdb", "pg_ctl", "postgres"];

/// The version that is fetched where none is installed.
const FETCHED_VERSION: &str = "17.6.0";

/// A folder with `initdb`, `pg_ctl` and `postgres`, and who runs them.
#[derive(Clone, Debug)]
pub struct Binaries {
    folder: PathBuf,
    account: Option<Account>,
}

impl Binaries {
    /// Those in `preferred`; without it those on `PATH`, then those a distribution has installed, the newest version first;
    /// and where there are none, a build that is fetched once and kept.
    ///
    /// # Errors
    /// `preferred` does not hold them, or there are none and none can be fetched.
    pub async fn find_or_fetch(preferred: Option<&Path>) -> Result<Self, ClusterError> {
        if let Some(folder) = preferred {
            return Self::complete(folder).ok_or_else(|| ClusterError::Incomplete {
                folder: folder.to_owned(),
            });
        }
        match Self::installed() {
            Some(binaries) => Ok(binaries),
            None => Self::fetch(FETCHED_VERSION).await,
        }
    }

    /// The build of exactly this version (`17.6.0`), fetched unless it was fetched before.
    ///
    /// # Errors
    /// There is no such build, or it can't be fetched or kept.
    pub async fn fetch(version: &str) -> Result<Self, ClusterError> {
        let folder = fetch::kept(version, Account::unprivileged()).await?;
        let incomplete = ClusterError::Incomplete {
            folder: folder.clone(),
        };
        Self::complete(&folder).ok_or(incomplete)
    }

    fn installed() -> Option<Self> {
        let on_path = env::var_os("PATH").map(|path| env::split_paths(&path).collect::<Vec<_>>());
        let mut versions: Vec<_> = fs::read_dir(VERSIONS)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| {
                let version: u32 = entry.file_name().to_str()?.parse().ok()?;
                Some((Reverse(version), entry.path().join("bin")))
            })
            .collect();
        versions.sort();
        let versions = versions.into_iter().map(|(_, folder)| folder);
        let mut folders = on_path.into_iter().flatten().chain(versions);
        folders.find_map(|folder| Self::complete(&folder))
    }

    fn complete(folder: &Path) -> Option<Self> {
        let account = Account::unprivileged();
        let there = NEEDED.iter().all(|name| folder.join(name).is_file());
        // A link on PATH does not lead PostgreSQL to its own other files; where it points to does.
        let real = fs::canonicalize(folder.join("initdb")).ok()?;
        let reached = account.is_none_or(|account| account.reaches(&real));
        let folder = real.parent().map(Path::to_owned)?;
        (there && reached).then_some(Self { folder, account })
    }

    /// One of the programs, to be run as the account that may run it.
    pub(crate) fn command(&self, program: &str) -> Command {
        self.unprivileged(self.folder.join(program))
    }

    /// Any program, run as the account that runs PostgreSQL.
    pub(crate) fn unprivileged(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir("/")
            .env_remove("PGDATA")
            .env_remove("PGHOST")
            .env_remove("PGPORT");
        if let Some(account) = self.account {
            account.runs(&mut command);
        }
        command
    }

    /// Gives a file or folder to the account that runs PostgreSQL.
    pub(crate) fn own(&self, path: &Path) -> std::io::Result<()> {
        self.account.map_or(Ok(()), |account| account.owns(path))
    }

    /// Whether the account that runs PostgreSQL gets to `path`.
    pub(crate) fn reach(&self, path: &Path) -> bool {
        self.account.is_none_or(|account| account.reaches(path))
    }
}
