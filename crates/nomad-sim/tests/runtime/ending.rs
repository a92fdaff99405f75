//! How tasks end: by signals, by force, and with the simulator.

use std::time::Duration;

use nomad_sim::runtime::{TaskEvent, TaskSpec, start};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    sync::mpsc::unbounded_channel,
    time::{sleep, timeout},
};

use crate::support::{PATIENCE, ended, next, printed, raw_exec, shell, to_the_end, until_printed};

#[tokio::test]
async fn a_killed_task_gets_its_kill_signal_first() {
    let (report, mut reports) = unbounded_channel();
    let spec = TaskSpec {
        kill_signal: Some("SIGTERM".into()),
        ..shell("trap 'echo asked; exit 7' TERM; echo ready; while :; do sleep 0.05; done")
    };
    let handle = start(spec, report);
    assert_eq!(next(&mut reports).await, TaskEvent::Started);
    until_printed(&handle, "ready").await;
    handle.kill();
    assert_eq!(next(&mut reports).await, ended(7, 0));
    assert_eq!(printed(&handle), "ready\nasked\n");
}

#[tokio::test]
async fn a_task_that_obeys_the_default_signal_ends_with_130() {
    let (report, mut reports) = unbounded_channel();
    let handle = start(raw_exec("/bin/sleep", &["600"]), report);
    assert_eq!(next(&mut reports).await, TaskEvent::Started);
    handle.kill();
    assert_eq!(next(&mut reports).await, ended(130, 2));
}

#[tokio::test]
async fn a_deaf_task_and_its_children_are_killed_after_the_kill_timeout() {
    let (report, mut reports) = unbounded_channel();
    let spec = TaskSpec {
        kill_timeout: Duration::from_millis(200),
        ..shell("trap '' INT; sleep 600 & echo $!; wait; while :; do sleep 600; done")
    };
    let handle = start(spec, report);
    assert_eq!(next(&mut reports).await, TaskEvent::Started);
    until_printed(&handle, "\n").await;
    handle.kill();
    assert_eq!(next(&mut reports).await, ended(137, 9));
    until_gone(&printed(&handle)).await;
}

#[tokio::test]
async fn what_a_task_started_does_not_outlive_it() {
    let (handle, events) = to_the_end(shell("sleep 600 & echo $!")).await;
    assert_eq!(events, [TaskEvent::Started, ended(0, 0)]);
    until_gone(&printed(&handle)).await;
}

#[tokio::test]
async fn dropping_the_last_handle_kills_the_task() {
    let (report, mut reports) = unbounded_channel();
    let handle = start(shell("echo $$; exec sleep 600"), report);
    assert_eq!(next(&mut reports).await, TaskEvent::Started);
    until_printed(&handle, "\n").await;
    drop(handle);
    assert_eq!(next(&mut reports).await, ended(137, 9));
}

/// Waits until a process has ended; a dead one that nobody has collected counts as ended.
async fn until_gone(process: &str) {
    let stat = format!("/proc/{}/stat", process.trim());
    let runs = || std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z "));
    let waiting = async {
        while runs() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, waiting).await.unwrap();
}

#[tokio::test]
async fn a_signal_reaches_the_task_and_an_unknown_one_is_ignored() {
    let (report, mut reports) = unbounded_channel();
    // Not HUP, which no shell can trap that was started under nohup. Many short waits: a signal that comes just before one
    // is noticed after it.
    let script = "trap 'echo heard; exit 0' USR1; echo ready; while :; do sleep 0.1; done";
    let handle = start(shell(script), report);
    assert_eq!(next(&mut reports).await, TaskEvent::Started);
    until_printed(&handle, "ready").await;
    handle.signal("SIGNOPE");
    handle.signal("SIGUSR1");
    assert_eq!(next(&mut reports).await, ended(0, 0));
    assert_eq!(printed(&handle), "ready\nheard\n");
}

/// Tells the copy of this program that plays the simulator what it is.
const ROLE: &str = "NOMAD_SIM_TEST_ROLE";

#[tokio::test]
async fn a_task_and_what_it_started_die_with_a_simulator_that_is_killed() {
    if std::env::var_os(ROLE).is_some() {
        let (report, mut reports) = unbounded_channel();
        let handle = start(
            shell("trap '' INT TERM HUP; sleep 600 & echo $! $$; wait"),
            report,
        );
        assert_eq!(next(&mut reports).await, TaskEvent::Started);
        until_printed(&handle, "\n").await;
        eprintln!("processes {}", printed(&handle));
        sleep(PATIENCE).await;
        return;
    }
    let mut simulator = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture"])
        .arg("ending::a_task_and_what_it_started_die_with_a_simulator_that_is_killed")
        .env(ROLE, "simulator")
        .stderr(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(simulator.stderr.take().unwrap()).lines();
    let processes = loop {
        let line = timeout(PATIENCE, lines.next_line())
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        if let Some(processes) = line.strip_prefix("processes ") {
            break processes.to_owned();
        }
    };
    // SIGKILL: nothing in the simulator can run any more.
    simulator.kill().await.unwrap();
    for process in processes.split_whitespace() {
        until_gone(process).await;
    }
}
