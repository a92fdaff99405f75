//! The account that runs PostgreSQL where root started the product: PostgreSQL refuses to run as root.

use std::{
    fs, io,
    os::unix::{fs::MetadataExt, process::CommandExt},
    path::Path,
    process::Command,
};

use nix::unistd::{Gid, Uid, User};

/// Accounts that root runs PostgreSQL as, in this order of preference.
const PREFERRED: [&str; 2] = ["postgres", "nobody"];

const OWNER_MAY_ENTER: u32 = 0o100;
const GROUP_MAY_ENTER: u32 = 0o010;
const OTHERS_MAY_ENTER: u32 = 0o001;

/// Who runs PostgreSQL instead of root.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Account {
    user: Uid,
    group: Gid,
}

impl Account {
    /// None for an ordinary user, who runs PostgreSQL without anybody's help.
    pub(crate) fn unprivileged() -> Option<Self> {
        if !Uid::effective().is_root() {
            return None;
        }
        let found = PREFERRED
            .iter()
            .find_map(|name| User::from_name(name).ok().flatten());
        found.map(|user| Self {
            user: user.uid,
            group: user.gid,
        })
    }

    pub(crate) fn runs(self, command: &mut Command) {
        command.uid(self.user.as_raw()).gid(self.group.as_raw());
    }

    pub(crate) fn owns(self, path: &Path) -> io::Result<()> {
        Ok(nix::unistd::chown(path, Some(self.user), Some(self.group))?)
    }

    /// Whether it may enter every folder above `path`; root's own home is usually closed to it.
    pub(crate) fn reaches(self, path: &Path) -> bool {
        path.ancestors().skip(1).all(|folder| {
            fs::metadata(folder).is_ok_and(|folder| {
                let allowed = if folder.uid() == self.user.as_raw() {
                    OWNER_MAY_ENTER
                } else if folder.gid() == self.group.as_raw() {
                    GROUP_MAY_ENTER
                } else {
                    OTHERS_MAY_ENTER
                };
                folder.mode() & allowed != 0
            })
        })
    }
}
