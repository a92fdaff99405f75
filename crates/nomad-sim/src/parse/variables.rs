//! The `variable` and `locals` blocks of a job file, and the values given for them.

use hcl::{
    Body, Map, Value,
    edit::Span,
    eval::{Context, ErrorKind, Evaluate},
    expr::{Expression, ObjectKey},
};

use super::{
    body,
    expression::{Scope, expression_names},
    functions::{bool_of, number_of, scalar_text, value},
    range,
};

/// A value given for a variable, and where.
pub(super) struct Given {
    value: Value,
    at: String,
}

/// Reads `Variables`: a JSON object, whose strings are literal, or HCL attributes with literal values.
///
/// # Errors
/// In Nomad's words, without its `Failed to parse job: `.
pub(super) fn values(source: &str) -> Result<Map<String, Given>, String> {
    if let Ok(serde_json::Value::Object(object)) = serde_json::from_str(source) {
        let given = |json| Given {
            value: value(json),
            at: "input.hcl:1,1-1".into(),
        };
        return Ok(object
            .iter()
            .map(|(name, json)| (name.clone(), given(json)))
            .collect());
    }
    let body = body(source).map_err(|reason| format!("unable to parse var content: {reason}"))?;
    let mut given = Map::new();
    for structure in body.iter() {
        let Some(attribute) = structure.as_attribute() else {
            let block = structure.as_block();
            let name = block.map_or("", |block| block.ident.as_str());
            return Err(format!(
                "unable to parse var content: input.hcl: Unexpected {name:?} block; Blocks are not allowed here."
            ));
        };
        let at = range(source, attribute.value.span());
        let name = attribute.key.as_str().to_owned();
        let expression = Expression::from(attribute.value.clone());
        let value = literal(&expression).map_err(|reason| format!("{at}: {reason}"))?;
        let earlier = given.insert(
            name.clone(),
            Given {
                value,
                at: at.clone(),
            },
        );
        if let Some(earlier) = earlier {
            return Err(format!(
                "unable to parse var content: {at}: Attribute redefined; The argument {name:?} was already set at {}. Each argument may be set only once.",
                earlier.at
            ));
        }
    }
    Ok(given)
}

fn literal(expression: &Expression) -> Result<Value, String> {
    let mut names = Vec::new();
    expression_names(expression, &mut names);
    if !names.is_empty() {
        return Err("Variables not allowed; Variables may not be used here.".into());
    }
    let value = expression.evaluate(&Context::new());
    value.map_err(|error| match error.kind() {
        ErrorKind::UndefinedFunc(_) => {
            "Function calls not allowed; Functions may not be called here.".to_owned()
        }
        other => format!("Invalid expression; {other}."),
    })
}

/// What expressions of a job file may refer to: `var` and `local`. Values for variables that are not declared are ignored.
///
/// # Errors
/// In Nomad's words, without its `Failed to parse job: `.
pub(super) fn scope(body: &Body, given: &Map<String, Given>) -> Result<Map<String, Value>, String> {
    let mut variables = Map::new();
    for block in body
        .blocks()
        .filter(|block| block.identifier() == "variable")
    {
        let name = block.labels().first().map_or("", |label| label.as_str());
        let expression = |key: &str| {
            let mut attributes = block.body().attributes();
            attributes
                .find(|attribute| attribute.key() == key)
                .map(|attribute| &attribute.expr)
        };
        let kind = expression("type").map_or(Ok(Type::Any), Type::of)?;
        let (value, at) = match (given.get(name), expression("default")) {
            (Some(given), _) => (given.value.clone(), given.at.clone()),
            (None, Some(default)) => (literal(default)?, "input.hcl".into()),
            (None, None) => {
                return Err(format!(
                    "<nil>: Unset variable {name:?}; A used variable must be set or have a default value; see https://developer.hashicorp.com/nomad/docs/reference/hcl2/variables  for details."
                ));
            }
        };
        let value = kind.convert(&value).map_err(|reason| {
            format!(
                "{at}: Invalid value for variable; The value for {name} is not compatible with the variable's type constraint: {reason}."
            )
        })?;
        variables.insert(name.to_owned(), value);
    }
    let mut bound = Map::new();
    bound.insert("var".to_owned(), Value::Object(variables));
    locals(body, &mut bound)?;
    Ok(bound)
}

/// Locals may refer to each other in any order, so each round settles those whose names are all known.
fn locals(body: &Body, bound: &mut Map<String, Value>) -> Result<(), String> {
    let blocks = body.blocks().filter(|block| block.identifier() == "locals");
    let mut open: Vec<_> = blocks.flat_map(|block| block.body().attributes()).collect();
    bound.insert("local".to_owned(), Value::Object(Map::new()));
    while !open.is_empty() {
        let waiting: Vec<_> = open.iter().map(|local| local.key().to_owned()).collect();
        let (ready, rest): (Vec<_>, Vec<_>) = open.into_iter().partition(|local| {
            let mut names = Vec::new();
            expression_names(&local.expr, &mut names);
            !names.iter().any(|path| match path.as_slice() {
                [root, name, ..] => root == "local" && waiting.contains(name),
                _ => false,
            })
        });
        if ready.is_empty() {
            return Err(format!(
                "<nil>: Self-referencing local; The local {:?} refers to itself.",
                waiting.first().map_or("", String::as_str)
            ));
        }
        for local in ready {
            let value = job_scope(bound.clone()).evaluate(&local.expr)?;
            if let Some(locals) = bound.get_mut("local").and_then(Value::as_object_mut) {
                locals.insert(local.key().to_owned(), value);
            }
        }
        open = rest;
    }
    Ok(())
}

/// In a job file every other name is left for run time, as text.
pub(super) fn job_scope(bound: Map<String, Value>) -> Scope<'static> {
    Scope {
        bound,
        other: &|name| Some(format!("${{{name}}}").into()),
    }
}

/// What a variable accepts.
enum Type {
    Any,
    Text,
    Number,
    Bool,
    List(Box<Self>),
    Map(Box<Self>),
    Object(Vec<(String, Self)>),
}

impl Type {
    fn of(expression: &Expression) -> Result<Self, String> {
        let invalid = || {
            Err("Invalid type specification; A type is string, number, bool, or list, set, map or object of types.".to_owned())
        };
        match expression {
            Expression::Variable(name) => match name.as_str() {
                "any" => Err("Invalid type specification; The keyword \"any\" cannot be used in this type specification: an exact type is required.".into()),
                "string" => Ok(Self::Text),
                "number" => Ok(Self::Number),
                "bool" => Ok(Self::Bool),
                _ => invalid(),
            },
            Expression::FuncCall(call) => match (call.name.name.as_str(), call.args.as_slice()) {
                ("list" | "set", [element]) => Ok(Self::List(Self::of(element)?.into())),
                ("map", [element]) => Ok(Self::Map(Self::of(element)?.into())),
                ("optional", [inner, ..]) => Self::of(inner),
                ("object", [Expression::Object(fields)]) => {
                    let field = |(key, kind): (&ObjectKey, &Expression)| {
                        Ok((key.to_string(), Self::of(kind)?))
                    };
                    let fields = fields.iter().map(field).collect::<Result<_, String>>()?;
                    Ok(Self::Object(fields))
                }
                _ => invalid(),
            },
            _ => invalid(),
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Any => "any".into(),
            Self::Text => "string".into(),
            Self::Number => "number".into(),
            Self::Bool => "bool".into(),
            Self::List(element) => format!("list of {}", element.name()),
            Self::Map(element) => format!("map of {}", element.name()),
            Self::Object(_) => "object".into(),
        }
    }

    fn required(&self, found: &Value) -> String {
        match found {
            Value::Array(_) | Value::Object(_) => {
                format!("{} required, but have {}", self.name(), friendly(found))
            }
            _ => format!("a {} is required", self.name()),
        }
    }

    /// The value as this type, converted where that loses nothing.
    fn convert(&self, value: &Value) -> Result<Value, String> {
        match (self, value) {
            (Self::Any, _) | (_, Value::Null) => Ok(value.clone()),
            (Self::Text, _) => scalar_text(value)
                .map(Value::String)
                .ok_or_else(|| format!("string required, but have {}", friendly(value))),
            (Self::Number, _) => number_of(value).ok_or_else(|| self.required(value)),
            (Self::Bool, _) => bool_of(value).ok_or_else(|| self.required(value)),
            (Self::List(element), Value::Array(items)) => {
                let items = items.iter().enumerate().map(|(index, item)| {
                    element
                        .convert(item)
                        .map_err(|reason| format!("element {index}: {reason}"))
                });
                items.collect::<Result<Vec<_>, _>>().map(Value::Array)
            }
            (Self::Map(element), Value::Object(object)) => {
                let entries = object.iter().map(|(key, value)| {
                    let converted = element.convert(value);
                    let converted =
                        converted.map_err(|reason| format!("element {key:?}: {reason}"))?;
                    Ok((key.clone(), converted))
                });
                entries
                    .collect::<Result<Map<_, _>, String>>()
                    .map(Value::Object)
            }
            (Self::Object(fields), Value::Object(object)) => {
                let entries = fields.iter().map(|(name, kind)| {
                    let value = object.get(name).unwrap_or(&Value::Null);
                    Ok((name.clone(), kind.convert(value)?))
                });
                entries
                    .collect::<Result<Map<_, _>, String>>()
                    .map(Value::Object)
            }
            (Self::List(_), _) => Err(format!(
                "{} required, but have {}",
                self.name(),
                friendly(value)
            )),
            (Self::Map(_) | Self::Object(_), _) => Err(format!("{} required", self.name())),
        }
    }
}

fn friendly(value: &Value) -> &'static str {
    match value {
        Value::Array(_) => "tuple",
        Value::Object(_) => "object",
        Value::String(_) => "string",
        Value::Number(_) => "number",
        Value::Bool(_) => "bool",
        Value::Null => "null",
    }
}
