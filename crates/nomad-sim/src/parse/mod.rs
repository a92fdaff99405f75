//! Job files: HCL and the values of its variables become a job, and a job gets the defaults that Nomad fills in.

mod block;
mod canonicalize;
mod duration;
pub(crate) mod expression;
mod functions;
mod job;
mod shapes;
mod variables;

use std::ops::Range;

use hcl::edit::{
    Span,
    expr::Expression,
    parser::parse_body,
    structure::{Block, Structure},
    template::Element,
    visit::{Visit, visit_expr},
};
use serde_json::Value;

pub use canonicalize::canonicalize;

/// Deeper brackets than this are refused, before they can exhaust the stack of the parser. Nomad has no such limit.
const DEPTH: usize = 64;

/// Answers `POST /v1/jobs/parse`: the job that `JobHCL` describes with `Variables`, with its defaults where `Canonicalize` is
/// true.
///
/// # Errors
/// The text of the 400.
pub fn parse(request: &Value) -> Result<Value, String> {
    let source = request["JobHCL"].as_str().unwrap_or_default();
    if source.is_empty() {
        return Err("Job spec is empty".into());
    }
    let values = request["Variables"].as_str().unwrap_or_default();
    let mut job =
        parse_source(source, values).map_err(|reason| format!("Failed to parse job: {reason}"))?;
    if request["Canonicalize"] == true {
        canonicalize(&mut job);
    }
    Ok(job)
}

fn parse_source(source: &str, values: &str) -> Result<Value, String> {
    let values = variables::values(values)?;
    let body = body(source)?;
    let jobs: Vec<_> = body
        .iter()
        .filter_map(Structure::as_block)
        .filter(|block| block.ident.as_str() == "job")
        .map(|block| range(source, header(block)))
        .collect();
    match jobs.as_slice() {
        [] => {
            return Err("<nil>: Missing job block; A job block is required".into());
        }
        [_] => {}
        [first, second, ..] => {
            return Err(format!(
                "{second}: Duplicate job block; Only one block of type \"job\" is allowed. Previous definition was at {first}."
            ));
        }
    }
    let body = hcl::Body::from(body);
    let bound = variables::scope(&body, &values)?;
    job::job(&body, &bound)
}

/// Parses HCL, in Nomad's words where it is none.
fn body(source: &str) -> Result<hcl::edit::structure::Body, String> {
    let mut depth = 0_usize;
    for byte in source.bytes() {
        match byte {
            b'{' | b'[' | b'(' => depth += 1,
            b'}' | b']' | b')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEPTH {
            return Err(format!(
                "input.hcl: Invalid expression; Brackets are nested deeper than {DEPTH}, which this simulator refuses."
            ));
        }
    }
    let body = parse_body(source).map_err(|error| {
        let (line, column) = (error.location().line(), error.location().column());
        let message = error.message();
        let summary = if message.contains("expected `{`") {
            "Invalid block definition; Either a quoted string block label or an opening brace (\"{\") is expected here.".to_owned()
        } else {
            format!("Invalid expression; {message}.")
        };
        format!("input.hcl:{line},{column}-{column}: {summary}")
    })?;
    let mut lines = Lines {
        source,
        broken: None,
    };
    lines.visit_body(&body);
    match lines.broken {
        None => Ok(body),
        Some(span) => Err(format!(
            "{}: Invalid multi-line string; Quoted strings may not be split over multiple lines. To produce a multi-line string, either use the \\n escape to represent a newline character or use the \"heredoc\" multi-line template syntax.",
            range(source, Some(span))
        )),
    }
}

/// Finds the first quoted string that holds a line's end as it is, which the library lets pass.
struct Lines<'a> {
    source: &'a str,
    broken: Option<Range<usize>>,
}

impl Lines<'_> {
    fn check(&mut self, span: Option<Range<usize>>) {
        let Some(span) = span else { return };
        let text = self.source.get(span.clone()).unwrap_or_default();
        if self.broken.is_none() && text.contains(['\n', '\r']) {
            self.broken = Some(span);
        }
    }
}

impl Visit for Lines<'_> {
    fn visit_expr(&mut self, expression: &Expression) {
        match expression {
            Expression::String(string) => self.check(string.span()),
            Expression::StringTemplate(template) => {
                for literal in template.iter().filter_map(Element::as_literal) {
                    self.check(literal.span());
                }
            }
            _ => {}
        }
        visit_expr(self, expression);
    }
}

/// A block's type and labels.
fn header(block: &Block) -> Option<Range<usize>> {
    let start = block.ident.span()?.start;
    let last = block.labels.last().and_then(|label| label.span());
    Some(start..last.or_else(|| block.ident.span())?.end)
}

/// Where something stands, as Nomad says it: line, first and last column.
fn range(source: &str, span: Option<Range<usize>>) -> String {
    let Some(before) = span.as_ref().and_then(|span| source.get(..span.start)) else {
        return "input.hcl".into();
    };
    let line = before.matches('\n').count() + 1;
    let start = before.rsplit('\n').next().unwrap_or(before).chars().count() + 1;
    let length = span.map_or(0, |span| span.len());
    format!("input.hcl:{line},{start}-{}", start + length)
}

#[cfg(test)]
mod tests;
