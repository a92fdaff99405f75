//! A run of the command in a folder of its own.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Output, Stdio},
    sync::{Arc, Mutex, mpsc},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

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
    readers: Vec<JoinHandle<()>>,
    output: Arc<Mutex<String>>,
    /// What it said when it was ready, as it says it to people.
    pub banner: String,
}

impl Server {
    /// Starts it and waits until it says that it is ready.
    pub fn start(folder: &Path, variables: &[(&str, &str)]) -> Self {
        let mut command = command(folder, &[]);
        command.envs(variables.iter().copied());
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let (tell, told) = mpsc::channel();
        let output = Arc::<Mutex<String>>::default();
        let readers = vec![
            reader(child.stdout.take(), output.clone(), tell.clone()),
            reader(child.stderr.take(), output.clone(), tell),
        ];
        let mut server = Self {
            child,
            readers,
            output,
            banner: String::new(),
        };
        // With metrics another line follows, which nobody here waits for.
        while !server.banner.contains("  orchestrator") {
            let line = told.recv_timeout(PATIENCE).ok();
            let line =
                line.unwrap_or_else(|| panic!("the server is not ready: {}", server.output()));
            server.banner.push_str(&for_people(line));
            server.banner.push('\n');
        }
        server
    }

    /// All that it has said so far.
    pub fn output(&self) -> String {
        self.output
            .lock()
            .expect("no panic while it is held")
            .clone()
    }

    /// Starts it on a port that is free now, and does not wait until it is ready. Its banner is empty.
    pub fn start_unready(folder: &Path, variables: &[(&str, &str)]) -> (Self, String) {
        let port = free_port();
        let mut command = command(folder, &[]);
        command
            .envs(variables.iter().copied())
            .env("SERVER_PORT", port.to_string())
            .stdout(Stdio::null());
        let server = Self {
            child: command.spawn().expect("the server starts"),
            readers: Vec::new(),
            output: Arc::default(),
            banner: String::new(),
        };
        (server, format!("127.0.0.1:{port}"))
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

    /// The host and port it listens on.
    pub fn address(&self) -> &str {
        let url = self.line("URL").trim_start_matches("http://");
        url.split('/').next().expect("an address")
    }

    /// What `GET path` answers, status line and all.
    pub fn get(&self, path: &str) -> String {
        get(self.address(), path)
    }

    /// The most memory it has had so far, in KiB.
    pub fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.expect("its status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        number.expect("a peak")
    }

    pub fn kill(mut self) {
        self.child.kill().expect("it is killed");
        self.child.wait().expect("it ends");
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let process = i32::try_from(self.child.id()).expect("a process id");
        kill(Pid::from_raw(process), signal).expect("a signal");
    }

    /// Waits until it has ended; its exit code, and all that it said.
    pub fn ended(mut self) -> (Option<i32>, String) {
        let started = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a status") {
                break status;
            }
            assert!(started.elapsed() < PATIENCE, "the server does not end");
            std::thread::sleep(Duration::from_millis(20));
        };
        for reader in std::mem::take(&mut self.readers) {
            reader.join().expect("its output");
        }
        (status.code(), self.output())
    }

    /// Asks it to end and answers with its exit code.
    pub fn terminate(self, signal: Signal) -> Option<i32> {
        self.signal(signal);
        self.ended().0
    }
}

/// Collects what comes line by line, and tells of each line.
fn reader(
    pipe: Option<impl Read + Send + 'static>,
    output: Arc<Mutex<String>>,
    tell: mpsc::Sender<String>,
) -> JoinHandle<()> {
    let lines = BufReader::new(pipe.expect("its output")).lines();
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            eprintln!("{line}");
            let mut output = output.lock().expect("no panic while it is held");
            output.push_str(&line);
            output.push('\n');
            // Nobody listens once the server is ready.
            let _ = tell.send(line);
        }
    })
}

/// A line of the banner as it stands in a log for machines, or any other line.
fn for_people(line: String) -> String {
    let said: Value = serde_json::from_str(&line).unwrap_or_default();
    match (said["name"].as_str(), said["value"].as_str()) {
        (Some(name), Some(value)) => format!("  {name:<14} {value}"),
        _ => line,
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
