//! The templates of a task: the part of Nomad's template language that deployments of this product use, that is texts,
//! `nomadVar`, `with`, `range`, `if`, `env`, `toJSON`, `base64Decode` and `printf`. Anything else is an error that says so.

mod action;
mod envfile;
mod render;

use std::collections::BTreeMap;

use serde_json::Value;

use super::{TaskSpec, interpolation};

/// What the templates of a task yield.
#[derive(Debug, Default)]
pub(crate) struct Rendered {
    /// Files to write.
    pub(crate) files: Vec<File>,
    /// Additions to the environment.
    pub(crate) environment: BTreeMap<String, String>,
}

/// A file that a template makes.
#[derive(Debug)]
pub(crate) struct File {
    /// Relative to the task's folder.
    pub(crate) name: String,
    pub(crate) content: String,
    pub(crate) mode: u32,
}

/// Why a template was not rendered.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Unrendered {
    /// Something it needs is not there yet: the text of the event `Template`.
    Missing(String),
    /// It never will be: the text of the event `Killing`.
    Failed(String),
}

/// Renders every template of a task.
pub(crate) fn render(
    templates: &[Value],
    environment: &BTreeMap<String, String>,
    spec: &TaskSpec,
) -> Result<Rendered, Unrendered> {
    let mut rendered = Rendered::default();
    let known = |name: &str| {
        environment
            .get(name)
            .or_else(|| spec.node.get(name))
            .cloned()
    };
    let data = render::Data::new(&spec.variables, environment, &spec.namespace);
    for template in templates {
        let source = template["EmbeddedTmpl"].as_str().unwrap_or_default();
        let name = template["DestPath"].as_str().unwrap_or_default();
        let actions = action::parse(source).map_err(|reason| {
            Unrendered::Failed(format!(
                "Template failed: (dynamic): parse: template: :{reason}"
            ))
        })?;
        let content = data.render(&actions)?;
        if template["Envvars"] == true {
            let read = envfile::read(&content).map_err(|reason| {
                Unrendered::Failed(format!(
                    "Template failed to read environment variables: {reason}"
                ))
            })?;
            rendered.environment.extend(read);
        }
        let mode = template["Perms"].as_str().unwrap_or("0644");
        rendered.files.push(File {
            name: interpolation::plain(name, &known),
            content,
            mode: u32::from_str_radix(mode, 8).unwrap_or(0o644),
        });
    }
    Ok(rendered)
}
