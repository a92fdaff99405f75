//! A cluster: its folder, its server process, and the login the product uses.

use std::{
    fs,
    io::Write,
    net::TcpListener,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use secrecy::{ExposeSecret, SecretString};
use tokio_postgres::NoTls;

use crate::{
    Binaries,
    ownership::{Claim, Ownership},
};

const SUPERUSER: &str = "postgres";
const LOGIN: &str = "nomad_services";
const DATABASE: &str = "nomad_services";

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
    /// PostgreSQL is not installed.
    #[error(
        "no PostgreSQL programs found: install PostgreSQL, or set POSTGRES_BIN_DIR to the folder with initdb"
    )]
    NoBinaries,
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
    /// Another process runs the cluster of this folder, and goes on running.
    #[error("the private PostgreSQL in {folder} belongs to another process that is still running")]
    InUse {
        /// The cluster's folder.
        folder: PathBuf,
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

/// A running PostgreSQL that stops when this is dropped, unless another process has started it.
#[derive(Debug)]
pub struct Cluster {
    binaries: Binaries,
    data: PathBuf,
    port: u16,
    password: SecretString,
    ownership: Option<Ownership>,
}

impl Cluster {
    /// Starts the cluster in `folder`, making it where there is none. Another process that runs it is waited for.
    ///
    /// # Errors
    /// Says what is missing, what a program of PostgreSQL's said, or that the other process goes on.
    pub async fn start(
        binaries: Binaries,
        folder: &Path,
        durability: Durability,
    ) -> Result<Self, ClusterError> {
        let folder = make_folder(&binaries, folder)?;
        let ownership = Ownership::wait(&folder).await.map_err(file(&folder))?;
        let ownership = ownership.ok_or_else(|| ClusterError::InUse {
            folder: folder.clone(),
        })?;
        Self::start_owned(binaries, &folder, durability, ownership).await
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
        let folder = make_folder(&binaries, folder)?;
        let guest = |port| {
            let secret = folder.join("password");
            Ok(Self {
                binaries: binaries.clone(),
                data: folder.join("data"),
                port,
                password: kept_password(&secret).map_err(file(&secret))?,
                ownership: None,
            })
        };
        let usable = async |port| match guest(port) {
            Ok(cluster) => cluster.answers().await,
            Err::<_, ClusterError>(_) => false,
        };
        let claim = Ownership::claim(&folder, usable).await;
        match claim.map_err(file(&folder))? {
            Some(Claim::Owner(ownership)) => {
                Self::start_owned(binaries, &folder, durability, ownership).await
            }
            Some(Claim::Guest(port)) => guest(port),
            None => Err(ClusterError::InUse { folder }),
        }
    }

    async fn start_owned(
        binaries: Binaries,
        folder: &Path,
        durability: Durability,
        ownership: Ownership,
    ) -> Result<Self, ClusterError> {
        let secret = folder.join("password");
        let password = kept_password(&secret).map_err(file(&secret))?;
        binaries.own(&secret).map_err(file(&secret))?;
        let cluster = Self {
            binaries,
            data: folder.join("data"),
            port: free_port().map_err(file(folder))?,
            password,
            ownership: Some(ownership),
        };
        if cluster.data.join("PG_VERSION").exists() {
            cluster.check_version()?;
            cluster.stop_predecessor();
        } else {
            cluster.init(&secret)?;
        }
        cluster.run(folder, durability)?;
        cluster.prepare().await?;
        Ok(cluster)
    }

    /// The address of the product's database, for a login that is no superuser.
    pub fn url(&self) -> SecretString {
        let (password, port) = (self.password.expose_secret(), self.port);
        format!("postgres://{LOGIN}:{password}@127.0.0.1:{port}/{DATABASE}").into()
    }

    fn init(&self, secret: &Path) -> Result<(), ClusterError> {
        let mut initdb = self.binaries.command("initdb");
        initdb
            .arg("--pgdata")
            .arg(&self.data)
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
                "--no-instructions",
            ]);
        run("initdb", initdb)
    }

    fn run(&self, folder: &Path, durability: Durability) -> Result<(), ClusterError> {
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
            .arg(folder.join("log"))
            .arg("--options")
            .arg(options);
        run("pg_ctl", start)
    }

    /// A predecessor that was killed leaves a lock file, and perhaps a server, that nobody else will end.
    fn stop_predecessor(&self) {
        let mut stop = self.binaries.command("pg_ctl");
        stop.arg("stop")
            .arg("--wait")
            .arg("--mode=immediate")
            .arg("--pgdata")
            .arg(&self.data);
        // Where nothing runs this fails, and that is what was wanted.
        let _ = stop.stdout(Stdio::null()).stderr(Stdio::null()).status();
    }

    fn check_version(&self) -> Result<(), ClusterError> {
        let path = self.data.join("PG_VERSION");
        let found = fs::read_to_string(&path).map_err(|source| ClusterError::File {
            path: path.clone(),
            source,
        })?;
        let output = self.binaries.command("postgres").arg("--version").output();
        let output = output.map_err(|source| ClusterError::File { path, source })?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let version = text.split_whitespace().nth(2).unwrap_or_default();
        let wanted = version.split('.').next().unwrap_or_default();
        if found.trim() == wanted {
            return Ok(());
        }
        Err(ClusterError::OtherVersion {
            folder: self.data.clone(),
            found: found.trim().to_owned(),
            wanted: wanted.to_owned(),
        })
    }

    /// Makes the login and the database the product uses, where they are not there yet.
    async fn prepare(&self) -> Result<(), ClusterError> {
        let client = self.connect("postgres").await?;
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

    /// Whether the product's login and database are there.
    async fn answers(&self) -> bool {
        tokio_postgres::connect(self.url().expose_secret(), NoTls)
            .await
            .is_ok()
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
        if self.ownership.is_none() {
            return;
        }
        let mut stop = self.binaries.command("pg_ctl");
        stop.arg("stop")
            .arg("--wait")
            .arg("--mode=fast")
            .arg("--pgdata")
            .arg(&self.data);
        if let Err(error) = run("pg_ctl", stop) {
            eprintln!("the private PostgreSQL did not stop: {error}");
        }
    }
}

fn file(path: &Path) -> impl FnOnce(std::io::Error) -> ClusterError {
    let path = path.to_owned();
    move |source| ClusterError::File { path, source }
}

fn make_folder(binaries: &Binaries, folder: &Path) -> Result<PathBuf, ClusterError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(folder)
        .map_err(file(folder))?;
    let folder = fs::canonicalize(folder).map_err(file(folder))?;
    binaries.own(&folder).map_err(file(&folder))?;
    Ok(folder)
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
