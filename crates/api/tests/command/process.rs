//! A run of the command in a folder of its own.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Output, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// 32 bytes in base64.
pub const ENCRYPTION_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

const PATIENCE: Duration = Duration::from_secs(120);

/// The command with nothing of the test's own environment but what finding PostgreSQL takes.
pub fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nomad-services"));
    command.args(arguments).current_dir(folder).env_clear();
    for name in ["PATH", "HOME", "POSTGRES_BIN_DIR"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
        .env("METRICS_PORT", "0")
        .env("SERVER_PORT", "0")
        .stdin(Stdio::null());
    command
}

/// Runs it to its end.
pub fn run(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = command(folder, arguments);
    command.envs(variables.iter().copied());
    command.output().expect("the command runs")
}

/// Runs it to its end with this on standard input.
pub fn run_with_input(folder: &Path, arguments: &[&str], input: &str) -> Output {
    let mut child = command(folder, arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command runs");
    let mut pipe = child.stdin.take().expect("its input");
    pipe.write_all(input.as_bytes()).expect("it reads");
    drop(pipe);
    child.wait_with_output().expect("it ends")
}

/// A server in the background; it is killed with the test.
pub struct Server {
    child: Child,
    /// What it printed when it was ready.
    pub banner: String,
}

impl Server {
    /// Starts it and waits until it says that it is ready.
    pub fn start(folder: &Path, variables: &[(&str, &str)]) -> Self {
        Self::start_logging_to(Stdio::inherit(), folder, variables)
    }

    /// The same, with its log in another place.
    pub fn start_logging_to(log: Stdio, folder: &Path, variables: &[(&str, &str)]) -> Self {
        let mut command = command(folder, &[]);
        command.envs(variables.iter().copied());
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("the server starts");
        let output = BufReader::new(child.stdout.take().expect("its output"));
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || {
            output
                .lines()
                .map_while(Result::ok)
                .try_for_each(|line| tell.send(line))
        });
        let mut banner = String::new();
        // The orchestrator is the last line, because the metrics are off.
        while !banner.contains("  orchestrator") {
            let line = told.recv_timeout(PATIENCE);
            assert!(line.is_ok(), "the server is not ready: {banner}");
            banner.push_str(&line.unwrap_or_default());
            banner.push('\n');
        }
        Self { child, banner }
    }

    /// Starts it on a port that is free now, and does not wait until it is ready. Its banner is empty.
    pub fn start_unready(folder: &Path, variables: &[(&str, &str)]) -> (Self, String) {
        let port = free_port();
        let mut command = command(folder, &[]);
        command
            .envs(variables.iter().copied())
            .env("SERVER_PORT", port.to_string())
            .stdout(Stdio::null());
        let child = command.spawn().expect("the server starts");
        let banner = String::new();
        (Self { child, banner }, format!("127.0.0.1:{port}"))
    }

    /// The line of the banner that begins with this word, without it.
    pub fn line(&self, name: &str) -> &str {
        let lines = self.banner.lines().map(str::trim);
        lines
            .filter_map(|line| line.strip_prefix(name))
            .next()
            .expect(name)
            .trim()
    }

    /// What `GET path` answers, status line and all.
    pub fn get(&self, path: &str) -> String {
        let url = self.line("URL");
        let address = url
            .trim_start_matches("http://")
            .split('/')
            .next()
            .expect("an address");
        get(address, path)
    }

    pub fn kill(mut self) {
        self.child.kill().expect("it is killed");
        self.child.wait().expect("it ends");
    }

    /// Asks it to end and answers with its exit code.
    pub fn terminate(mut self, signal: Signal) -> Option<i32> {
        let process = i32::try_from(self.child.id()).expect("a process id");
        kill(Pid::from_raw(process), signal).expect("a signal");
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a status") {
                return status.code();
            }
            assert!(started.elapsed() < PATIENCE, "the server does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that nobody listens on at this moment.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its address").port()
}

/// What `GET path` answers at `address`, once it answers as `wanted`.
pub fn get_until(address: &str, path: &str, wanted: impl Fn(&str) -> bool) -> String {
    let started = Instant::now();
    loop {
        if TcpStream::connect(address).is_ok() {
            let answer = get(address, path);
            if wanted(&answer) {
                return answer;
            }
            assert!(started.elapsed() < PATIENCE, "{answer}");
        }
        assert!(started.elapsed() < PATIENCE, "nobody listens at {address}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// What `GET path` answers at `address`.
pub fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a deadline");
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n"
    )
    .expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
