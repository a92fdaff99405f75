//! Files and variables that a task is given.

use nomad_sim::runtime::{TaskEvent, TaskSpec, start};
use tokio::sync::mpsc::unbounded_channel;

use crate::support::{ended, next, printed, shell, template, to_the_end};

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
