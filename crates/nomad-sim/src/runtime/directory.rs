//! The folders of an allocation, and the account its processes run as.

use std::{
    fs,
    io::{Error, Result},
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::OnceLock,
};

use nix::{
    errno::Errno,
    sys::signal::kill,
    unistd::{Gid, Pid, Uid, User, chown},
};

const PREFIX: &str = "nomad-sim-";

/// Whom root runs tasks as: an account that owns nothing.
const ACCOUNT: &str = "nobody";

static BASE: OnceLock<PathBuf> = OnceLock::new();

/// Who runs a task's processes; nobody else than the simulator's own user where that is not root.
pub(crate) type Account = Option<(Uid, Gid)>;

/// The account for tasks.
///
/// # Errors
/// There is no unprivileged account on this machine, and tasks never run as root.
pub(crate) fn account() -> Result<Account> {
    if !Uid::effective().is_root() {
        return Ok(None);
    }
    match User::from_name(ACCOUNT)? {
        Some(user) => Ok(Some((user.uid, user.gid))),
        None => Err(Error::other(format!(
            "there is no account {ACCOUNT:?}, and tasks do not run as root"
        ))),
    }
}

/// Where a task finds its files.
#[derive(Clone, Debug)]
pub(crate) struct Directories {
    /// The task's own folder, in which it starts.
    pub(crate) task: PathBuf,
    /// Shared by the tasks of an allocation.
    pub(crate) alloc: PathBuf,
    /// `local/` of the task.
    pub(crate) local: PathBuf,
    /// `secrets/` of the task.
    pub(crate) secrets: PathBuf,
}

impl Directories {
    /// Makes the folders of a task, where they are not there yet.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn prepare(allocation_id: &str, task: &str, account: Account) -> Result<Self> {
        let allocation = base()?.join(plain(allocation_id));
        let task = allocation.join(plain(task));
        let alloc = allocation.join("alloc");
        let made = Self {
            local: task.join("local"),
            secrets: task.join("secrets"),
            task,
            alloc,
        };
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o711)
            .create(&allocation)?;
        for folder in [
            &made.alloc,
            &made.alloc.join("data"),
            &made.alloc.join("tmp"),
            &made.task,
            &made.local,
            &made.secrets,
            &made.task.join("tmp"),
        ] {
            if !folder.is_dir() {
                fs::create_dir(folder)?;
                own(folder, account)?;
            }
        }
        fs::set_permissions(&made.secrets, fs::Permissions::from_mode(0o700))?;
        Ok(made)
    }

    /// Writes a file of the task's, named relative to its folder.
    ///
    /// # Errors
    /// The name leads out of the task's folder, or what the system says.
    pub(crate) fn write(
        &self,
        name: &str,
        content: &str,
        mode: u32,
        account: Account,
    ) -> Result<()> {
        let relative = Path::new(name);
        let inside = relative
            .components()
            .all(|part| matches!(part, std::path::Component::Normal(_)));
        if !inside {
            return Err(Error::other(format!(
                "template destination {name:?} is outside of the task's folder"
            )));
        }
        let mut folder = self.task.clone();
        for part in relative.parent().into_iter().flat_map(Path::iter) {
            folder.push(part);
            if !folder.is_dir() {
                fs::create_dir(&folder)?;
                own(&folder, account)?;
            }
        }
        let file = self.task.join(relative);
        // A link that a task left there must not lead the simulator, which may be root, elsewhere.
        if file.symlink_metadata().is_ok() {
            fs::remove_file(&file)?;
        }
        fs::write(&file, content)?;
        fs::set_permissions(&file, fs::Permissions::from_mode(mode))?;
        own(&file, account)
    }
}

/// Removes the files of an allocation, as garbage collection or a purge does.
pub fn forget(allocation_id: &str) {
    if let Some(base) = BASE.get() {
        // Nothing there, or nothing that a simulator could do about it.
        let _ = fs::remove_dir_all(base.join(plain(allocation_id)));
    }
}

fn own(path: &Path, account: Account) -> Result<()> {
    match account {
        Some((user, group)) => Ok(chown(path, Some(user), Some(group))?),
        None => Ok(()),
    }
}

/// A name that is a single, harmless part of a path: task names may be `..` or hold slashes.
fn plain(name: &str) -> String {
    name.chars()
        .map(|character| match character {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' => character,
            _ => '_',
        })
        .collect()
}

/// This process's folder, made once; those of simulators that are gone are removed first.
fn base() -> Result<&'static Path> {
    if let Some(base) = BASE.get() {
        return Ok(base);
    }
    let temporary = std::env::temp_dir();
    for entry in fs::read_dir(&temporary)?.flatten() {
        if is_abandoned(&entry.file_name().to_string_lossy()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    let made = tempfile::Builder::new()
        .prefix(&format!("{PREFIX}{}-", std::process::id()))
        .tempdir_in(&temporary)?
        .keep();
    // Its name can't be guessed, and tasks must pass through it.
    fs::set_permissions(&made, fs::Permissions::from_mode(0o711))?;
    let base = BASE.get_or_init(|| made.clone());
    if *base != made {
        fs::remove_dir(&made)?;
    }
    Ok(base)
}

fn is_abandoned(name: &str) -> bool {
    let process = name
        .strip_prefix(PREFIX)
        .and_then(|rest| rest.split('-').next())
        .and_then(|process| process.parse().ok());
    process.is_some_and(|process| kill(Pid::from_raw(process), None) == Err(Errno::ESRCH))
}
