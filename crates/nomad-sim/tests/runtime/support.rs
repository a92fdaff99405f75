//! Tasks, and what is seen of them.

use std::time::Duration;

use nomad_sim::{
    logs::LogType,
    runtime::{TaskEvent, TaskHandle, TaskReport, TaskSpec, start},
};
use serde_json::{Value, json};
use tokio::{
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    time::{sleep, timeout},
};

pub const PATIENCE: Duration = Duration::from_secs(20);

pub fn raw_exec(command: &str, args: &[&str]) -> TaskSpec {
    TaskSpec {
        allocation_id: uuid::Uuid::new_v4().to_string(),
        job_id: "web".into(),
        group: "main".into(),
        task: "app".into(),
        driver: "raw_exec".into(),
        config: json!({"command": command, "args": args}),
        ..TaskSpec::default()
    }
}

pub fn shell(script: &str) -> TaskSpec {
    raw_exec("/bin/sh", &["-c", script])
}

pub fn played(image: &str) -> TaskSpec {
    TaskSpec {
        driver: "docker".into(),
        config: json!({"image": image}),
        ..shell("")
    }
}

pub async fn next(reports: &mut UnboundedReceiver<TaskReport>) -> TaskEvent {
    timeout(PATIENCE, reports.recv())
        .await
        .unwrap()
        .unwrap()
        .event
}

/// Runs a task until nothing more can happen to it.
pub async fn to_the_end(spec: TaskSpec) -> (TaskHandle, Vec<TaskEvent>) {
    let (report, mut reports) = unbounded_channel();
    let handle = start(spec, report);
    let mut events = Vec::new();
    while events
        .last()
        .is_none_or(|event: &TaskEvent| !event.is_last())
    {
        events.push(next(&mut reports).await);
    }
    (handle, events)
}

pub fn ended(exit_code: i32, signal: i32) -> TaskEvent {
    TaskEvent::Terminated { exit_code, signal }
}

pub fn printed(handle: &TaskHandle) -> String {
    String::from_utf8(handle.logs().read(LogType::Stdout)).unwrap()
}

pub async fn until_printed(handle: &TaskHandle, text: &str) {
    let waiting = async {
        while !printed(handle).contains(text) {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, waiting).await.unwrap();
}

pub fn template(source: &str, destination: &str, environment: bool) -> Value {
    json!({"EmbeddedTmpl": source, "DestPath": destination, "Envvars": environment, "Perms": "0644"})
}
