//! Evaluates HCL expressions, of job files and of driver configurations. What is unknown when a job is parsed, such as
//! `${NOMAD_PORT_http}`, is not an error but a text to keep; so names are resolved before the library evaluates.

use std::str::FromStr;

use hcl::{
    Identifier, Map, Template, Value,
    eval::{Context, ErrorKind, Evaluate},
    expr::{Expression, ObjectKey, Operation, TemplateExpr, TraversalOperator},
    template::{Directive, Element},
};

use super::functions;

/// What an expression may refer to.
pub(crate) struct Scope<'a> {
    /// Names that are bound to values.
    pub(crate) bound: Map<String, Value>,
    /// What any other name, such as `attr.kernel.name`, stands for.
    pub(crate) other: &'a dyn Fn(&str) -> Option<Value>,
}

impl Scope<'_> {
    /// The value of an expression.
    ///
    /// # Errors
    /// A text in Nomad's words where this knows them.
    pub(crate) fn evaluate(&self, expression: &Expression) -> Result<Value, String> {
        let mut names = Vec::new();
        expression_names(expression, &mut names);
        let context = self.context(&names)?;
        expression.evaluate(&context).map_err(|error| text(&error))
    }

    /// A text that may hold `${}` and `%{}`.
    ///
    /// # Errors
    /// A text in Nomad's words where this knows them.
    pub(crate) fn evaluate_template(&self, template: &str) -> Result<Value, String> {
        let template = Template::from_str(template).map_err(|error| error.to_string())?;
        let mut names = Vec::new();
        template_names(&template, &mut names);
        let context = self.context(&names)?;
        let value = template.evaluate(&context).map_err(|error| text(&error))?;
        Ok(Value::String(value))
    }

    fn context(&self, names: &[Vec<String>]) -> Result<Context<'static>, String> {
        let mut context = Context::new();
        functions::declare(&mut context);
        let mut others = Map::new();
        for path in names {
            let Some((root, rest)) = path.split_first() else {
                continue;
            };
            if self.bound.contains_key(root) {
                continue;
            }
            if let Some(value) = (self.other)(&path.join(".")) {
                insert(&mut others, root, rest, value)?;
            }
        }
        for (name, value) in self.bound.iter().chain(others.iter()) {
            context.declare_var(Identifier::sanitized(name), value.clone());
        }
        Ok(context)
    }
}

/// Puts a value where `root.rest…` finds it.
fn insert(
    object: &mut Map<String, Value>,
    root: &str,
    rest: &[String],
    value: Value,
) -> Result<(), String> {
    let Some((next, rest)) = rest.split_first() else {
        object.insert(root.to_owned(), value);
        return Ok(());
    };
    let inner = object
        .entry(root.to_owned())
        .or_insert_with(|| Value::Object(Map::new()));
    match inner.as_object_mut() {
        Some(inner) => insert(inner, next, rest, value),
        None => Err(format!(
            "Unsupported attribute; {root} and {root}.{next} can't stand in one expression of this simulator."
        )),
    }
}

fn text(error: &hcl::eval::Error) -> String {
    match error.kind() {
        ErrorKind::UndefinedVar(name) => format!(
            "Unknown variable; There is no variable named {:?}.",
            name.as_str()
        ),
        ErrorKind::UndefinedFunc(name) => {
            format!("Call to unknown function; There is no function named \"{name}\".")
        }
        ErrorKind::FuncCall(name, reason) => {
            format!("Error in function call; Call to function \"{name}\" failed: {reason}.")
        }
        ErrorKind::NoSuchKey(key) => {
            format!("Unsupported attribute; This object does not have an attribute named {key:?}.")
        }
        ErrorKind::Index(_) => {
            "Invalid index; The given key does not identify an element in this collection value."
                .to_owned()
        }
        other => format!("Invalid expression; {other}."),
    }
}

/// The names an expression refers to, each with the attributes asked of it.
pub(crate) fn expression_names(expression: &Expression, names: &mut Vec<Vec<String>>) {
    match expression {
        Expression::Array(items) => items.iter().for_each(|item| expression_names(item, names)),
        Expression::Object(object) => {
            for (key, value) in object {
                if let ObjectKey::Expression(key) = key {
                    expression_names(key, names);
                }
                expression_names(value, names);
            }
        }
        Expression::TemplateExpr(template) => {
            let source = match template.as_ref() {
                TemplateExpr::QuotedString(source) => source,
                TemplateExpr::Heredoc(heredoc) => &heredoc.template,
            };
            // A template that is none fails when it is evaluated.
            if let Ok(template) = Template::from_str(source) {
                template_names(&template, names);
            }
        }
        Expression::Variable(variable) => names.push(vec![variable.to_string()]),
        Expression::Traversal(traversal) => {
            let mut path = match &traversal.expr {
                Expression::Variable(variable) => vec![variable.to_string()],
                other => {
                    expression_names(other, names);
                    Vec::new()
                }
            };
            let mut plain = !path.is_empty();
            for operator in &traversal.operators {
                match operator {
                    TraversalOperator::GetAttr(name) if plain => path.push(name.to_string()),
                    TraversalOperator::Index(Expression::String(name)) if plain => {
                        path.push(name.clone());
                    }
                    TraversalOperator::Index(index) => {
                        plain = false;
                        expression_names(index, names);
                    }
                    _ => plain = false,
                }
            }
            if !path.is_empty() {
                names.push(path);
            }
        }
        Expression::FuncCall(call) => {
            call.args
                .iter()
                .for_each(|argument| expression_names(argument, names));
        }
        Expression::Parenthesis(inner) => expression_names(inner, names),
        Expression::Conditional(conditional) => {
            expression_names(&conditional.cond_expr, names);
            expression_names(&conditional.true_expr, names);
            expression_names(&conditional.false_expr, names);
        }
        Expression::Operation(operation) => match operation.as_ref() {
            Operation::Unary(unary) => expression_names(&unary.expr, names),
            Operation::Binary(binary) => {
                expression_names(&binary.lhs_expr, names);
                expression_names(&binary.rhs_expr, names);
            }
        },
        Expression::ForExpr(each) => {
            expression_names(&each.collection_expr, names);
            expression_names(&each.value_expr, names);
            for part in [&each.key_expr, &each.cond_expr].into_iter().flatten() {
                expression_names(part, names);
            }
        }
        _ => {}
    }
}

fn template_names(template: &Template, names: &mut Vec<Vec<String>>) {
    for element in template.elements() {
        match element {
            Element::Literal(_) => {}
            Element::Interpolation(interpolation) => expression_names(&interpolation.expr, names),
            Element::Directive(directive) => match directive.as_ref() {
                Directive::If(branch) => {
                    expression_names(&branch.cond_expr, names);
                    template_names(&branch.true_template, names);
                    if let Some(template) = &branch.false_template {
                        template_names(template, names);
                    }
                }
                Directive::For(each) => {
                    expression_names(&each.collection_expr, names);
                    template_names(&each.template, names);
                }
            },
        }
    }
}
