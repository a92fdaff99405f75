//! The README's own walk-through, line by line, as a newcomer pastes it, and the answers it shows.

use std::{
    fs,
    io::Write,
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::{process::Server, serve::folder};

const README: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md");
const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../config");

/// What stands in the walk-through in fences of this language, line by line.
fn lines<'a>(readme: &'a str, language: &str) -> Vec<&'a str> {
    let (_, section) = readme
        .split_once("## A walk-through")
        .expect("a walk-through");
    let (section, _) = section.split_once("\n## ").expect("a section after it");
    let (mut lines, mut fence) = (Vec::new(), None);
    for line in section.lines() {
        match (line.strip_prefix("```"), fence) {
            (Some(begun), None) => fence = Some(begun),
            (Some(_), Some(_)) => fence = None,
            (None, Some(begun)) if begun == language => lines.push(line),
            (None, _) => {}
        }
    }
    lines
}

/// Whether the answer has all that is shown of it; `…` stands for the rest of a text.
fn has(answer: &Value, shown: &Value) -> bool {
    match (answer, shown) {
        (Value::Object(answer), Value::Object(shown)) => shown
            .iter()
            .all(|(name, shown)| answer.get(name).is_some_and(|answer| has(answer, shown))),
        (Value::Array(answer), Value::Array(shown)) => {
            let mut pairs = answer.iter().zip(shown);
            answer.len() == shown.len() && pairs.all(|(answer, shown)| has(answer, shown))
        }
        (Value::String(answer), Value::String(shown)) => shown
            .strip_suffix('…')
            .map_or(answer == shown, |begin| answer.starts_with(begin)),
        _ => answer == shown,
    }
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
    for line in lines(&readme, "sh") {
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
    assert!(!text.contains(r#""status":"failed""#), "{text}");
    let answers: Vec<Value> = text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let shown: Vec<Value> = lines(&readme, "json")
        .into_iter()
        .map(|line| serde_json::from_str(line).expect("JSON in the README"))
        .collect();
    assert!(shown.len() > 1, "{shown:?}");
    for shown in &shown {
        let found = answers.iter().any(|answer| has(answer, shown));
        assert!(found, "{shown}: {text}");
    }
    // Nothing is refused but what the README shows as refused.
    let refused = shown.iter().filter(|shown| shown["code"].is_string());
    let problems = text.matches("urn:nomad-services:problem").count();
    assert_eq!(problems, refused.count(), "{text}");
    server.kill();
}
