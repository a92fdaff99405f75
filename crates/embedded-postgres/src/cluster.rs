//! A cluster: its folder, its server process, and the login the product uses.

use std::{
    fs,
    io::Write,
    net::TcpListener,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, symlink},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use secrecy::{ExposeSecret, SecretString};
use tokio_postgres::NoTls;

use crate::{
    Binaries,
    ownership::{Claim, Ownership},
    predecessor,
    watchdog::Watchdog,
};

const SUPERUSER: &str = "postgres";
const LOGIN: &str = "nomad_services";
const DATABASE: &str = "nomad_services";

/// Where root keeps the data of a folder that the account running PostgreSQL can't get to, such as one in root's home.
const REACHABLE: &str = "/var/lib/nomad-services";

/// The lines of PostgreSQL's log that an error ends with.
const LOG_LINES: usize = 5;

/// From this version on the extensions that the migrations ask for need no superuser.
const TRUSTED_EXTENSIONS: u32 = 13;

/// Whether what was committed must survive a power cut.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Durability {
    /// Yes: data somebody means to keep.
    Durable,
    /// No: data of a test run.
    Throwaway,
}

/// Why there is no cluster.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The folder does not hold PostgreSQL's programs.
    #[error(
        "{folder} does not hold initdb, pg_ctl and postgres for the account that runs them: set POSTGRES_BIN_DIR to a folder that does"
    )]
    Incomplete {
        /// The folder.
        folder: PathBuf,
    },
    /// PostgreSQL is not installed and can't be fetched.
    #[error(
        "PostgreSQL is not installed, and {version} can't be fetched: {reason}; install PostgreSQL, or set POSTGRES_BIN_DIR to the folder with initdb"
    )]
    Fetch {
        /// The version.
        version: String,
        /// What happened.
        reason: String,
    },
    /// Another process uses the cluster.
    #[error("{folder} is in use by another process that still runs: stop that one first")]
    InUse {
        /// The cluster's folder.
        folder: PathBuf,
    },
    /// The folder holds data of another major version.
    #[error(
        "{folder} holds data of PostgreSQL {found}, and the programs are of version {wanted}: move it away, or set POSTGRES_BIN_DIR"
    )]
    OtherVersion {
        /// The data folder.
        folder: PathBuf,
        /// The version of the data.
        found: String,
        /// The version of the programs.
        wanted: String,
    },
    /// A program of PostgreSQL's failed.
    #[error("{program} failed: {output}")]
    Program {
        /// Which one.
        program: &'static str,
        /// What it said.
        output: String,
    },
    /// A file or folder can't be used.
    #[error("{path}: {source}")]
    File {
        /// Which one.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The server runs and refuses what is asked of it.
    #[error("the private PostgreSQL answers: {0}")]
    Server(#[from] tokio_postgres::Error),
}

/// A running PostgreSQL. Whoever started it ends it when this is dropped, or when the process ends in any other way.
#[derive(Debug)]
pub struct Cluster {
    place: Place,
    // In this order: the watchdog is called off before somebody else may have the cluster.
    own: Option<(Option<Watchdog>, Ownership)>,
}

/// A cluster's files, and how to reach its server.
#[derive(Debug)]
struct Place {
    binaries: Binaries,
    folder: PathBuf,
    data: PathBuf,
    port: u16,
    password: SecretString,
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

impl Place {
    fn new(binaries: Binaries, folder: PathBuf, port: u16) -> Result<Self, ClusterError> {
        let secret = folder.join("password");
        let password = kept_password(&secret).map_err(file(&secret))?;
        Ok(Self {
            binaries,
            data: folder.join("data"),
            folder,
            port,
            password,
        })
    }

    /// Makes it beside its place and moves it there, so that what a killed start has left is not taken for a cluster.
    fn init(&self, secret: &Path) -> Result<(), ClusterError> {
        let draft = self.folder.join("draft");
        let file = |source| ClusterError::File {
            path: draft.clone(),
            source,
        };
        if draft.exists() {
            fs::remove_dir_all(&draft).map_err(file)?;
        }
        let mut initdb = self.binaries.command("initdb");
        initdb
            .arg("--pgdata")
            .arg(&draft)
            .arg("--pwfile")
            .arg(secret)
            .args([
                "--username",
                SUPERUSER,
                "--auth",
                "scram-sha-256",
                "--encoding",
                "UTF8",
                "--locale",
                "C",
                "--data-checksums",
            ]);
        run("initdb", initdb)?;
        fs::rename(&draft, &self.data).map_err(file)
    }

    fn run(&self, durability: Durability) -> Result<(), ClusterError> {
        let mut options = format!(
            "-p {} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c max_connections=150 -c timezone=UTC",
            self.port
        );
        if durability == Durability::Throwaway {
            options.push_str(" -c fsync=off -c synchronous_commit=off -c full_page_writes=off");
        }
        let mut start = self.binaries.command("pg_ctl");
        start
            .arg("start")
            .arg("--wait")
            .arg("--pgdata")
            .arg(&self.data);
        start
            .arg("--log")
            .arg(self.folder.join("log"))
            .arg("--options")
            .arg(options);
        run("pg_ctl", start).map_err(|error| match error {
            ClusterError::Program { program, output } => ClusterError::Program {
                program,
                output: format!("{output}; its log ends with:\n{}", self.end_of_log()),
            },
            other => other,
        })
    }

    fn end_of_log(&self) -> String {
        let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
    }

    fn check_version(&self) -> Result<(), ClusterError> {
        let path = self.data.join("PG_VERSION");
        let found =
            fs::read_to_string(&path).map_err(|source| ClusterError::File { path, source })?;
        let (found, wanted) = (found.trim(), self.major_version()?);
        if found == wanted {
            return Ok(());
        }
        Err(ClusterError::OtherVersion {
            folder: self.data.clone(),
            found: found.to_owned(),
            wanted,
        })
    }

    /// `17` of `postgres (PostgreSQL) 17.6 (Debian 17.6-1)`.
    fn major_version(&self) -> Result<String, ClusterError> {
        let output = self.binaries.command("postgres").arg("--version").output();
        let output = output.map_err(|error| ClusterError::Program {
            program: "postgres",
            output: error.to_string(),
        })?;
        let text = String::from_utf8_lossy(&output.stdout);
        let version = text.split_whitespace().nth(2).unwrap_or_default();
        Ok(version.split('.').next().unwrap_or_default().to_owned())
    }

    /// Makes the login and the database the product uses, where they are not there yet.
    async fn prepare(&self) -> Result<(), ClusterError> {
        let client = self.connect("postgres").await?;
        let version: u32 = self.major_version()?.parse().unwrap_or(TRUSTED_EXTENSIONS);
        if version < TRUSTED_EXTENSIONS {
            // In the template, so that every database the login makes has them.
            let extensions = r#"CREATE EXTENSION IF NOT EXISTS "uuid-ossp"; CREATE EXTENSION IF NOT EXISTS pgcrypto"#;
            let template = self.connect("template1").await?;
            template.batch_execute(extensions).await?;
        }
        let login = "SELECT FROM pg_roles WHERE rolname = $1";
        if client.query_opt(login, &[&LOGIN]).await?.is_none() {
            // Generated from hexadecimal digits alone, so it needs no quoting.
            let password = self.password.expose_secret();
            let create =
                format!("CREATE ROLE {LOGIN} LOGIN CREATEROLE CREATEDB PASSWORD '{password}'");
            client.batch_execute(&create).await?;
        }
        let database = "SELECT FROM pg_database WHERE datname = $1";
        if client.query_opt(database, &[&DATABASE]).await?.is_none() {
            client
                .batch_execute(&format!("CREATE DATABASE {DATABASE} OWNER {LOGIN}"))
                .await?;
        }
        Ok(())
    }

    async fn connect(&self, database: &str) -> Result<tokio_postgres::Client, ClusterError> {
        let (client, connection) = tokio_postgres::Config::new()
            .host("127.0.0.1")
            .port(self.port)
            .user(SUPERUSER)
            .password(self.password.expose_secret())
            .dbname(database)
            .connect(NoTls)
            .await?;
        tokio::spawn(connection);
        Ok(client)
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

fn file(path: &Path) -> impl FnOnce(std::io::Error) -> ClusterError {
    let path = path.to_owned();
    move |source| ClusterError::File { path, source }
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

fn run(program: &'static str, mut command: Command) -> Result<(), ClusterError> {
    let failed = |output| ClusterError::Program { program, output };
    // The server inherits what it prints to, so output is not captured through pipes that it would keep open.
    let status = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(failed(format!("it ended with {status}"))),
        Err(error) => Err(failed(error.to_string())),
    }
}

/// The password in `file`, made where there is none; only its owner can read it.
fn kept_password(file: &Path) -> std::io::Result<SecretString> {
    if let Ok(password) = fs::read_to_string(file) {
        return Ok(password.trim().into());
    }
    let password = format!(
        "{}{}",
        uuid::Uuid::new_v4().simple(),
        uuid::Uuid::new_v4().simple()
    );
    let mut options = fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)?;
    file.write_all(password.as_bytes())?;
    Ok(password.into())
}

fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
