//! A Nomad agent beside the server, in development: `nomad agent -dev` on free ports of loopback. It forgets everything when
//! it ends, and it ends with the server.

use std::{
    env,
    fs::{self, File, Permissions},
    io::{self, Write},
    net::TcpListener,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::{Pid, Uid, User},
};
use tokio::{
    net::TcpStream,
    time::{Duration, Instant, sleep},
};

/// How long the agent may take until its HTTP API answers, and to end.
const START_DEADLINE: Duration = Duration::from_secs(60);
const STOP_DEADLINE: Duration = Duration::from_secs(10);
const INTERVAL: Duration = Duration::from_millis(100);

/// What the agent is told of this process's environment. Not all of it: Nomad hands its own on to `raw_exec` tasks, which are
/// tenants' and may see neither our secrets nor the database's address, and a variable for somebody else can keep it from
/// starting (`AWS_CA_BUNDLE`, where the agent's account can't read that file).
const PASSED_ON: [&str; 21] = [
    "PATH",
    "HOME",
    "TMPDIR",
    "LANG",
    "LC_ALL",
    "TZ",
    // How it reaches the network, and whom it trusts there.
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    // Where its docker driver finds Docker.
    "DOCKER_HOST",
    "DOCKER_CONFIG",
    "DOCKER_CERT_PATH",
    "DOCKER_TLS_VERIFY",
    "DOCKER_API_VERSION",
    // Without one, its enterprise edition does not start.
    "NOMAD_LICENSE",
    "NOMAD_LICENSE_PATH",
];

/// Runs the agent until standard input closes: however the server ends, the system closes it.
const KEEPER: &str = r#"
exec 3<&0
"$@" </dev/null 3<&- &
agent=$!
{ read -r _ <&3; kill -TERM "$agent"; } 2>/dev/null &
keeper=$!
exec 3<&-
wait "$agent"
status=$?
kill "$keeper" 2>/dev/null
exit "$status"
"#;

/// A running agent; it stops when this is dropped.
#[derive(Debug)]
pub struct DevelopmentAgent {
    address: String,
    keeper: Child,
    lifeline: Option<ChildStdin>,
    _folder: tempfile::TempDir,
}

/// The `nomad` program on PATH, if there is one.
pub fn find_program() -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join("nomad"))
        .find(|file| {
            fs::metadata(file).is_ok_and(|metadata| {
                metadata.is_file() && metadata.permissions().mode() & 0o111 != 0
            })
        })
}

impl DevelopmentAgent {
    /// Starts `program` as an ordinary user; what it prints goes to the file `log`.
    ///
    /// # Errors
    /// Says what went wrong, and where the agent's own words are.
    pub async fn start(program: &Path, log: &Path) -> Result<Self, String> {
        let (mut agent, port) = Self::spawn(program, log)
            .map_err(|error| format!("{} can't be started: {error}", program.display()))?;
        let deadline = Instant::now() + START_DEADLINE;
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            let ended = agent.keeper.try_wait().map_err(|error| error.to_string())?;
            let reason = match ended {
                Some(status) => format!("ended with {status}"),
                None if Instant::now() > deadline => {
                    format!("did not answer within {START_DEADLINE:?}")
                }
                None => {
                    sleep(INTERVAL).await;
                    continue;
                }
            };
            let (program, log) = (program.display(), log.display());
            return Err(format!(
                "{program} agent -dev {reason}; it says why in {log}"
            ));
        }
        Ok(agent)
    }

    /// `http://host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    fn spawn(program: &Path, log: &Path) -> io::Result<(Self, u16)> {
        if let Some(folder) = log.parent() {
            fs::create_dir_all(folder)?;
        }
        let log = File::create(log)?;
        let folder = tempfile::Builder::new()
            .prefix("nomad-services-agent-")
            .permissions(Permissions::from_mode(0o755))
            .tempdir()?;
        let [http, rpc, serf] = free_ports()?;
        let configuration = folder.path().join("agent.json");
        let ports = serde_json::json!({"ports": {"http": http, "rpc": rpc, "serf": serf}});
        let mut file = File::create(&configuration)?;
        file.write_all(ports.to_string().as_bytes())?;

        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", KEEPER, "nomad-keeper"])
            .arg(program)
            .args(["agent", "-dev", "-bind=127.0.0.1", "-config"])
            .arg(&configuration)
            .env_clear()
            .envs(
                PASSED_ON
                    .iter()
                    .filter_map(|name| Some((name, env::var_os(name)?))),
            )
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log)
            // Ctrl-C reaches the whole group of the terminal; the server decides when the agent ends.
            .process_group(0);
        if Uid::effective().is_root() {
            let nobody = User::from_name("nobody")?;
            let nobody = nobody.ok_or_else(|| {
                io::Error::other("root runs it as the account nobody, which does not exist")
            })?;
            command.uid(nobody.uid.as_raw()).gid(nobody.gid.as_raw());
        }
        let mut keeper = command.spawn()?;
        let lifeline = keeper.stdin.take();
        let address = format!("http://127.0.0.1:{http}");
        let agent = Self {
            address,
            keeper,
            lifeline,
            _folder: folder,
        };
        Ok((agent, http))
    }

    fn stop(&mut self) -> io::Result<()> {
        self.lifeline = None;
        let deadline = std::time::Instant::now() + STOP_DEADLINE;
        while self.keeper.try_wait()?.is_none() {
            if std::time::Instant::now() > deadline {
                let group =
                    Pid::from_raw(i32::try_from(self.keeper.id()).map_err(io::Error::other)?);
                killpg(group, Signal::SIGKILL)?;
                self.keeper.wait()?;
                break;
            }
            std::thread::sleep(INTERVAL);
        }
        Ok(())
    }
}

impl Drop for DevelopmentAgent {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            tracing::warn!(%error, "the Nomad agent did not stop");
        }
    }
}

/// Held open together, so that no two are the same.
fn free_ports<const N: usize>() -> io::Result<[u16; N]> {
    let mut listeners = Vec::with_capacity(N);
    let mut ports = [0; N];
    for port in &mut ports {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        *port = listener.local_addr()?.port();
        listeners.push(listener);
    }
    Ok(ports)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A program that listens where an agent would, until it is told to end.
    fn stand_in(folder: &Path, body: &str) -> PathBuf {
        let program = folder.join("nomad");
        fs::write(&program, format!("#!/bin/sh\n{body}\n")).unwrap();
        fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
        program
    }

    #[tokio::test]
    async fn an_agent_that_ends_at_once_is_an_error_naming_its_log() {
        let folder = tempfile::tempdir().unwrap();
        let program = stand_in(folder.path(), "echo broken; exit 3");
        let log = folder.path().join("nomad.log");
        let error = DevelopmentAgent::start(&program, &log).await.unwrap_err();
        assert!(
            error.contains("exit status: 3") && error.contains("nomad.log"),
            "{error}"
        );
        assert_eq!(fs::read_to_string(log).unwrap(), "broken\n");
    }

    #[tokio::test]
    async fn an_agent_sees_no_variable_but_those_it_needs() {
        let folder = tempfile::tempdir().unwrap();
        let program = stand_in(folder.path(), "env; exit 3");
        let log = folder.path().join("nomad.log");
        DevelopmentAgent::start(&program, &log).await.unwrap_err();
        let environment = fs::read_to_string(log).unwrap();
        let names = environment
            .lines()
            .filter_map(|line| Some(line.split_once('=')?.0));
        let names: Vec<_> = names.collect();
        assert!(names.contains(&"PATH"), "{environment}");
        // What the shell adds by itself.
        let shell = ["PWD", "OLDPWD", "SHLVL", "_"];
        for name in names {
            let known = PASSED_ON.contains(&name) || shell.contains(&name);
            assert!(known, "{name} was passed on");
        }
        assert!(env::var_os("CARGO_MANIFEST_DIR").is_some());
    }
}
