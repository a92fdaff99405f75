//! What a job file says without Nomad: those parts of its job that [`check`](super::check) looks at, as far as literals,
//! variables and locals tell them. What only Nomad can tell, such as what a function makes of them, is given a value that
//! passes, so that nothing is refused here that would not be refused later.

use hcl::{
    Block, Body, Expression, Value as Hcl,
    eval::{Context, Evaluate},
};
use serde_json::{Map, Value, json};

use super::files::KNOWN_WHEN_DEPLOYED;

/// What is looked at, and would be made of blocks that only Nomad expands.
const SHAPES: [&str; 6] = [
    "group",
    "task",
    "ephemeral_disk",
    "resources",
    "update",
    "service",
];

/// The outline of the file's job where its variables have these values; what a service does not say is the file's default.
/// `None` where only Nomad can tell the job's shape.
pub fn outline(file: &Body, values: &Map<String, Value>, drivers: &[&str]) -> Option<Value> {
    let mut told = Told {
        context: Context::new(),
        driver: json!(drivers.first()),
    };
    let variables = blocks(file, "variable").filter_map(|variable| {
        let name = label(variable)?;
        let value = match values.get(name) {
            Some(value) => hcl::to_value(value).ok()?,
            None if KNOWN_WHEN_DEPLOYED.contains(&name) => return None,
            None => told.evaluate(attribute(variable.body(), "default")?)?,
        };
        Some((name.to_owned(), value))
    });
    let variables: hcl::Map<_, _> = variables.collect();
    told.context.declare_var("var", variables);
    let locals = blocks(file, "locals").flat_map(|locals| locals.body().attributes());
    let locals = locals.filter_map(|local| {
        let value = told.evaluate(local.expr())?;
        Some((local.key().to_owned(), value))
    });
    let locals: hcl::Map<_, _> = locals.collect();
    told.context.declare_var("local", locals);
    told.job(blocks(file, "job").next()?.body())
}

struct Told<'a> {
    context: Context<'a>,
    /// One that passes.
    driver: Value,
}

impl Told<'_> {
    fn evaluate(&self, expression: &Expression) -> Option<Hcl> {
        expression.evaluate(&self.context).ok()
    }

    fn job(&self, job: &Body) -> Option<Value> {
        expands_itself(job)?;
        // A task outside a group gets one of its own, before the others.
        let mut groups = Vec::new();
        for task in blocks(job, "task") {
            groups.push(json!({"Name": label(task), "Tasks": [self.task(task)?]}));
        }
        for group in blocks(job, "group") {
            groups.push(self.group(group)?);
        }
        Some(json!({
            "Type": self.text(job, "type", json!("service")),
            "Periodic": presence(job, "periodic"),
            "ParameterizedJob": presence(job, "parameterized"),
            "Multiregion": presence(job, "multiregion"),
            "Update": self.update(job),
            "TaskGroups": groups,
        }))
    }

    fn group(&self, group: &Block) -> Option<Value> {
        let body = group.body();
        expands_itself(body)?;
        let tasks = blocks(body, "task").map(|task| self.task(task));
        let disk = blocks(body, "ephemeral_disk").next();
        Some(json!({
            "Name": label(group),
            "Count": self.number(body, "count", 1),
            "Update": self.update(body),
            "Services": services(body),
            "EphemeralDisk": disk.map(|disk| json!({"SizeMB": self.number(disk.body(), "size", 0)})),
            "Tasks": tasks.collect::<Option<Vec<_>>>()?,
        }))
    }

    fn task(&self, task: &Block) -> Option<Value> {
        let body = task.body();
        expands_itself(body)?;
        let resources = blocks(body, "resources").next().map(Block::body);
        Some(json!({
            "Name": label(task),
            "Driver": self.text(body, "driver", self.driver.clone()),
            "Services": services(body),
            "Resources": resources.map(|resources| json!({
                "CPU": self.number(resources, "cpu", 0),
                "Cores": self.number(resources, "cores", 0),
                "MemoryMB": self.number(resources, "memory", 0),
                "MemoryMaxMB": self.number(resources, "memory_max", 0),
            })),
        }))
    }

    fn update(&self, body: &Body) -> Option<Value> {
        let update = blocks(body, "update").next()?.body();
        let promote = match attribute(update, "auto_promote") {
            Some(promote) => self.evaluate(promote) != Some(Hcl::Bool(false)),
            None => false,
        };
        Some(json!({
            "MaxParallel": self.number(update, "max_parallel", 1),
            "Canary": self.number(update, "canary", 0),
            "AutoPromote": promote,
        }))
    }

    /// An attribute's number, null where it is absent; `otherwise` where it can't be told. HCL takes `"5"` for 5, too.
    fn number(&self, body: &Body, name: &str, otherwise: u64) -> Value {
        let Some(expression) = attribute(body, name) else {
            return Value::Null;
        };
        let number = match self.evaluate(expression) {
            Some(Hcl::Null) => return Value::Null,
            Some(Hcl::Number(number)) => number.as_u64(),
            Some(Hcl::String(text)) => text.parse().ok(),
            _ => None,
        };
        json!(number.unwrap_or(otherwise))
    }

    /// An attribute's text, null where it is absent; `otherwise` where it can't be told.
    fn text(&self, body: &Body, name: &str, otherwise: Value) -> Value {
        let Some(expression) = attribute(body, name) else {
            return Value::Null;
        };
        match self.evaluate(expression) {
            Some(Hcl::Null) => Value::Null,
            Some(Hcl::String(text)) => json!(text),
            _ => otherwise,
        }
    }
}

fn blocks<'body>(body: &'body Body, kind: &str) -> impl Iterator<Item = &'body Block> {
    body.blocks()
        .filter(move |block| block.identifier() == kind)
}

fn label(block: &Block) -> Option<&str> {
    block.labels().first().map(|label| label.as_str())
}

fn attribute<'body>(body: &'body Body, name: &str) -> Option<&'body Expression> {
    let found = body.attributes().find(|attribute| attribute.key() == name);
    found.map(|found| found.expr())
}

/// Whether none of the blocks that are looked at are made by a `dynamic` one.
fn expands_itself(body: &Body) -> Option<()> {
    let made = blocks(body, "dynamic").filter_map(label);
    (!made.into_iter().any(|kind| SHAPES.contains(&kind))).then_some(())
}

fn presence(body: &Body, kind: &str) -> Option<Value> {
    blocks(body, kind).next().map(|_| json!({}))
}

fn services(body: &Body) -> Value {
    let services = blocks(body, "service");
    services
        .map(|service| json!({"Connect": presence(service.body(), "connect")}))
        .collect()
}

#[cfg(test)]
mod tests {
    use domain::service_config::Reservation;

    use super::{super::check, *};

    const RESERVED: Reservation = Reservation {
        cpu: 200,
        memory: 600,
        disk: 200,
    };
    const DISK: &str = "ephemeral_disk { size = 100 }";

    /// What is said of a file before Nomad has seen it.
    fn said(file: &str) -> Vec<String> {
        let values = json!({"disk": RESERVED.disk, "factor": "3"});
        let file = hcl::parse(file).unwrap();
        let Some(mut job) = outline(&file, values.as_object().unwrap(), &["docker"]) else {
            return Vec::new();
        };
        match check(&mut job, &["docker"], &RESERVED) {
            Ok(()) => Vec::new(),
            Err(errors) => errors
                .into_iter()
                .map(|error| format!("{} {}", error.pointer, error.detail))
                .collect(),
        }
    }

    /// The same of a job of one group with one task.
    fn said_of(head: &str, job: &str, group: &str, task: &str) -> Vec<String> {
        said(&format!(
            r#"{head}
            job "x" {{
              {job}
              group "g" {{
                {group}
                task "t" {{
                  driver = "docker"
                  {task}
                }}
              }}
            }}"#
        ))
    }

    #[test]
    fn a_group_without_a_disk_takes_nomads_300_mb() {
        for group in ["", "ephemeral_disk {}", "ephemeral_disk { size = null }"] {
            let said = said_of("", "", group, "");
            assert_eq!(said.len(), 1, "{group}: {said:?}");
            assert!(
                said[0].starts_with("/config/resources/disk the job needs 300"),
                "{said:?}"
            );
        }
        assert_eq!(said_of("", "", DISK, ""), Vec::<String>::new());
    }

    #[test]
    fn variables_and_locals_tell_as_much_as_literals() {
        let head = r#"
            variable "disk" { type = number }
            variable "factor" { type = number }
            variable "memory" { default = 400 }
            locals { double = 2 * var.disk }"#;
        for (group, task, place) in [
            ("ephemeral_disk { size = var.disk + 1 }", "", "/disk"),
            ("ephemeral_disk { size = local.double }", "", "/disk"),
            (
                "count = var.factor\nephemeral_disk { size = 10 }",
                "",
                "/cpu",
            ),
            (DISK, "resources { memory_max = 2 * var.memory }", "/memory"),
        ] {
            let said = said_of(head, "", group, task);
            assert!(
                said.iter().any(|said| said.contains(place)),
                "{group} {task}: {said:?}"
            );
        }
        assert_eq!(
            said_of(head, "", "ephemeral_disk { size = var.disk }", ""),
            Vec::<String>::new()
        );
    }

    #[test]
    fn what_may_not_run_is_named_by_its_place() {
        for (job, group, task, place) in [
            ("type = \"batch\"", DISK, "", "Type"),
            ("periodic {}", DISK, "", "Periodic"),
            ("update { canary = 1 }", DISK, "", "Canary"),
            (
                "task \"alone\" { driver = \"exec\" }",
                DISK,
                "",
                "TaskGroups/0/Tasks/0/Driver",
            ),
            (
                "",
                "ephemeral_disk { size = 1 }\nservice {\nconnect {}\n}",
                "",
                "Connect",
            ),
            ("", DISK, "resources { cores = 1 }", "Cores"),
        ] {
            let said = said_of("", job, group, task);
            assert!(
                said.iter().any(|said| said.contains(place)),
                "{place}: {said:?}"
            );
        }
    }

    #[test]
    fn what_only_nomad_can_tell_is_left_to_it() {
        let head = "variable \"service_name\" { default = \"batch\" }";
        for (job, group, task) in [
            ("type = lower(\"BATCH\")", DISK, ""),
            ("type = var.service_name", DISK, ""),
            (
                "",
                "count = max(1, 9)\nephemeral_disk { size = pow(2, 20) }",
                "",
            ),
            ("", "dynamic \"ephemeral_disk\" {}", ""),
            ("dynamic \"group\" {}", "", ""),
            (
                "update { canary = pow(1, 1) }",
                DISK,
                "resources { cpu = var.nobody }",
            ),
        ] {
            assert_eq!(
                said_of(head, job, group, task),
                Vec::<String>::new(),
                "{job} {group} {task}"
            );
        }
    }

    #[test]
    fn nothing_is_said_against_the_job_files_that_are_shipped() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../config/jobs");
        let mut files = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let source = std::fs::read_to_string(entry.unwrap().path()).unwrap();
            let reserved = Reservation {
                cpu: 500,
                memory: 512,
                disk: 1024,
            };
            let mut job = outline(
                &hcl::parse(&source).unwrap(),
                &Map::new(),
                &["docker", "raw_exec"],
            )
            .unwrap();
            check(&mut job, &["docker", "raw_exec"], &reserved).unwrap();
            files += 1;
        }
        assert!(files > 3);
    }
}
