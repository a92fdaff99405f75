//! Writes a template out.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{
    Unrendered,
    action::{Node, Pipeline, Term},
};

/// What templates may read.
pub(super) struct Data<'a> {
    variables: &'a BTreeMap<String, BTreeMap<String, String>>,
    environment: &'a BTreeMap<String, String>,
    namespace: &'a str,
}

#[derive(Clone, Debug)]
enum Value {
    Nothing,
    Text(String),
    Truth(bool),
    Variable(BTreeMap<String, String>),
    Pairs(Vec<(String, String)>),
    Pair(String, String),
}

impl<'a> Data<'a> {
    pub(super) fn new(
        variables: &'a BTreeMap<String, BTreeMap<String, String>>,
        environment: &'a BTreeMap<String, String>,
        namespace: &'a str,
    ) -> Self {
        Self {
            variables,
            environment,
            namespace,
        }
    }

    pub(super) fn render(&self, nodes: &[Node]) -> Result<String, Unrendered> {
        let mut output = String::new();
        self.nodes(nodes, &Value::Nothing, &mut output)?;
        Ok(output)
    }

    fn nodes(&self, nodes: &[Node], dot: &Value, output: &mut String) -> Result<(), Unrendered> {
        for node in nodes {
            match node {
                Node::Text(text) => output.push_str(text),
                Node::Write(pipeline) => output.push_str(&self.pipeline(pipeline, dot)?.written()),
                Node::Branch {
                    condition,
                    rebinds,
                    then,
                    otherwise,
                } => {
                    let value = self.pipeline(condition, dot)?;
                    if value.is_true() {
                        self.nodes(then, if *rebinds { &value } else { dot }, output)?;
                    } else {
                        self.nodes(otherwise, dot, output)?;
                    }
                }
                Node::Range { over, each } => match self.pipeline(over, dot)? {
                    Value::Pairs(pairs) => {
                        for (key, value) in pairs {
                            self.nodes(each, &Value::Pair(key, value), output)?;
                        }
                    }
                    Value::Nothing => {}
                    _ => return Err(failed("range can't iterate over it")),
                },
            }
        }
        Ok(())
    }

    fn pipeline(&self, pipeline: &Pipeline, dot: &Value) -> Result<Value, Unrendered> {
        let mut last = None;
        for command in pipeline {
            last = Some(self.command(command, last, dot)?);
        }
        Ok(last.unwrap_or(Value::Nothing))
    }

    fn command(
        &self,
        command: &[Term],
        piped: Option<Value>,
        dot: &Value,
    ) -> Result<Value, Unrendered> {
        let Some((first, rest)) = command.split_first() else {
            return Ok(Value::Nothing);
        };
        let Term::Function(name) = first else {
            return if rest.is_empty() && piped.is_none() {
                self.term(first, dot)
            } else {
                Err(failed("can't give argument to non-function"))
            };
        };
        let arguments = rest.iter().map(|term| self.term(term, dot));
        let mut arguments = arguments.collect::<Result<Vec<_>, _>>()?;
        arguments.extend(piped);
        self.call(name, &arguments)
    }

    fn term(&self, term: &Term, dot: &Value) -> Result<Value, Unrendered> {
        match term {
            Term::Literal(text) => Ok(Value::Text(text.clone())),
            Term::Number(number) => Ok(Value::Text(number.to_string())),
            Term::Field(path) => dot.fields(path),
            Term::Function(name) => self.call(name, &[]),
            Term::Nested(pipeline, path) => self.pipeline(pipeline, dot)?.fields(path),
        }
    }

    fn call(&self, name: &str, arguments: &[Value]) -> Result<Value, Unrendered> {
        let text = |index: usize| arguments.get(index).map(Value::written).unwrap_or_default();
        match (name, arguments.len()) {
            ("nomadVar", 1) => {
                let path = text(0);
                let found = self.variable(&path).cloned();
                found.map(Value::Variable).ok_or_else(|| {
                    let (path, namespace) = path.split_once('@').unwrap_or((&path, self.namespace));
                    Unrendered::Missing(format!(
                        "Missing: nomad.var.block({path}@{namespace}.global)"
                    ))
                })
            }
            ("nomadVarExists", 1) => Ok(Value::Truth(self.variable(&text(0)).is_some())),
            ("env", 1) => {
                let value = self.environment.get(&text(0)).cloned();
                Ok(Value::Text(value.unwrap_or_default()))
            }
            ("toJSON", 1) => Ok(Value::Text(match arguments.first() {
                Some(Value::Variable(items)) => serde_json::json!(items).to_string(),
                Some(Value::Truth(truth)) => truth.to_string(),
                _ => serde_json::Value::String(text(0)).to_string(),
            })),
            ("base64Encode", 1) => Ok(Value::Text(STANDARD.encode(text(0)))),
            ("base64Decode", 1) => {
                let decoded = STANDARD.decode(text(0)).ok();
                let decoded = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
                decoded
                    .map(Value::Text)
                    .ok_or_else(|| failed("base64Decode: it is no base64 of a text"))
            }
            ("printf", 2) if text(0) == "%q" => {
                Ok(Value::Text(serde_json::Value::String(text(1)).to_string()))
            }
            ("printf", 2) if text(0) == "%s" => Ok(Value::Text(text(1))),
            ("not", 1) => Ok(Value::Truth(!arguments.iter().any(Value::is_true))),
            ("eq", 2) => Ok(Value::Truth(text(0) == text(1))),
            ("plugin", _) => Err(failed("error calling plugin: function is disabled")),
            ("file", _) => Err(failed(
                "function \"file\" is outside of what this simulator reads",
            )),
            _ => Err(failed(&format!(
                "function {name:?} with {} arguments not known to this simulator",
                arguments.len()
            ))),
        }
    }

    fn variable(&self, path: &str) -> Option<&BTreeMap<String, String>> {
        self.variables.get(path).or_else(|| {
            let (path, namespace) = path.split_once('@')?;
            (namespace == self.namespace).then(|| self.variables.get(path))?
        })
    }
}

impl Value {
    fn fields(&self, path: &[String]) -> Result<Self, Unrendered> {
        let Some((name, rest)) = path.split_first() else {
            return Ok(self.clone());
        };
        let found = match (self, name.as_str()) {
            (Self::Variable(items), "Tuples" | "Items") if !items.contains_key(name) => {
                let pairs = items
                    .iter()
                    .map(|(key, value)| (key.clone(), value.clone()));
                Self::Pairs(pairs.collect())
            }
            (Self::Variable(items), name) => {
                items.get(name).cloned().map_or(Self::Nothing, Self::Text)
            }
            (Self::Pair(key, _), "K" | "Key") => Self::Text(key.clone()),
            (Self::Pair(_, value), "V" | "Value") | (Self::Text(value), "Value") => {
                Self::Text(value.clone())
            }
            (Self::Nothing, _) => {
                return Err(failed(&format!("nil data; no entry for key {name:?}")));
            }
            _ => return Err(failed(&format!("can't evaluate field {name}"))),
        };
        found.fields(rest)
    }

    fn is_true(&self) -> bool {
        match self {
            Self::Nothing => false,
            Self::Text(text) => !text.is_empty(),
            Self::Truth(truth) => *truth,
            Self::Variable(items) => !items.is_empty(),
            Self::Pairs(pairs) => !pairs.is_empty(),
            Self::Pair(..) => true,
        }
    }

    fn written(&self) -> String {
        match self {
            Self::Nothing => "<no value>".into(),
            Self::Text(text) | Self::Pair(_, text) => text.clone(),
            Self::Truth(truth) => truth.to_string(),
            Self::Variable(items) => format!("{items:?}"),
            Self::Pairs(pairs) => format!("{pairs:?}"),
        }
    }
}

fn failed(reason: &str) -> Unrendered {
    Unrendered::Failed(format!(
        "Template failed: (dynamic): execute: template: {reason}"
    ))
}
