//! Reading job files.

use nomad::ErrorKind;
use serde_json::{Map, Value, json};

use crate::{
    scenarios,
    stage::{Stage, refusal},
};

scenarios![
    a_literal_variable_is_not_interpreted,
    an_undeclared_variable_is_ignored,
    a_variable_without_a_value_is_refused_by_name,
    a_value_of_the_wrong_type_is_refused_by_name,
    what_is_for_run_time_stays_text,
    the_file_can_not_read_the_servers_files,
    a_broken_file_is_refused_with_its_place,
    only_a_canonical_job_has_defaults,
];

const FILE: &str = r#"
variable "text" {
  type = string
}

variable "count" {
  type    = number
  default = 2
}

variable "tags" {
  type    = list(string)
  default = []
}

variable "environment" {
  type    = map(string)
  default = {}
}

job "parsed" {
  group "main" {
    count = var.count

    task "app" {
      driver = "raw_exec"

      config {
        command = "/bin/echo"
        args    = var.tags
      }

      env = merge({ TEXT = var.text }, var.environment)
    }
  }
}
"#;

fn variables(variables: Value) -> Map<String, Value> {
    variables.as_object().unwrap().clone()
}

async fn parsed(stage: &Stage, file: &str, values: Value) -> Value {
    let job = stage.nomad.parse(file, &variables(values), false).await;
    job.unwrap()
}

async fn refused(stage: &Stage, file: &str, values: Value) -> String {
    let job = stage.nomad.parse(file, &variables(values), false).await;
    let (kind, status, text) = refusal(job);
    assert_eq!((kind, status), (ErrorKind::Invalid, 400), "{text}");
    assert!(text.starts_with("Failed to parse job: "), "{text}");
    text
}

async fn a_literal_variable_is_not_interpreted(stage: &Stage) {
    let hostile = "a ${x} %{if true}b%{endif} $${y} \" \\n \n\t{{ z }} ü upper(\"c\")";
    let values = json!({
        "text": hostile,
        "count": 3,
        "tags": [hostile, "${env.HOME}"],
        "environment": {"OTHER": hostile},
    });
    let job = parsed(stage, FILE, values).await;
    assert_eq!(job["ID"], "parsed");
    let group = &job["TaskGroups"][0];
    assert_eq!(group["Count"], 3);
    let task = &group["Tasks"][0];
    assert_eq!(task["Config"]["args"], json!([hostile, "${env.HOME}"]));
    assert_eq!(task["Env"], json!({"TEXT": hostile, "OTHER": hostile}));
}

async fn an_undeclared_variable_is_ignored(stage: &Stage) {
    let with = parsed(stage, FILE, json!({"text": "a", "undeclared": "b"})).await;
    let without = parsed(stage, FILE, json!({"text": "a"})).await;
    assert_eq!(with, without);
}

async fn a_variable_without_a_value_is_refused_by_name(stage: &Stage) {
    let text = refused(stage, FILE, json!({})).await;
    assert!(text.contains("Unset variable \"text\""), "{text}");
    let unused = "variable \"unused\" {\n  type = string\n}\njob \"parsed\" {}\n";
    let text = refused(stage, unused, json!({})).await;
    assert!(text.contains("Unset variable \"unused\""), "{text}");
}

async fn a_value_of_the_wrong_type_is_refused_by_name(stage: &Stage) {
    let text = refused(stage, FILE, json!({"text": "a", "count": "many"})).await;
    let explanation = "The value for count is not compatible with the variable's type constraint: a number is required.";
    assert!(
        text.contains("Invalid value for variable") && text.contains(explanation),
        "{text}"
    );
    let converted = parsed(stage, FILE, json!({"text": 5, "count": "4"})).await;
    assert_eq!(converted["TaskGroups"][0]["Count"], 4);
    assert_eq!(converted["TaskGroups"][0]["Tasks"][0]["Env"]["TEXT"], "5");
}

async fn what_is_for_run_time_stays_text(stage: &Stage) {
    let file = r#"
job "parsed" {
  meta {
    home = "${env.HOME} ${attr.kernel.name} ${NOMAD_ALLOC_ID} ${node.unique.name} $${x}"
  }
}
"#;
    let job = parsed(stage, file, json!({})).await;
    assert_eq!(
        job["Meta"]["home"],
        "${env.HOME} ${attr.kernel.name} ${NOMAD_ALLOC_ID} ${node.unique.name} ${x}"
    );
}

async fn the_file_can_not_read_the_servers_files(stage: &Stage) {
    let calling = |call: &str| format!("job \"parsed\" {{\n  meta {{\n    x = {call}\n  }}\n}}\n");
    let text = refused(stage, &calling("file(\"/etc/hostname\")"), json!({})).await;
    assert!(text.contains("filesystem function disabled"), "{text}");
    for unknown in ["env", "templatefile"] {
        let text = refused(stage, &calling(&format!("{unknown}(\"x\")")), json!({})).await;
        let none = format!("There is no function named \"{unknown}\"");
        assert!(text.contains(&none), "{text}");
    }
}

async fn a_broken_file_is_refused_with_its_place(stage: &Stage) {
    let text = refused(stage, "job \"parsed\" {\n  type = \n}\n", json!({})).await;
    assert!(
        text.contains("input.hcl:2,") && text.contains("Invalid expression"),
        "{text}"
    );
    let text = refused(stage, "# nothing\n", json!({})).await;
    assert!(
        text.contains("Missing job block; A job block is required"),
        "{text}"
    );
    let text = refused(stage, "job \"a\" {}\njob \"b\" {}\n", json!({})).await;
    assert!(text.contains("Duplicate job block"), "{text}");
}

async fn only_a_canonical_job_has_defaults(stage: &Stage) {
    let plain = parsed(stage, FILE, json!({"text": "a"})).await;
    for field in ["Type", "Namespace", "Region", "Priority", "Datacenters"] {
        assert_eq!(plain[field], Value::Null, "{field}");
    }
    let values = variables(json!({"text": "a"}));
    let canonical = stage.nomad.parse(FILE, &values, true).await.unwrap();
    assert_eq!(canonical["Type"], "service");
    assert_eq!(canonical["Namespace"], "default");
    assert_eq!(canonical["Priority"], 50);
    let update = &canonical["TaskGroups"][0]["Update"];
    assert_eq!(update["ProgressDeadline"], 600_000_000_000_i64);
}
