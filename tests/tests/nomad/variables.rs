//! Variables: written with compare-and-set, read by tasks.

use std::collections::BTreeMap;

use nomad::{
    ErrorKind,
    client::logs::{LogSource, LogTail},
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use crate::{
    scenarios,
    stage::{Stage, eventually, id, refusal, task},
};

scenarios![
    a_variable_is_written_read_listed_and_deleted,
    an_enforced_index_is_compared_with_the_variable,
    a_bad_variable_is_refused_in_words,
    a_template_carries_every_value_exactly,
];

fn items(value: &str) -> BTreeMap<String, SecretString> {
    [("key".to_owned(), SecretString::from(value))].into()
}

fn path(stage: &Stage) -> String {
    format!("contract/{}", stage.job_id())
}

async fn a_variable_is_written_read_listed_and_deleted(stage: &Stage) {
    let path = path(stage);
    let absent = stage.nomad.variable(&path).await;
    assert_eq!(
        refusal(absent),
        (ErrorKind::NotFound, 404, "variable not found".to_owned())
    );
    let hostile = "a\n\"${x}\" {{ y }} \\ ü ";
    let written = stage
        .nomad
        .write_variable(&path, &items(hostile), None)
        .await
        .unwrap();
    assert_eq!((&written.path, &*written.namespace), (&path, "default"));
    let read = stage.nomad.variable(&path).await.unwrap().value;
    assert_eq!(read.stub, written);
    assert_eq!(read.items["key"].expose_secret(), hostile);
    let listed = stage.nomad.variables(&path).await.unwrap().value;
    assert_eq!(listed, [written]);

    for _ in 0..2 {
        let deleted = stage.nomad.delete_variable(&path, None).await;
        deleted.unwrap();
    }
    assert_eq!(stage.nomad.variables(&path).await.unwrap().value, []);
}

async fn an_enforced_index_is_compared_with_the_variable(stage: &Stage) {
    let path = path(stage);
    let write = async |value: &str, index: u64| {
        let values = items(value);
        stage
            .nomad
            .write_variable(&path, &values, Some(index))
            .await
    };
    let conflict = |answer| {
        let (kind, status, _) = refusal(answer);
        assert_eq!((kind, status), (ErrorKind::VariableConflict, 409));
    };
    conflict(write("absent", 5).await);
    let first = write("first", 0).await.unwrap();
    conflict(write("again", 0).await);
    conflict(write("stale", first.modify_index - 1).await);
    let second = write("second", first.modify_index).await.unwrap();
    assert_eq!(second.create_index, first.create_index);
    assert!(second.modify_index > first.modify_index);
    conflict(write("stale", first.modify_index).await);
    let read = stage.nomad.variable(&path).await.unwrap().value;
    assert_eq!(read.items["key"].expose_secret(), "second");

    let delete = async |index| stage.nomad.delete_variable(&path, Some(index)).await;
    let (kind, status, _) = refusal(delete(first.modify_index).await);
    assert_eq!((kind, status), (ErrorKind::VariableConflict, 409));
    delete(second.modify_index).await.unwrap();
}

async fn a_bad_variable_is_refused_in_words(stage: &Stage) {
    let path = path(stage);
    let refused = async |path: &str, items: &BTreeMap<String, SecretString>| {
        let (kind, status, text) = refusal(stage.nomad.write_variable(path, items, None).await);
        assert_eq!((kind, status), (ErrorKind::Invalid, 400), "{text}");
        text
    };
    assert_eq!(
        refused(&path, &BTreeMap::new()).await,
        "variable missing required Items object"
    );
    assert!(
        refused(&path, &items(&"x".repeat(66_000)))
            .await
            .contains("variables are limited to 64KiB in total size")
    );
    assert!(
        refused("contract/a b", &items("x"))
            .await
            .contains("invalid path \"contract/a b\"")
    );
    let largest = items(&"x".repeat(65_533));
    stage
        .nomad
        .write_variable(&path, &largest, None)
        .await
        .unwrap();
    stage.nomad.delete_variable(&path, None).await.unwrap();
}

async fn a_template_carries_every_value_exactly(stage: &Stage) {
    let value =
        "quote\" apostrophe' line\nnext tab\t back\\slash ${HOME} $${x} {{ y }} $HOME #= %{if} ü ";
    let mut job = stage.script("printf %s \"$SECRET\"; exec sleep 86400");
    let path = format!("nomad/jobs/{}", id(&job));
    stage
        .nomad
        .write_variable(&path, &items(value), None)
        .await
        .unwrap();
    task(&mut job)["Templates"] = json!([{
        "EmbeddedTmpl": format!("SECRET={{{{ with nomadVar \"{path}\" }}}}{{{{ .key | toJSON }}}}{{{{ end }}}}\n"),
        "DestPath": "secrets/environment",
        "Envvars": true,
    }]);
    stage.register(&job).await;
    let printed = eventually("the value in the task's output", async || {
        let allocation = stage.allocations(&job).await.into_iter().next()?;
        let tail = LogTail::Bytes(1024);
        let log = stage
            .nomad
            .logs(&allocation.id, "app", LogSource::Stdout, tail)
            .await;
        let log = log.ok().filter(|log| log.len() >= value.len())?;
        Some(String::from_utf8(log.to_vec()).unwrap())
    })
    .await;
    assert_eq!(printed, value);
    stage.nomad.delete_variable(&path, None).await.unwrap();
}
