//! Answers without what is another one each time: ids, times, secrets, versions and cursors get names, numbered in the
//! order in which a tenant first sees them. So two runs are compared by which id, time or secret it is, not by its text.

use std::collections::{BTreeMap, HashMap, HashSet};

use regex_lite::{Captures, Regex};
use serde_json::Value;

use crate::app::Answer;

/// What belongs to the moment, the connection or the thread of an answer; the last is a set, in an order of each thread.
const OF_THE_MOMENT: [&str; 4] = [
    "date",
    "content-length",
    "connection",
    "access-control-expose-headers",
];

/// Fields whose text is made for the answer, or sealed.
const OPAQUE: [&str; 4] = ["token", "refresh_token", "key", "public_id"];

/// Fields that follow from the order of rows which one transaction wrote, and that have none; only that they are there counts.
const WITHOUT_ORDER: [&str; 4] = ["leaf_hash", "leaf_index", "hashes", "next_cursor"];

/// What a tenant has seen so far.
#[derive(Debug)]
pub struct Names {
    varies: Regex,
    known: HashMap<String, String>,
    counts: BTreeMap<&'static str, usize>,
    foreign: HashSet<String>,
}

impl Default for Names {
    fn default() -> Self {
        let id = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";
        let time = r"2\d{3}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)?";
        let varies = Regex::new(&format!("(?<id>{id})|(?<time>{time})")).expect("an expression");
        Self {
            varies,
            known: HashMap::new(),
            counts: BTreeMap::new(),
            foreign: HashSet::new(),
        }
    }
}

impl Names {
    /// An id that the tenant got from elsewhere.
    pub fn add_foreign(&mut self, id: &str) {
        self.foreign.insert(id.to_owned());
    }

    /// An answer as text. `body` is what [`settled`] made of it.
    pub fn answer(&mut self, answer: &Answer, body: &Value) -> String {
        let mut headers: Vec<_> = answer
            .headers
            .iter()
            .filter(|(name, _)| !OF_THE_MOMENT.contains(&name.as_str()))
            .map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value.as_bytes())))
            .collect();
        headers.sort();
        let mut text = answer.status.to_string();
        for (name, value) in headers {
            let value = match name {
                "etag" => self.name("etag", &value),
                "retry-after" => "<seconds>".to_owned(),
                _ => self.text(&value),
            };
            text.push_str(&format!("\n{name}: {value}"));
        }
        let mut body = body.clone();
        self.value(&mut body);
        format!("{text}\n\n{body:#}")
    }

    /// A text with names for its ids and times.
    pub fn text(&mut self, text: &str) -> String {
        let varies = self.varies.clone();
        let named = varies.replace_all(text, |found: &Captures<'_>| match found.name("id") {
            Some(id) => self.name("id", id.as_str()),
            None => self.name("time", &found[0]),
        });
        named.into_owned()
    }

    fn name(&mut self, kind: &'static str, text: &str) -> String {
        if self.foreign.contains(text) {
            return "<foreign>".to_owned();
        }
        // Whole seconds are the same for whatever happens within one.
        if kind == "time" && !text.contains('.') {
            return match text.starts_with("2999") {
                true => text.to_owned(),
                false => "<second>".to_owned(),
            };
        }
        if let Some(name) = self.known.get(text) {
            return name.clone();
        }
        let count = self.counts.entry(kind).or_default();
        *count += 1;
        let name = format!("<{kind} {count}>");
        self.known.insert(text.to_owned(), name.clone());
        name
    }

    fn value(&mut self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.text(text),
            Value::Array(items) => self.items(items),
            Value::Object(fields) => {
                for (name, value) in fields {
                    let opaque = OPAQUE.iter().find(|opaque| *opaque == name);
                    match (opaque, &mut *value) {
                        (Some(kind), Value::String(text)) => *text = self.name(kind, text),
                        (_, Value::Null) => {}
                        _ if WITHOUT_ORDER.contains(&name.as_str()) => {
                            *value = format!("<{name}>").into();
                        }
                        _ => self.value(value),
                    }
                }
            }
            _ => {}
        }
    }

    /// The items of a list. Rows of one transaction have no order: they get the one of what is known of them.
    fn items(&mut self, items: &mut Vec<Value>) {
        let rows = std::mem::take(items);
        for group in
            rows.chunk_by(|one, next| is_row(one) && one["created_at"] == next["created_at"])
        {
            let mut group: Vec<_> = group.iter().map(|row| (self.known_of(row), row)).collect();
            group.sort_by(|(one, _), (next, _)| one.cmp(next));
            let twins: Vec<_> = (0..group.len())
                .map(|index| {
                    let same = |other: Option<&(String, &Value)>| {
                        other.is_some_and(|(text, _)| *text == group[index].0)
                    };
                    same(group.get(index + 1)) || index > 0 && same(group.get(index - 1))
                })
                .collect();
            for ((text, row), is_twin) in group.into_iter().zip(twins) {
                // Which of two rows that look alike is which, nobody can say.
                let mut row = row.clone();
                match is_twin {
                    true => row = text.into(),
                    false => self.value(&mut row),
                }
                items.push(row);
            }
        }
    }

    /// A value with the names that are known, and nothing in place of the others.
    fn known_of(&self, value: &Value) -> String {
        let text = value.to_string();
        let named = self.varies.replace_all(&text, |found: &Captures<'_>| {
            let known = self.known.get(&found[0]).cloned();
            known.unwrap_or_else(|| "<new>".to_owned())
        });
        named.into_owned()
    }
}

fn is_row(value: &Value) -> bool {
    value["created_at"].is_string() && value["action"].is_string()
}

/// The body of an answer as JSON. What the trail holds as text becomes JSON, and the last of several rows of one
/// transaction go where a page may have ended between them.
pub fn settled(answer: &Answer) -> Value {
    let kind = answer.header("content-type").unwrap_or_default();
    let text = String::from_utf8_lossy(&answer.bytes);
    if kind.contains("ndjson") {
        let lines = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        let mut rows: Vec<_> = lines.map(|mut line| line["row"].take()).collect();
        rows.iter_mut().for_each(parse_details);
        return serde_json::json!({"audit_logs": rows});
    }
    if !kind.contains("json") {
        // The head of a log: its name and size, then what is hashed and signed. Or a key, whose name is the log's.
        let lines = text.lines().take(2);
        let lines = lines.map(|line| line.split_once('+').map_or(line, |(name, _)| name));
        return lines.collect::<Vec<_>>().join("\n").into();
    }
    let mut body = answer.json();
    parse_details(&mut body);
    let goes_on = body["next_cursor"].is_string();
    if let Some(Value::Array(rows)) = body.get_mut("audit_logs") {
        rows.iter_mut().for_each(parse_details);
        if goes_on && rows.len() > 1 {
            let last = rows[rows.len() - 1]["created_at"].clone();
            rows.retain(|row| row["created_at"] != last);
        }
    }
    body
}

fn parse_details(row: &mut Value) {
    if let Some(details) = row.get_mut("details")
        && let Some(Ok(parsed)) = details.as_str().map(serde_json::from_str)
    {
        *details = parsed;
    }
}
