//! Tasks of the driver `raw_exec`: real processes, in a folder of their allocation, as an account without rights.

use std::{
    collections::BTreeMap,
    io,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    str::FromStr,
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::{Child, Command as Process},
    sync::mpsc,
    task::JoinHandle,
    time::timeout,
};

use super::{
    Command, Reporter, TaskEvent, TaskSpec,
    directory::{self, Account, Directories},
    environment, interpolation, template,
    usage::Sampler,
    watchdog::{self, Group},
};
use crate::logs::{LogStore, LogType};

/// How long what a task has printed may take to arrive once all its processes are dead.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Runs a task to its end.
pub(crate) async fn run(
    spec: TaskSpec,
    reporter: Reporter,
    mut commands: mpsc::UnboundedReceiver<Command>,
    sampler: Sampler,
) {
    let event = match prepare(&spec, &reporter, &mut commands).await {
        Ok(prepared) => match spawn(&prepared) {
            Ok((group, child)) => {
                spec.logs.open();
                sampler.started(group.id());
                reporter.tell(TaskEvent::Started);
                let event = follow(&spec, group, child, &mut commands).await;
                sampler.ended();
                event
            }
            Err(event) => event,
        },
        Err(event) => event,
    };
    reporter.tell(event);
}

/// A task that is ready to start.
struct Prepared {
    program: String,
    arguments: Vec<String>,
    environment: BTreeMap<String, String>,
    directories: Directories,
    account: Account,
}

async fn prepare(
    spec: &TaskSpec,
    reporter: &Reporter,
    commands: &mut mpsc::UnboundedReceiver<Command>,
) -> Result<Prepared, TaskEvent> {
    let setup = |error: io::Error| {
        TaskEvent::DriverFailure(format!("failed to build task directory: {error}"))
    };
    let account = directory::account().map_err(setup)?;
    let directories =
        Directories::prepare(&spec.allocation_id, &spec.task, account).map_err(setup)?;
    let mut environment = environment::of(spec, &directories);
    match template::render(&spec.templates, &environment, spec) {
        Ok(rendered) => {
            for file in &rendered.files {
                directories
                    .write(&file.name, &file.content, file.mode, account)
                    .map_err(|error| {
                        TaskEvent::TemplateFailure(format!("Template failed: {error}"))
                    })?;
            }
            environment.extend(rendered.environment);
        }
        Err(template::Unrendered::Missing(text)) => {
            reporter.tell(TaskEvent::Waiting(text));
            until_killed(commands).await;
            return Err(never_ran());
        }
        Err(template::Unrendered::Failed(text)) => return Err(TaskEvent::TemplateFailure(text)),
    }
    let config = interpolation::config(&spec.config, &environment, &spec.node)
        .map_err(TaskEvent::ValidationFailure)?;
    let Some(program) = config["command"]
        .as_str()
        .filter(|program| !program.is_empty())
    else {
        return Err(TaskEvent::ValidationFailure(
            "failed to decode driver config: Missing required argument; The argument \"command\" is required, but no definition was found.".into(),
        ));
    };
    let arguments = config["args"].as_array().map(Vec::as_slice);
    let arguments = arguments.unwrap_or_default().iter().map(text).collect();
    Ok(Prepared {
        program: program.to_owned(),
        arguments,
        environment,
        directories,
        account,
    })
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn spawn(prepared: &Prepared) -> Result<(Group, Child), TaskEvent> {
    let launch = |reason: String| {
        TaskEvent::DriverFailure(format!(
            "failed to launch command with executor: rpc error: code = Unknown desc = {reason}"
        ))
    };
    let program = find(prepared);
    let group = Group::new(prepared.account)
        .map_err(|error| launch(format!("no process group: {error}")))?;
    let mut process = Process::new(&program);
    process
        .args(&prepared.arguments)
        .env_clear()
        .envs(&prepared.environment)
        .current_dir(&prepared.directories.task)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(group.id());
    watchdog::run_as(&mut process, prepared.account);
    match process.spawn() {
        Ok(child) => Ok((group, child)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(launch(format!(
            "binary {:?} could not be found",
            prepared.program
        ))),
        Err(error) => Err(launch(format!(
            "failed to start command path={:?} --- args={:?}: {error}",
            program.display().to_string(),
            prepared.arguments
        ))),
    }
}

/// A name may stand for a file in the task's `local/` or folder; else the system looks for it on `PATH`.
fn find(prepared: &Prepared) -> PathBuf {
    let name = Path::new(&prepared.program);
    let own =
        [&prepared.directories.local, &prepared.directories.task].map(|folder| folder.join(name));
    own.into_iter()
        .find(|file| name.is_relative() && file.is_file())
        .unwrap_or_else(|| name.to_owned())
}

/// Captures a task's output and obeys commands until it has ended.
async fn follow(
    spec: &TaskSpec,
    group: Group,
    mut child: Child,
    commands: &mut mpsc::UnboundedReceiver<Command>,
) -> TaskEvent {
    let readers = [
        child
            .stdout
            .take()
            .map(|pipe| capture(pipe, spec.logs.clone(), LogType::Stdout)),
        child
            .stderr
            .take()
            .map(|pipe| capture(pipe, spec.logs.clone(), LogType::Stderr)),
    ];
    let status = loop {
        tokio::select! {
            status = child.wait() => break status,
            command = commands.recv() => match command {
                Some(Command::Signal(name)) => send(&child, signal(&name)),
                Some(Command::Kill) => {
                    let polite = spec.kill_signal.as_deref().filter(|name| !name.is_empty());
                    send(&child, signal(polite.unwrap_or("SIGINT")));
                    if let Ok(status) = timeout(spec.kill_timeout, child.wait()).await {
                        break status;
                    }
                    send(&child, Some(Signal::SIGKILL));
                }
                None => send(&child, Some(Signal::SIGKILL)),
            }
        }
    };
    // What the task started does not outlive it, and would keep its pipes open.
    drop(group);
    for mut reader in readers.into_iter().flatten() {
        if timeout(LAST_WORDS, &mut reader).await.is_err() {
            reader.abort();
        }
    }
    terminated(status)
}

fn terminated(status: io::Result<ExitStatus>) -> TaskEvent {
    let status = match status {
        Ok(status) => status,
        Err(error) => return TaskEvent::DriverFailure(format!("failed to wait: {error}")),
    };
    let signal = status.signal().unwrap_or(0);
    let exit_code = status.code().unwrap_or(128 + signal);
    TaskEvent::Terminated { exit_code, signal }
}

/// What is told of a task that was killed before it ran.
fn never_ran() -> TaskEvent {
    TaskEvent::Terminated {
        exit_code: 0,
        signal: 0,
    }
}

async fn until_killed(commands: &mut mpsc::UnboundedReceiver<Command>) {
    while let Some(Command::Signal(_)) = commands.recv().await {}
}

fn signal(name: &str) -> Option<Signal> {
    Signal::from_str(name).ok()
}

fn send(child: &Child, signal: Option<Signal>) {
    let id = child.id().and_then(|id| i32::try_from(id).ok());
    if let (Some(id), Some(signal)) = (id, signal) {
        // It may have ended in this very moment.
        let _ = kill(Pid::from_raw(id), signal);
    }
}

fn capture(
    mut pipe: impl AsyncRead + Send + Unpin + 'static,
    logs: LogStore,
    output: LogType,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(read) = pipe.read(&mut buffer).await {
            if read == 0 {
                break;
            }
            logs.write(output, &buffer[..read]);
        }
    })
}
