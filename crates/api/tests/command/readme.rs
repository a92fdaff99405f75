//! The README's own walk-through, line by line, as a newcomer pastes it.

use std::{
    fs,
    io::Write,
    process::{Command, Stdio},
};

use crate::{process::Server, serve::folder};

const README: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md");
const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../config");

/// The lines of code between one heading and the next.
fn lines(readme: &str) -> Vec<&str> {
    let (_, section) = readme
        .split_once("## A walk-through")
        .expect("a walk-through");
    let (section, _) = section.split_once("\n## ").expect("a section after it");
    let lines = section.lines().filter_map(|line| line.strip_prefix("    "));
    lines.collect()
}

#[test]
fn the_walk_through_works_when_pasted_line_by_line() {
    let folder = folder();
    let server = Server::start(
        folder.path(),
        &[
            ("NOMAD_SERVICES__DEPLOYMENTS__POLL_INTERVAL", "200ms"),
            ("NOMAD_JOBS_PATH", &format!("{CONFIG}/jobs")),
            ("NOMAD_SERVICES__NOMAD__ALLOWED_DRIVERS", "docker,raw_exec"),
        ],
    );
    let readme = fs::read_to_string(README).expect("the README");
    let mut shell = Command::new("bash")
        .arg("-eu")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a shell");
    let mut input = shell.stdin.take().expect("its input");
    for line in lines(&readme) {
        let line = line.replace("http://127.0.0.1:8080/api/v1", server.line("URL"));
        writeln!(input, "{line}\necho").expect("it reads");
    }
    drop(input);
    let output = shell.wait_with_output().expect("it ends");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    for expected in [
        "User registered successfully",
        r#""status":"completed""#,
        r#""status":"running""#,
        "Serving HTTP on",
        "<h1>It works</h1>",
        r#""memory_usage""#,
        "the service is being stopped",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    for refused in ["urn:nomad-services:problem", r#""status":"failed""#] {
        assert!(!text.contains(refused), "{refused}: {text}");
    }
    server.kill();
}
