//! Tasks from outside: real processes that are captured, signalled, killed and guarded, and played ones.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    time::Duration,
};

use nomad_sim::{
    checks::probe,
    logs::{LogStore, LogType},
    runtime::{TaskEvent, TaskHandle, TaskReport, TaskSpec, forget, start},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    time::{sleep, timeout},
};

const PATIENCE: Duration = Duration::from_secs(20);

fn raw_exec(command: &str, args: &[&str]) -> TaskSpec {
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

fn shell(script: &str) -> TaskSpec {
    raw_exec("/bin/sh", &["-c", script])
}

fn played(image: &str) -> TaskSpec {
    TaskSpec {
        driver: "docker".into(),
        config: json!({"image": image}),
        ..shell("")
    }
}

async fn next(reports: &mut UnboundedReceiver<TaskReport>) -> TaskEvent {
    timeout(PATIENCE, reports.recv())
        .await
        .unwrap()
        .unwrap()
        .event
}

/// Runs a task until nothing more can happen to it.
async fn to_the_end(spec: TaskSpec) -> (TaskHandle, Vec<TaskEvent>) {
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

fn ended(exit_code: i32, signal: i32) -> TaskEvent {
    TaskEvent::Terminated { exit_code, signal }
}

fn printed(handle: &TaskHandle) -> String {
    String::from_utf8(handle.logs().read(LogType::Stdout)).unwrap()
}

async fn until_printed(handle: &TaskHandle, text: &str) {
    let waiting = async {
        while !printed(handle).contains(text) {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, waiting).await.unwrap();
}

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
    let script =
        "trap 'echo hup; kill $!; exit 0' HUP; sleep 60 >/dev/null 2>&1 & echo ready; wait";
    let handle = start(shell(script), report);
    assert_eq!(next(&mut reports).await, TaskEvent::Started);
    until_printed(&handle, "ready").await;
    handle.signal("SIGNOPE");
    handle.signal("SIGHUP");
    assert_eq!(next(&mut reports).await, ended(0, 0));
    assert_eq!(printed(&handle), "ready\nhup\n");
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

fn template(source: &str, destination: &str, environment: bool) -> Value {
    json!({"EmbeddedTmpl": source, "DestPath": destination, "Envvars": environment, "Perms": "0644"})
}

#[tokio::test]
async fn a_variable_travels_through_a_template_without_losing_a_byte() {
    let nasty = "q\" a' \n\r\t \\ ${x} $${y} {{ z }} $HOME # = %{if} ü \u{2028} ";
    let spec = TaskSpec {
        templates: vec![
            template(
                "{{ with nomadVar \"nomad/jobs/web\" }}K={{ .k | toJSON }}\n{{ end }}",
                "secrets/a.env",
                true,
            ),
            template(
                "{{ range (nomadVar \"nomad/jobs/web\").Tuples }}T_{{ .K }}={{ .V | toJSON }}\n{{ end }}",
                "secrets/b.env",
                true,
            ),
            template(
                "B={{ \"dw==\" | base64Decode | toJSON }}\nL={{ \"{{\" }}\n",
                "secrets/c.env",
                true,
            ),
            template(
                "{{ with nomadVar \"nomad/jobs/web\" }}{{ .k }}{{ end }}",
                "local/file",
                false,
            ),
        ],
        variables: [(
            "nomad/jobs/web".to_owned(),
            [("k".to_owned(), nasty.to_owned())].into(),
        )]
        .into(),
        ..shell("printf '%s|%s|%s|%s|' \"$K\" \"$T_k\" \"$B\" \"$L\"; cat local/file")
    };
    let (handle, events) = to_the_end(spec).await;
    assert_eq!(events, [TaskEvent::Started, ended(0, 0)]);
    assert_eq!(printed(&handle), format!("{nasty}|{nasty}|w|{{{{|{nasty}"));
}

#[tokio::test]
async fn an_unquoted_value_with_a_quote_fails_the_template() {
    let spec = TaskSpec {
        templates: vec![template(
            "{{ with nomadVar \"v\" }}K={{ .k }}{{ end }}",
            "secrets/e.env",
            true,
        )],
        variables: [("v".to_owned(), [("k".to_owned(), "a\"b".to_owned())].into())].into(),
        ..shell("true")
    };
    let (_, events) = to_the_end(spec).await;
    let [TaskEvent::TemplateFailure(text)] = events.as_slice() else {
        panic!("{events:?}");
    };
    assert!(
        text.starts_with("Template failed to read environment variables"),
        "{text}"
    );
}

#[tokio::test]
async fn a_task_waits_for_a_variable_that_is_missing_until_it_is_killed() {
    let (report, mut reports) = unbounded_channel();
    let spec = TaskSpec {
        templates: vec![template(
            "{{ with nomadVar \"nomad/jobs/x\" }}{{ .k }}{{ end }}",
            "local/f",
            false,
        )],
        ..shell("true")
    };
    let handle = start(spec, report);
    let missing = "Missing: nomad.var.block(nomad/jobs/x@default.global)";
    assert_eq!(next(&mut reports).await, TaskEvent::Waiting(missing.into()));
    handle.kill();
    assert_eq!(next(&mut reports).await, ended(0, 0));
    assert!(!handle.logs().is_open());
}

#[tokio::test]
async fn a_template_can_not_write_outside_of_its_task() {
    for destination in ["../x", "/tmp/x", "local/../../x"] {
        let spec = TaskSpec {
            templates: vec![template("x", destination, false)],
            ..shell("true")
        };
        let (_, events) = to_the_end(spec).await;
        assert!(
            matches!(events.as_slice(), [TaskEvent::TemplateFailure(_)]),
            "{events:?}"
        );
    }
}

#[tokio::test]
async fn a_web_server_answers_and_its_check_and_usage_are_real() {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let spec = TaskSpec {
        ports: [("http".to_owned(), port)].into(),
        templates: vec![template("<h1>hello</h1>", "local/index.html", false)],
        ..raw_exec(
            "python3",
            &[
                "-m",
                "http.server",
                "${NOMAD_PORT_http}",
                "--bind",
                "${NOMAD_IP_http}",
                "--directory",
                "${NOMAD_TASK_DIR}",
            ],
        )
    };
    let allocation = spec.allocation_id.clone();
    let (report, mut reports) = unbounded_channel();
    let handle = start(spec, report);
    assert_eq!(next(&mut reports).await, TaskEvent::Started);
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let check = json!({"Type": "http", "Path": "/", "Timeout": 5_000_000_000_u64});
    let passing = async {
        while !probe(&check, address).await.success {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, passing).await.unwrap();
    let found = probe(&check, address).await;
    assert_eq!(
        (found.output.as_str(), found.status_code),
        ("nomad: http ok", Some(200))
    );
    let missing = probe(&json!({"Type": "http", "Path": "/none"}), address).await;
    assert_eq!((missing.success, missing.status_code), (false, Some(404)));
    assert!(
        missing.output.contains("File not found"),
        "{}",
        missing.output
    );
    assert!(probe(&json!({"Type": "tcp"}), address).await.success);
    assert!(handle.usage().total().rss > 1_000_000);
    assert_eq!(handle.played_check(&check), None);
    handle.kill();
    while !next(&mut reports).await.is_last() {}
    assert!(!probe(&json!({"Type": "tcp"}), address).await.success);
    forget(&allocation);
}

#[tokio::test]
async fn an_image_name_decides_what_is_played() {
    let (_, events) = to_the_end(played("sim/exits:3")).await;
    assert_eq!(events, [TaskEvent::Started, ended(3, 0)]);

    let (handle, events) = to_the_end(played("sim/unpullable")).await;
    assert!(
        matches!(events.as_slice(), [TaskEvent::DriverFailure(text)] if text.starts_with("Failed to pull `sim/unpullable`"))
    );
    assert!(!handle.logs().is_open());

    for (image, healthy) in [("postgres:17", true), ("sim/unhealthy", false)] {
        let (report, mut reports) = unbounded_channel();
        let handle = start(played(image), report);
        assert_eq!(next(&mut reports).await, TaskEvent::Started);
        let check = handle
            .played_check(&json!({"Type": "http", "Path": "/"}))
            .unwrap();
        assert_eq!(check.success, healthy);
        assert!(handle.usage().total().rss > 0);
        handle.kill();
        assert_eq!(next(&mut reports).await, ended(0, 0));
    }
}

#[tokio::test]
async fn ten_thousand_played_tasks_fit_one_process() {
    let (report, mut reports) = unbounded_channel();
    let handles: Vec<_> = (0..10_000)
        .map(|_| start(played("redis:7"), report.clone()))
        .collect();
    for _ in &handles {
        assert_eq!(next(&mut reports).await, TaskEvent::Started);
    }
    for handle in &handles {
        handle.kill();
    }
    for _ in &handles {
        assert_eq!(next(&mut reports).await, ended(0, 0));
    }
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
        .arg("a_task_and_what_it_started_die_with_a_simulator_that_is_killed")
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
