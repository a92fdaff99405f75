//! Checks every exchange of the test run against the API's own description: a status, a header, a content type or a field
//! that it does not name fails the test, and so does one that it promises and that is missing.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex},
};

use jsonschema::Validator;
use reqwest::{Method, StatusCode, header::HeaderMap};
use serde_json::{Value, json};

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    serde_json::to_value(nomad_services::openapi::document()).expect("a document")
});

static VALIDATORS: LazyLock<Mutex<HashMap<String, Arc<Validator>>>> = LazyLock::new(Mutex::default);

/// Headers that mean something to clients, and so have to be described where they are sent.
const MEANINGFUL: [&str; 6] = [
    "allow",
    "etag",
    "location",
    "retry-after",
    "www-authenticate",
    "x-request-id",
];

/// What was asked.
pub struct Asked {
    pub method: Method,
    pub path: String,
    pub body: Option<Value>,
}

/// What came back.
pub struct Came<'answer> {
    pub status: StatusCode,
    pub headers: &'answer HeaderMap,
    pub body: &'answer [u8],
}

/// Panics where the exchange is not as described.
pub fn check(asked: &Asked, came: &Came<'_>) {
    let place = format!("{} {} → {}", asked.method, asked.path, came.status);
    let preflight = came.headers.contains_key("access-control-allow-methods");
    if preflight && asked.method == Method::OPTIONS {
        // The Fetch standard describes it.
        return;
    }
    let described = match Described::of(asked) {
        Described::Operation(operation) => operation,
        Described::Elsewhere => return,
        Described::Nothing { path_exists } => {
            let expected = match (path_exists, &asked.method) {
                (false, _) => StatusCode::NOT_FOUND,
                (true, &Method::OPTIONS) => StatusCode::NO_CONTENT,
                (true, _) => StatusCode::METHOD_NOT_ALLOWED,
            };
            assert_eq!(came.status, expected, "{place}: no such operation");
            assert_eq!(came.headers.contains_key("allow"), path_exists, "{place}");
            if expected.is_client_error() && asked.method != Method::HEAD {
                check_body(
                    &place,
                    &json!({"$ref": "#/components/schemas/Problem"}),
                    came,
                );
            }
            return;
        }
    };
    let status = came.status.as_str();
    let Some(response) = described["responses"].get(status) else {
        panic!("{place} is not described: {}", text(came));
    };
    check_headers(&place, response, came);
    match response["content"].as_object() {
        Some(content) => {
            let sent = came.headers.get("content-type");
            let sent = sent.and_then(|sent| sent.to_str().ok());
            let described = content
                .iter()
                .find(|(wanted, _)| sent == Some(wanted.as_str()));
            let Some((wanted, content)) = described else {
                panic!(
                    "{place}: {sent:?} is none of {:?}",
                    content.keys().collect::<Vec<_>>()
                );
            };
            if asked.method == Method::HEAD {
            } else if wanted.ends_with("ndjson") {
                for line in came.body.split_inclusive(|byte| *byte == b'\n') {
                    let came = Came {
                        body: line,
                        ..*came
                    };
                    check_body(&place, &content["schema"], &came);
                }
            } else if wanted.ends_with("event-stream") {
                for event in events(came) {
                    check_value(&place, &content["schema"], &event);
                }
            } else if wanted.ends_with("json") {
                check_body(&place, &content["schema"], came);
            }
        }
        None => assert!(came.body.is_empty(), "{place}: {}", text(came)),
    }
    if let (true, Some(body)) = (came.status.is_success(), &asked.body) {
        let schema = &described["requestBody"]["content"]["application/json"]["schema"];
        if !schema.is_null() {
            check_value(&format!("the request of {place}"), schema, body);
        }
    }
}

/// The server-sent events of an answer, each with its fields; comments are none.
fn events(came: &Came<'_>) -> Vec<Value> {
    let text = text(came);
    let blocks = text.split("\n\n").map(|block| {
        let lines = block.lines().filter_map(|line| line.split_once(':'));
        let fields = lines.filter(|(name, _)| !name.is_empty());
        fields
            .map(|(name, value)| (name.to_owned(), Value::from(value.trim_start_matches(' '))))
            .collect::<serde_json::Map<_, _>>()
    });
    let events = blocks.filter(|fields| !fields.is_empty());
    events.map(Value::from).collect()
}

/// What the document says about a request.
enum Described {
    Operation(&'static Value),
    /// The pages that show the description are no part of it.
    Elsewhere,
    Nothing {
        path_exists: bool,
    },
}

impl Described {
    fn of(asked: &Asked) -> Self {
        let path = asked.path.split('?').next().unwrap_or_default();
        // A slash at the end is none, except where the pages are.
        let shorter = path.strip_suffix('/').filter(|_| path != "/docs/");
        let path = shorter.unwrap_or(path);
        if path.starts_with("/docs") || path == nomad_services::paths::DESCRIPTION {
            return Self::Elsewhere;
        }
        let paths = DOCUMENT["paths"].as_object().expect("paths");
        let Some((_, item)) = paths.iter().find(|(template, _)| fits(template, path)) else {
            return Self::Nothing { path_exists: false };
        };
        let method = match asked.method.as_str() {
            "HEAD" => "get".to_owned(),
            other => other.to_lowercase(),
        };
        match item.get(&method) {
            Some(operation) => Self::Operation(operation),
            None => Self::Nothing { path_exists: true },
        }
    }
}

fn fits(template: &str, path: &str) -> bool {
    let (mut template, mut path) = (template.split('/'), path.split('/'));
    loop {
        match (template.next(), path.next()) {
            (None, None) => return true,
            (Some(part), Some(given)) if part == given => {}
            (Some(part), Some(given)) if part.starts_with('{') && !given.is_empty() => {}
            _ => return false,
        }
    }
}

fn check_headers(place: &str, response: &Value, came: &Came<'_>) {
    let described: Vec<_> = response["headers"]
        .as_object()
        .into_iter()
        .flat_map(|headers| headers.keys().map(|name| name.to_lowercase()))
        .collect();
    for name in &described {
        let missing = !came.headers.contains_key(name.as_str());
        assert!(!missing, "{place} lacks the header {name}");
    }
    for name in MEANINGFUL {
        let sent = came.headers.contains_key(name);
        let allowed = described.iter().any(|described| described == name);
        assert!(
            !sent || allowed,
            "{place}: the header {name} is not described"
        );
    }
    let cached = came.headers.get("cache-control");
    assert!(
        cached.is_some_and(|value| value == "no-store"),
        "{place} may be cached: {cached:?}"
    );
}

fn check_body(place: &str, schema: &Value, came: &Came<'_>) {
    let body: Value = serde_json::from_slice(came.body)
        .unwrap_or_else(|error| panic!("{place}: {error}: {}", text(came)));
    check_value(place, schema, &body);
}

fn check_value(place: &str, schema: &Value, value: &Value) {
    let errors: Vec<_> = validator(schema)
        .iter_errors(value)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{place}: {errors:#?}\n{value:#}");
}

fn validator(schema: &Value) -> Arc<Validator> {
    let mut validators = VALIDATORS.lock().expect("no panic while it is held");
    let known = validators.entry(schema.to_string()).or_insert_with(|| {
        let mut root = schema.clone();
        root["components"] = DOCUMENT["components"].clone();
        let validator = jsonschema::options()
            .should_validate_formats(true)
            .build(&root)
            .expect("a schema");
        Arc::new(validator)
    });
    known.clone()
}

fn text(came: &Came<'_>) -> String {
    String::from_utf8_lossy(came.body).into_owned()
}

#[test]
fn an_undocumented_field_status_or_header_would_be_noticed() {
    let asked = || Asked {
        method: Method::GET,
        path: "/health".to_owned(),
        body: None,
    };
    let noticed = |status: StatusCode, headers: &[(&'static str, &'static str)], body: Value| {
        let mut sent = HeaderMap::new();
        for (name, value) in headers {
            sent.insert(*name, value.parse().expect("a header"));
        }
        let body = body.to_string();
        let checked = std::panic::catch_unwind(|| {
            let came = Came {
                status,
                headers: &sent,
                body: body.as_bytes(),
            };
            check(&asked(), &came);
        });
        checked.is_err()
    };
    let headers = [
        ("content-type", "application/json"),
        ("cache-control", "no-store"),
        ("x-request-id", "1"),
    ];
    let body = json!({"status": "healthy", "version": "1"});
    assert!(!noticed(StatusCode::OK, &headers, body.clone()));
    assert!(noticed(StatusCode::ACCEPTED, &headers, body.clone()));
    assert!(noticed(StatusCode::OK, &headers[..2], body.clone()));
    let with_tag = [&headers[..], &[("etag", "\"1\"")]].concat();
    assert!(noticed(StatusCode::OK, &with_tag, body.clone()));
    let mut secret = body;
    secret["password"] = json!("x");
    assert!(noticed(StatusCode::OK, &headers, secret));
}
