//! The server that is measured: the command as it ships, in a process of its own, so that its memory and its processor time
//! are its alone.

use std::{
    env, fs,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use bytes::Bytes;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use secrecy::{ExposeSecret, SecretString};
use tokio::{
    process::{Child, Command},
    time::{sleep, timeout},
};

use crate::{Result, client::Client};

/// How long a start, with all the data keys of a filled database, and an end may take.
const PATIENCE: Duration = Duration::from_secs(600);

pub struct Server {
    child: Child,
    pub address: SocketAddr,
}

impl Server {
    /// Starts it with production's settings, and with these environment variables besides; what it says goes into `folder`.
    pub async fn start(
        database: &SecretString,
        folder: &Path,
        more: &[(&str, &str)],
    ) -> Result<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        Self::start_at(address, database, folder, more).await
    }

    /// The same at this address.
    pub async fn start_at(
        address: SocketAddr,
        database: &SecretString,
        folder: &Path,
        more: &[(&str, &str)],
    ) -> Result<Self> {
        let said = folder.join("server.log");
        let log = fs::File::create(&said)?;
        let child = Command::new(program()?)
            .arg("serve")
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
            .env_clear()
            .env("DATABASE_URL", database.expose_secret())
            .env("SERVER_PORT", address.port().to_string())
            .envs([
                ("ENVIRONMENT", "production"),
                (
                    "ENCRYPTION_KEY",
                    "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
                ),
                ("JWT_SECRET", "a secret of a benchmark, thirty-two bytes"),
                ("JWT_TOKEN_DURATION", "24h"),
                ("LOG_LEVEL", "warn"),
                ("METRICS_PORT", "0"),
                ("NOMAD_ADDR", "http://127.0.0.1:1"),
                ("NOMAD_SERVICES__SERVER__HOST", "127.0.0.1"),
                ("NOMAD_SERVICES__SERVER__DRAIN_DELAY", "1ms"),
            ])
            .envs(more.iter().copied())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()?;
        let mut server = Self { child, address };
        server.serves(&said).await?;
        Ok(server)
    }

    /// The process it runs in.
    pub fn process(&self) -> Result<u32> {
        self.child.id().ok_or_else(|| "the server has ended".into())
    }

    /// Ends it as an operator would.
    pub async fn stop(mut self) -> Result<()> {
        kill(
            Pid::from_raw(i32::try_from(self.process()?)?),
            Signal::SIGTERM,
        )?;
        let status = timeout(PATIENCE, self.child.wait()).await??;
        if status.success() {
            return Ok(());
        }
        Err(format!("the server ended with {status}").into())
    }

    async fn serves(&mut self, said: &Path) -> Result<()> {
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            if self.child.try_wait()?.is_some() {
                break;
            }
            if let Ok(mut client) = Client::connect(self.address).await
                && client
                    .send_to("GET", "/health", None, &Bytes::new())
                    .await
                    .is_ok()
            {
                return Ok(());
            }
            sleep(Duration::from_millis(20)).await;
        }
        let said = fs::read_to_string(said).unwrap_or_default();
        Err(format!("the server does not serve: {said}").into())
    }
}

/// The command, which is built into the same folder as this program.
fn program() -> Result<PathBuf> {
    let program = env::current_exe()?.with_file_name("nomad-services");
    if program.is_file() {
        return Ok(program);
    }
    Err(format!("{} is missing; `make bench` builds it", program.display()).into())
}
