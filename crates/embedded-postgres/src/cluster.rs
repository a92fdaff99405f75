//! A cluster as long as it runs: who owns it, who shares it, and how it ends.

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::{DirBuilderExt, symlink},
    path::{Path, PathBuf},
};

use secrecy::{ExposeSecret, SecretString};
use tokio_postgres::NoTls;

use crate::{
    Binaries,
    error::{ClusterError, file},
    ownership::{Claim, Ownership},
    place::{DATABASE, LOGIN, Place},
    predecessor,
    watchdog::Watchdog,
};

/// Where root keeps the data of a folder that the account running PostgreSQL can't get to, such as one in root's home.
const REACHABLE: &str = "/var/lib/nomad-services";

/// Whether what was committed must survive a power cut.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Durability {
    /// Yes: data somebody means to keep.
    Durable,
    /// No: data of a test run.
    Throwaway,
}

/// A running PostgreSQL. Whoever started it ends it when this is dropped, or when the process ends in any other way.
#[derive(Debug)]
pub struct Cluster {
    place: Place,
    // In this order: the watchdog is called off before somebody else may have the cluster.
    own: Option<(Option<Watchdog>, Ownership)>,
}

impl Cluster {
    /// Starts the cluster in `folder`, making it where there is none, and ends what a killed predecessor left running.
    /// Another process that runs it is given some time to end.
    ///
    /// # Errors
    /// Says what is missing, what a program of PostgreSQL's said, or that the other process goes on.
    pub async fn start(
        binaries: Binaries,
        folder: &Path,
        durability: Durability,
    ) -> Result<Self, ClusterError> {
        let folder = reachable(&binaries, folder)?;
        let ownership = Ownership::wait(&folder).await.map_err(file(&folder))?;
        let Some(ownership) = ownership else {
            return Err(ClusterError::InUse { folder });
        };
        Self::start_owned(binaries, folder, durability, ownership).await
    }

    /// Uses the cluster in `folder` while another process runs it; starts it where none does.
    ///
    /// # Errors
    /// As [`Cluster::start`].
    pub async fn start_or_share(
        binaries: Binaries,
        folder: &Path,
        durability: Durability,
    ) -> Result<Self, ClusterError> {
        let folder = reachable(&binaries, folder)?;
        let usable = async |port| match Place::new(binaries.clone(), folder.clone(), port) {
            Ok(place) => Self { place, own: None }.answers().await,
            Err(_) => false,
        };
        match Ownership::claim(&folder, usable)
            .await
            .map_err(file(&folder))?
        {
            Some(Claim::Owner(ownership)) => {
                Self::start_owned(binaries, folder, durability, ownership).await
            }
            Some(Claim::Guest(port)) => Ok(Self {
                place: Place::new(binaries, folder, port)?,
                own: None,
            }),
            None => Err(ClusterError::InUse { folder }),
        }
    }

    async fn start_owned(
        binaries: Binaries,
        folder: PathBuf,
        durability: Durability,
        ownership: Ownership,
    ) -> Result<Self, ClusterError> {
        binaries.own(&folder).map_err(file(&folder))?;
        let port = free_port().map_err(file(&folder))?;
        let place = Place::new(binaries, folder, port)?;
        let secret = place.folder.join("password");
        place.binaries.own(&secret).map_err(file(&secret))?;
        if place.data.join("PG_VERSION").exists() {
            place.check_version()?;
            predecessor::end(&place.binaries, &place.data)?;
        } else {
            place.init(&secret)?;
        }
        place.run(durability)?;
        let watchdog = predecessor::recorded_process(&place.data)
            .map(|server| Watchdog::over(&place.binaries, &place.data, server))
            .transpose()
            .map_err(file(Path::new("/bin/sh")))?;
        let cluster = Self {
            place,
            own: Some((watchdog, ownership)),
        };
        cluster.place.prepare().await?;
        Ok(cluster)
    }

    /// Whether the product's login and database are there.
    async fn answers(&self) -> bool {
        tokio_postgres::connect(self.url().expose_secret(), NoTls)
            .await
            .is_ok()
    }

    /// The address of the product's database, for a login that is no superuser.
    pub fn url(&self) -> SecretString {
        let (password, port) = (self.place.password.expose_secret(), self.place.port);
        format!("postgres://{LOGIN}:{password}@127.0.0.1:{port}/{DATABASE}").into()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if self.own.is_none() {
            return;
        }
        if let Err(error) = predecessor::stop(&self.place.binaries, &self.place.data, "fast") {
            eprintln!("the private PostgreSQL did not stop: {error}");
        }
    }
}

/// The folder itself where PostgreSQL gets there; otherwise one that it does get to, to which the folder then leads.
fn reachable(binaries: &Binaries, folder: &Path) -> Result<PathBuf, ClusterError> {
    let make = |folder: &Path| {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(0o755).create(folder)
    };
    make(folder).map_err(file(folder))?;
    let real = fs::canonicalize(folder).map_err(file(folder))?;
    if binaries.reach(&real.join("data")) {
        return Ok(real);
    }
    let elsewhere = Path::new(REACHABLE).join(uuid::Uuid::new_v4().to_string());
    make(&elsewhere).map_err(file(&elsewhere))?;
    fs::remove_dir(&real).map_err(file(&real))?;
    symlink(&elsewhere, &real).map_err(file(&real))?;
    eprintln!(
        "{} can't be entered by the account that runs PostgreSQL: its data is in {}",
        real.display(),
        elsewhere.display()
    );
    Ok(elsewhere)
}

fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
