//! Tasks that are played, and a real web server beside them.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    time::Duration,
};

use nomad_sim::{
    checks::probe,
    runtime::{TaskEvent, TaskSpec, forget, start},
};
use serde_json::json;
use tokio::{
    sync::mpsc::unbounded_channel,
    time::{sleep, timeout},
};

use crate::support::{PATIENCE, ended, next, played, raw_exec, template, to_the_end};

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
