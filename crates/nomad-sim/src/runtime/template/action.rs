//! Reads a template: texts, and actions between `{{` and `}}`.

/// A part of a template.
#[derive(Debug)]
pub(super) enum Node {
    Text(String),
    Write(Pipeline),
    /// `with`, and `if`, which differs only in leaving `.` alone.
    Branch {
        condition: Pipeline,
        rebinds: bool,
        then: Vec<Node>,
        otherwise: Vec<Node>,
    },
    Range {
        over: Pipeline,
        each: Vec<Node>,
    },
}

/// Terms joined by `|`: what one yields is the last argument of the next.
pub(super) type Pipeline = Vec<Vec<Term>>;

/// A word of an action.
#[derive(Clone, Debug)]
pub(super) enum Term {
    Literal(String),
    Number(i64),
    /// `.`, `.name`, `.name.Value`.
    Field(Vec<String>),
    Function(String),
    /// A pipeline in parentheses, and the fields asked of what it yields.
    Nested(Pipeline, Vec<String>),
}

/// Deeper than this no template of a job nests.
const DEPTH: usize = 32;

/// Reads a template.
///
/// # Errors
/// What can't be understood.
pub(super) fn parse(source: &str) -> Result<Vec<Node>, String> {
    let pieces = pieces(source)?;
    let mut pieces = pieces.into_iter();
    let (nodes, end) = block(&mut pieces, 0)?;
    match end {
        None => Ok(nodes),
        Some(end) => Err(format!("unexpected {{{{{end}}}}}")),
    }
}

enum Piece {
    Text(String),
    Action(String),
}

fn pieces(source: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut rest = source;
    while let Some((text, after)) = rest.split_once("{{") {
        let end = action_end(after).ok_or("unclosed action")?;
        let (inner, following) = (&after[..end], &after[end + 2..]);
        let trims_before = inner.starts_with("- ");
        let trims_after = inner.ends_with(" -");
        let text = if trims_before { text.trim_end() } else { text };
        pieces.push(Piece::Text(text.to_owned()));
        let inner = inner.strip_prefix("- ").unwrap_or(inner);
        let inner = inner.strip_suffix(" -").unwrap_or(inner).trim();
        if !inner.starts_with("/*") {
            pieces.push(Piece::Action(inner.to_owned()));
        }
        rest = if trims_after {
            following.trim_start()
        } else {
            following
        };
    }
    pieces.push(Piece::Text(rest.to_owned()));
    Ok(pieces)
}

/// Where `}}` ends an action; within quotes it does not.
fn action_end(action: &str) -> Option<usize> {
    let mut quote = None;
    let mut characters = action.char_indices();
    while let Some((index, character)) = characters.next() {
        match (quote, character) {
            (Some('"'), '\\') => {
                characters.next();
            }
            (Some(open), close) if open == close => quote = None,
            (None, '"' | '`') => quote = Some(character),
            (None, '}') if action[index..].starts_with("}}") => return Some(index),
            _ => {}
        }
    }
    None
}

/// Everything up to the `else` or `end` of the block, which is returned beside it.
fn block(
    pieces: &mut impl Iterator<Item = Piece>,
    depth: usize,
) -> Result<(Vec<Node>, Option<String>), String> {
    if depth > DEPTH {
        return Err("blocks are nested too deeply".into());
    }
    let mut nodes = Vec::new();
    while let Some(piece) = pieces.next() {
        let action = match piece {
            Piece::Text(text) => {
                nodes.push(Node::Text(text));
                continue;
            }
            Piece::Action(action) => action,
        };
        let (keyword, rest) = action
            .split_once(char::is_whitespace)
            .unwrap_or((&action, ""));
        match keyword {
            "end" | "else" => return Ok((nodes, Some(action))),
            "with" | "if" => {
                let condition = pipeline(rest)?;
                let (then, mut end) = block(&mut *pieces, depth + 1)?;
                let mut otherwise = Vec::new();
                if end.as_deref() == Some("else") {
                    (otherwise, end) = block(&mut *pieces, depth + 1)?;
                }
                ended(end)?;
                nodes.push(Node::Branch {
                    condition,
                    rebinds: keyword == "with",
                    then,
                    otherwise,
                });
            }
            "range" => {
                let over = pipeline(rest)?;
                let (each, end) = block(&mut *pieces, depth + 1)?;
                ended(end)?;
                nodes.push(Node::Range { over, each });
            }
            "define" | "block" | "template" | "break" | "continue" => {
                return Err(format!("this simulator does not know {{{{{keyword}}}}}"));
            }
            _ => nodes.push(Node::Write(pipeline(&action)?)),
        }
    }
    Ok((nodes, None))
}

fn ended(end: Option<String>) -> Result<(), String> {
    match end.as_deref() {
        Some("end") => Ok(()),
        Some(other) => Err(format!("unexpected {{{{{other}}}}}")),
        None => Err("unexpected EOF".into()),
    }
}

fn pipeline(text: &str) -> Result<Pipeline, String> {
    let mut rest = text;
    let pipeline = terms(&mut rest, 0)?;
    match rest.is_empty() {
        true => Ok(pipeline),
        false => Err("unexpected right paren".into()),
    }
}

fn terms(rest: &mut &str, depth: usize) -> Result<Pipeline, String> {
    if depth > DEPTH {
        return Err("parentheses are nested too deeply".into());
    }
    let mut pipeline = vec![Vec::new()];
    loop {
        *rest = rest.trim_start();
        let Some(first) = rest.chars().next() else {
            break;
        };
        let term = match first {
            '|' => {
                *rest = &rest[1..];
                pipeline.push(Vec::new());
                continue;
            }
            ')' => break,
            '(' => {
                *rest = &rest[1..];
                let inner = terms(rest, depth + 1)?;
                *rest = rest.strip_prefix(')').ok_or("unclosed left paren")?;
                Term::Nested(inner, fields(word(rest)))
            }
            '"' => {
                let mut literals = serde_json::Deserializer::from_str(rest).into_iter::<String>();
                let literal = literals.next().and_then(Result::ok);
                let end = literals.byte_offset();
                *rest = &rest[end..];
                Term::Literal(literal.ok_or("unterminated quoted string")?)
            }
            '`' => {
                let (literal, after) = rest[1..]
                    .split_once('`')
                    .ok_or("unterminated raw quoted string")?;
                *rest = after;
                Term::Literal(literal.to_owned())
            }
            '.' => Term::Field(fields(word(rest))),
            '$' => return Err("this simulator does not know template variables ($)".into()),
            _ => {
                let name = word(rest);
                match (name.parse(), name.is_empty()) {
                    (Ok(number), _) => Term::Number(number),
                    (Err(_), true) => return Err(format!("unexpected {first:?} in operand")),
                    (Err(_), false) => Term::Function(name.to_owned()),
                }
            }
        };
        if let Some(command) = pipeline.last_mut() {
            command.push(term);
        }
    }
    match pipeline.iter().any(Vec::is_empty) {
        true => Err("missing value for command".into()),
        false => Ok(pipeline),
    }
}

/// Takes a word off the front.
fn word<'a>(rest: &mut &'a str) -> &'a str {
    let allowed =
        |character: char| character.is_alphanumeric() || matches!(character, '_' | '.' | '-');
    let end = rest
        .find(|character| !allowed(character))
        .unwrap_or(rest.len());
    let (word, after) = rest.split_at(end);
    *rest = after;
    word
}

fn fields(path: &str) -> Vec<String> {
    path.split('.')
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}
