//! What a task is given, and what it leaves: its environment, output and exit code.

use std::collections::BTreeMap;

use nomad_sim::{
    logs::{LogStore, LogType},
    runtime::{TaskEvent, TaskSpec},
};

use crate::support::{ended, printed, raw_exec, shell, to_the_end};

#[tokio::test]
async fn a_task_really_runs_and_its_output_and_exit_code_are_kept() {
    let (handle, events) = to_the_end(shell("echo out; echo err >&2; exit 3")).await;
    assert_eq!(events, [TaskEvent::Started, ended(3, 0)]);
    assert_eq!(printed(&handle), "out\n");
    assert_eq!(handle.logs().read(LogType::Stderr), b"err\n");
    assert!(handle.usage().processes.is_empty());
}

#[tokio::test]
async fn a_restarted_task_appends_to_its_log() {
    let logs = LogStore::default();
    for word in ["one", "two"] {
        let spec = TaskSpec {
            logs: logs.clone(),
            ..raw_exec("/bin/echo", &[word])
        };
        to_the_end(spec).await;
    }
    assert_eq!(logs.read(LogType::Stdout), b"one\ntwo\n");
}

#[tokio::test]
async fn a_missing_binary_is_a_driver_failure() {
    let (_, events) = to_the_end(raw_exec("/no/such/cmd", &[])).await;
    let text = "failed to launch command with executor: rpc error: code = Unknown desc = binary \"/no/such/cmd\" could not be found";
    assert_eq!(events, [TaskEvent::DriverFailure(text.into())]);
}

#[tokio::test]
async fn a_program_is_found_on_the_path() {
    let (handle, events) = to_the_end(raw_exec("echo", &["found"])).await;
    assert_eq!(events, [TaskEvent::Started, ended(0, 0)]);
    assert_eq!(printed(&handle), "found\n");
}

#[tokio::test]
async fn root_runs_tasks_as_an_account_without_rights() {
    let (handle, _) = to_the_end(raw_exec("/usr/bin/id", &["-u"])).await;
    assert_ne!(printed(&handle).trim(), "0");
}

#[tokio::test]
async fn a_task_finds_itself_described_in_its_environment() {
    let spec = TaskSpec {
        ports: [("http".to_owned(), 4711)].into(),
        meta: [("tier".to_owned(), "gold".to_owned())].into(),
        env: BTreeMap::from([
            (
                "ADDRESS".to_owned(),
                "http://${NOMAD_ADDR_http}/$${NOMAD_JOB_ID}".to_owned(),
            ),
            (
                "UNKNOWN".to_owned(),
                "${ADDRESS} ${nothing.here} ${".to_owned(),
            ),
            ("WITH.DOT".to_owned(), "kept".to_owned()),
        ]),
        node: [("node.unique.name".to_owned(), "node-1".to_owned())].into(),
        ..raw_exec("/usr/bin/env", &[])
    };
    let allocation = spec.allocation_id.clone();
    let (handle, _) = to_the_end(spec).await;
    let output = printed(&handle);
    let environment: BTreeMap<_, _> = output
        .lines()
        .filter_map(|line| line.split_once('='))
        .collect();
    assert_eq!(environment["NOMAD_ALLOC_ID"], allocation);
    assert_eq!(environment["NOMAD_ALLOC_NAME"], "web.main[0]");
    assert_eq!(environment["NOMAD_PORT_http"], "4711");
    assert_eq!(environment["NOMAD_META_tier"], "gold");
    assert_eq!(environment["NOMAD_META_TIER"], "gold");
    assert_eq!(environment["ADDRESS"], "http://127.0.0.1:4711/$web");
    assert_eq!(environment["UNKNOWN"], "${ADDRESS} ${nothing.here} ${");
    assert_eq!(environment["WITH.DOT"], "kept");
    assert!(environment["NOMAD_TASK_DIR"].ends_with("/app/local"));
}

#[tokio::test]
async fn arguments_are_hcl_and_an_unknown_name_fails_validation() {
    let spec = TaskSpec {
        ports: [("http".to_owned(), 4711)].into(),
        ..raw_exec(
            "/bin/echo",
            &[
                "${NOMAD_PORT_http}",
                "$${x}",
                "${1 + 1}",
                "${upper(\"a\")}",
                "a \"b\"\n\\ $ $$ %",
                "%{if true}yes%{endif}",
            ],
        )
    };
    let (handle, _) = to_the_end(spec).await;
    assert_eq!(printed(&handle), "4711 ${x} 2 A a \"b\"\n\\ $ $$ % yes\n");

    let (_, events) = to_the_end(raw_exec("/bin/echo", &["${unknown.x}"])).await;
    let [TaskEvent::ValidationFailure(text)] = events.as_slice() else {
        panic!("{events:?}");
    };
    assert!(
        text.contains("There is no variable named \"unknown\"."),
        "{text}"
    );
}
