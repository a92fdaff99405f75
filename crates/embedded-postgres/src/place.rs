//! A cluster's place: its folder, its programs and its port, and what is done there.

use std::{
    fs,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use secrecy::{ExposeSecret, SecretString};
use tokio_postgres::NoTls;

use crate::{
    Binaries, Durability,
    error::{ClusterError, file},
};

const SUPERUSER: &str = "postgres";
pub(crate) const LOGIN: &str = "nomad_services";
pub(crate) const DATABASE: &str = "nomad_services";

/// The lines of PostgreSQL's log that an error ends with.
const LOG_LINES: usize = 5;

/// From this version on the extensions that the migrations ask for need no superuser.
const TRUSTED_EXTENSIONS: u32 = 13;

/// From this version on the schema `public` belongs to the database's owner, and not everybody may make tables in it.
const CLOSED_SCHEMA: u32 = 15;

/// A cluster's files, and how to reach its server.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) binaries: Binaries,
    pub(crate) folder: PathBuf,
    pub(crate) data: PathBuf,
    pub(crate) port: u16,
    pub(crate) password: SecretString,
}

impl Place {
    pub(crate) fn new(
        binaries: Binaries,
        folder: PathBuf,
        port: u16,
    ) -> Result<Self, ClusterError> {
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
    pub(crate) fn init(&self, secret: &Path) -> Result<(), ClusterError> {
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

    pub(crate) fn run(&self, durability: Durability) -> Result<(), ClusterError> {
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

    pub(crate) fn check_version(&self) -> Result<(), ClusterError> {
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
    pub(crate) async fn prepare(&self) -> Result<(), ClusterError> {
        let client = self.connect("postgres").await?;
        let login = "SELECT FROM pg_roles WHERE rolname = $1";
        if client.query_opt(login, &[&LOGIN]).await?.is_none() {
            // Generated from hexadecimal digits alone, so it needs no quoting.
            let password = self.password.expose_secret();
            let create =
                format!("CREATE ROLE {LOGIN} LOGIN CREATEROLE CREATEDB PASSWORD '{password}'");
            client.batch_execute(&create).await?;
        }
        let version: u32 = self.major_version()?.parse().unwrap_or(CLOSED_SCHEMA);
        // In the template, so that every database the login makes is like this.
        let mut template = String::new();
        if version < TRUSTED_EXTENSIONS {
            template += r#"CREATE EXTENSION IF NOT EXISTS "uuid-ossp"; CREATE EXTENSION IF NOT EXISTS pgcrypto;"#;
        }
        if version < CLOSED_SCHEMA {
            template += &format!("ALTER SCHEMA public OWNER TO {LOGIN};");
            template += "REVOKE CREATE ON SCHEMA public FROM PUBLIC;";
        }
        if !template.is_empty() {
            let database = self.connect("template1").await?;
            database.batch_execute(&template).await?;
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
