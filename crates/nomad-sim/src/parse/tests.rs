use std::{fs, path::PathBuf};

use serde_json::{Value, json};

use super::parse;

fn parsed(source: &str, variables: &str) -> Result<Value, String> {
    parse(&json!({"JobHCL": source, "Variables": variables}))
}

/// What the real agent answered to a file like this one, which leaves nearly everything unsaid.
const RECORDED: &str = r#"
variable "n" { default = "x" }
variable "count" { type = number }
variable "tags" { type = list(string) }
job "web" {
  group "main" {
    count = var.count
    network {
      port "http" { to = 80 }
    }
    update {
      healthy_deadline  = "60s"
      min_healthy_time  = "2s"
      progress_deadline = "2m"
    }
    service {
      name     = "web"
      port     = "http"
      provider = "nomad"
      tags     = var.tags
      check {
        type     = "http"
        path     = "/"
        interval = "1s"
        timeout  = "1s"
      }
    }
    task "app" {
      driver       = "raw_exec"
      kill_timeout = "7s"
      config {
        command = "/bin/echo"
        args    = [var.n, "${NOMAD_PORT_http}", "${node.unique.name}"]
      }
      env {
        A = var.n
        B = "x-${var.n}-${NOMAD_ALLOC_ID}"
      }
      meta = META
    }
  }
}
"#;

fn recorded(name: &str) -> Value {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/recorded")
        .join(name);
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn a_job_file_becomes_the_job_that_the_real_agent_made_of_one_like_it() {
    let source = RECORDED.replace("META", "{ k = \"v\", k2 = \"v2\" }");
    let values = "n = \"n1\"\ncount = 3\ntags = [\"a\", \"b\"]";
    assert_eq!(
        parsed(&source, values).unwrap(),
        recorded("jobs-parse.json")
    );
}

#[test]
fn its_defaults_are_those_that_the_real_agent_filled_in() {
    let source = RECORDED.replace("META", "{}");
    let values = r#"{"n": "n1", "count": 2, "tags": []}"#;
    let job = parse(&json!({"JobHCL": source, "Variables": values, "Canonicalize": true}));
    assert_eq!(job.unwrap(), recorded("jobs-parse-canonicalized.json"));
}

/// A job file with a variable of a type, whose value becomes the job's meta.
fn echo(kind: &str, value: &str) -> String {
    format!(
        "variable \"v\" {{\n  type = {kind}\n}}\njob \"j\" {{\n  meta {{\n    m = {value}\n  }}\n}}\n"
    )
}

/// The same with a variable that accepts anything.
fn echo_any(value: &str) -> String {
    format!("variable \"v\" {{}}\njob \"j\" {{\n  meta {{\n    m = {value}\n  }}\n}}\n")
}

fn meta(source: &str, variables: &str) -> Value {
    parsed(source, variables).unwrap()["Meta"]["m"].clone()
}

#[test]
fn values_are_converted_to_what_a_variable_is() {
    assert_eq!(meta(&echo("number", "\"${var.v + 1}\""), "v = \"4\""), "5");
    assert_eq!(meta(&echo("string", "var.v"), "v = 5"), "5");
    assert_eq!(meta(&echo("string", "var.v"), "v = true"), "true");
    assert_eq!(
        meta(
            &echo("list(number)", "join(\",\", var.v)"),
            "v = [\"1\", 2]"
        ),
        "1,2"
    );
    let error = parsed(&echo("number", "\"\""), "v = \"x\"").unwrap_err();
    let text = "Invalid value for variable; The value for v is not compatible with the variable's type constraint: a number is required.";
    assert_eq!(
        error,
        format!("Failed to parse job: input.hcl:1,5-8: {text}")
    );
    for (kind, value, reason) in [
        ("string", "[1]", "string required, but have tuple."),
        (
            "list(number)",
            "3",
            "list of number required, but have number.",
        ),
        ("map(string)", "[3]", "map of string required."),
    ] {
        let error = parsed(&echo(kind, "\"\""), &format!("v = {value}")).unwrap_err();
        assert!(error.ends_with(reason), "{error}");
    }
    let error = parsed(&echo("any", "\"\""), "v = [1]").unwrap_err();
    assert!(error.contains("an exact type is required"), "{error}");
}

#[test]
fn strings_of_a_json_object_are_literal() {
    let nasty = "a ${x} $${y} %{if} \" \\ \n";
    let values = json!({"v": nasty}).to_string();
    assert_eq!(meta(&echo("string", "var.v"), &values), nasty);
    assert_eq!(
        meta(&echo("string", "\"<${var.v}>\""), &values),
        format!("<{nasty}>")
    );
}

#[test]
fn native_strings_know_escapes() {
    let values = r#"v = "a\"b\\c\nd\u00e9 $${x} %%{y} $ $$ %""#;
    assert_eq!(
        meta(&echo("string", "var.v"), values),
        "a\"b\\c\ndé ${x} %{y} $ $$ %"
    );
}

#[test]
fn a_variable_without_a_value_is_an_error_used_or_not_and_an_undeclared_one_is_ignored() {
    let error = parsed(&echo("string", "\"\""), "w = 1").unwrap_err();
    assert!(
        error.starts_with("Failed to parse job: <nil>: Unset variable \"v\"; A used variable must be set or have a default value; see https://"),
        "{error}"
    );
    assert_eq!(meta(&echo("string", "var.v"), "v = \"x\"\nw = 1"), "x");
}

#[test]
fn values_may_not_refer_or_call() {
    let error = |values| parsed(&echo_any("\"\""), values).unwrap_err();
    assert!(error("v = \"a${b}\"").contains("Variables not allowed; "));
    assert!(error("v = upper(\"a\")").contains("Function calls not allowed; "));
    assert!(error("v = 1\nv = 2").contains("unable to parse var content: "));
    assert!(error("v \"x\" {}").contains("Unexpected \"v\" block; "));
    assert!(error("v = \"a\nb\"").contains("unable to parse var content: "));
}

#[test]
fn what_is_known_only_at_run_time_stays_as_text() {
    for text in [
        "${env.HOME}",
        "${attr.kernel.name}",
        "${NOMAD_PORT_http}",
        "${node.unique.name}",
        "${meta.x}",
        "${HOME}",
        "${attr.unique.network.ip-address}",
        "a ${x} b ${y.z}",
    ] {
        assert_eq!(meta(&echo_any(&format!("\"{text}\"")), "v = 1"), text);
    }
    assert_eq!(meta(&echo_any("\"$${x} %%{y}\""), "v = 1"), "${x} %{y}");
    assert_eq!(
        meta(&echo_any("node.unique.name"), "v = 1"),
        "${node.unique.name}"
    );
    assert_eq!(meta(&echo_any("upper(\"${a.b}\")"), "v = 1"), "${A.B}");
}

#[test]
fn expressions_are_evaluated() {
    let values = r#"{"v": {"a": "1", "b": "2"}}"#;
    for (expression, value) in [
        (
            "join(\",\", [for key, value in var.v : \"${key}=${value}\"])",
            "a=1,b=2",
        ),
        (
            "jsonencode({ for key, value in var.v : upper(key) => value if value != \"1\" })",
            "{\"B\":\"2\"}",
        ),
        ("length(var.v) > 1 ? \"many\" : \"one\"", "many"),
        ("lookup(var.v, \"c\", \"none\")", "none"),
        ("var.v[\"a\"]", "1"),
        ("merge(var.v, { a = \"3\" }).a", "3"),
        ("join(\"\", concat(keys(var.v), values(var.v)))", "ab12"),
        ("element([\"x\", \"y\"], 3)", "y"),
        ("coalesce(\"\", \"z\")", "z"),
        ("\"${contains([\"x\"], \"x\")}\"", "true"),
        ("format(\"%s-%03d-%q\", \"x\", 7, \"y\")", "x-007-\"y\""),
        ("\"%{ for key in keys(var.v) }${key};%{ endfor }\"", "a;b;"),
        ("\"${floor(256 * 3 / 4)}mb\"", "192mb"),
        ("<<EOF\n  a\nb \\n ${1 + 1}\nEOF\n", "  a\nb \\n 2\n"),
        (
            "<<-EOF\n      a\n        b ${1 + 1}\n    EOF\n",
            "a\n  b 2\n",
        ),
    ] {
        assert_eq!(meta(&echo_any(expression), values), value, "{expression}");
    }
}

#[test]
fn functions_that_read_files_refuse_and_others_do_not_exist() {
    let error = |call: &str| parsed(&echo_any(call), "v = 1").unwrap_err();
    assert!(error("file(\"/etc/passwd\")").contains(
        "Error in function call; Call to function \"file\" failed: filesystem function disabled."
    ));
    assert!(
        error("templatefile(\"x\", {})")
            .contains("Call to unknown function; There is no function named \"templatefile\".")
    );
    assert!(error("env(\"HOME\")").contains("Call to unknown function; "));
}

#[test]
fn a_file_needs_exactly_one_job() {
    assert_eq!(parsed("", "").unwrap_err(), "Job spec is empty");
    assert_eq!(parse(&json!({})).unwrap_err(), "Job spec is empty");
    for blank in [" \n", "# nothing"] {
        assert_eq!(
            parsed(blank, "").unwrap_err(),
            "Failed to parse job: <nil>: Missing job block; A job block is required"
        );
    }
    let error = parsed("job \"a\" {}\njob \"b\" {}", "").unwrap_err();
    assert!(error.starts_with("Failed to parse job: input.hcl:2,1-8: Duplicate job block; Only one block of type \"job\" is allowed. "), "{error}");
}

#[test]
fn a_file_that_is_no_hcl_is_refused_with_its_place() {
    let error = parsed("garbage here", "").unwrap_err();
    assert_eq!(
        error,
        "Failed to parse job: input.hcl:1,13-13: Invalid block definition; Either a quoted string block label or an opening brace (\"{\") is expected here."
    );
    let error = parsed("job \"a\" {\n  meta {\n    a = \n  }\n}", "").unwrap_err();
    assert!(
        error.starts_with("Failed to parse job: input.hcl:3,"),
        "{error}"
    );
    for unknown in [
        "job \"a\" {\n  colour = 1\n}",
        "job \"a\" {\n  colour {}\n}",
        "colour = 1\njob \"a\" {}",
        "colour {}\njob \"a\" {}",
    ] {
        assert!(
            parsed(unknown, "").unwrap_err().contains("Unsupported "),
            "{unknown}"
        );
    }
}

#[test]
fn deeply_nested_brackets_are_refused_and_not_a_crash() {
    let deep = |depth: usize| {
        echo_any(&format!(
            "jsonencode({}{})",
            "[".repeat(depth),
            "]".repeat(depth)
        ))
    };
    assert!(parsed(&deep(40), "v = 1").is_ok());
    assert!(
        parsed(&deep(20_000), "v = 1")
            .unwrap_err()
            .contains("nested deeper than 64")
    );
}

#[test]
fn dynamic_blocks_are_written_out() {
    let source = r#"
        job "j" {
          group "g" {
            network {
              dynamic "port" {
                for_each = [80, 443]
                labels   = ["p${port.value}"]
                content {
                  to = port.value
                }
              }
              port "fixed" { static = 8080 }
            }
          }
        }"#;
    let job = parsed(source, "").unwrap();
    let network = &job["TaskGroups"][0]["Networks"][0];
    assert_eq!(network["DynamicPorts"][1]["Label"], "p443");
    assert_eq!(network["DynamicPorts"][1]["To"], 443);
    assert_eq!(network["ReservedPorts"][0]["Value"], 8080);
}

#[test]
fn locals_may_refer_to_each_other_in_any_order() {
    let source =
        "locals {\n  b = \"${local.a}!\"\n  a = \"x\"\n}\njob \"j\" {\n  meta { m = local.b }\n}";
    assert_eq!(meta(source, ""), "x!");
    let source = "locals {\n  a = local.a\n}\njob \"j\" {}";
    assert!(parsed(source, "").is_err());
}

#[test]
fn durations_are_nanoseconds() {
    let source = |text: &str| {
        format!(
            "job \"j\" {{\n  group \"g\" {{\n    task \"t\" {{\n      kill_timeout = {text}\n    }}\n  }}\n}}"
        )
    };
    for (text, nanoseconds) in [
        ("\"1h30m\"", 5_400_000_000_000_u64),
        ("\"1.5s\"", 1_500_000_000),
        ("\"20ms\"", 20_000_000),
        ("5", 5),
    ] {
        let job = parsed(&source(text), "").unwrap();
        assert_eq!(job["TaskGroups"][0]["Tasks"][0]["KillTimeout"], nanoseconds);
    }
    for wrong in ["\"5\"", "\"5 parsecs\"", "\"\"", "[]"] {
        assert!(parsed(&source(wrong), "").is_err(), "{wrong}");
    }
}
