//! One call: its decoded path, its query and its body, with the agent's words for what is wrong with them.

use std::sync::Arc;
use std::time::Duration;

use actix_web::{HttpRequest, web};
use percent_encoding::percent_decode_str;
use serde_json::Value;
use uuid::Uuid;

use super::answer::ApiError;
use crate::agent::Agent;
use crate::faults::duration;
use crate::state::job::JobKey;

/// How long a blocking query waits where it does not say.
const DEFAULT_WAIT: Duration = Duration::from_secs(300);
const LONGEST_WAIT: Duration = Duration::from_secs(600);

pub struct Call {
    pub agent: Arc<Agent>,
    pub method: String,
    /// Decoded.
    pub path: String,
    pub body: web::Bytes,
    pub query_string: String,
    query: Vec<(String, String)>,
}

impl Call {
    pub fn new(agent: Arc<Agent>, request: &HttpRequest, body: web::Bytes) -> Self {
        let query = web::Query::<Vec<(String, String)>>::from_query(request.query_string());
        Self {
            agent,
            method: request.method().as_str().to_owned(),
            path: percent_decode_str(request.uri().path())
                .decode_utf8_lossy()
                .into_owned(),
            body,
            query_string: request.query_string().to_owned(),
            query: query.map(web::Query::into_inner).unwrap_or_default(),
        }
    }

    pub fn query(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// Every value of a name that may be given more than once.
    pub fn queries<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.query
            .iter()
            .filter(move |(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    pub fn flag(&self, name: &str) -> bool {
        self.query(name)
            .is_some_and(|value| matches!(value, "1" | "t" | "T" | "true" | "True" | "TRUE"))
    }

    pub fn namespace(&self) -> &str {
        self.query("namespace")
            .filter(|namespace| !namespace.is_empty())
            .unwrap_or("default")
    }

    /// Whether an object of `namespace` belongs into a list.
    pub fn covers(&self, namespace: &str) -> bool {
        self.namespace() == "*" || self.namespace() == namespace
    }

    pub fn job(&self, id: &str) -> JobKey {
        JobKey {
            namespace: self.namespace().to_owned(),
            id: id.to_owned(),
        }
    }

    pub fn check_region(&self) -> Result<(), ApiError> {
        match self.query("region") {
            None | Some("" | "global") => Ok(()),
            Some(_) => Err(ApiError::Failed("No path to region".to_owned())),
        }
    }

    pub fn only(&self, methods: &[&str]) -> Result<(), ApiError> {
        if methods.contains(&self.method.as_str()) {
            Ok(())
        } else {
            Err(ApiError::InvalidMethod)
        }
    }

    pub fn is_write(&self) -> bool {
        self.method == "PUT" || self.method == "POST"
    }

    /// The index to wait beyond, and how long.
    pub fn wait(&self) -> Result<(u64, Duration), ApiError> {
        let index = match self.query("index") {
            None | Some("") => 0,
            Some(index) => index
                .parse()
                .map_err(|_| ApiError::Bad("Invalid index".to_owned()))?,
        };
        let wait = match self.query("wait") {
            None | Some("") => DEFAULT_WAIT,
            Some(wait) => {
                duration(wait).ok_or_else(|| ApiError::Bad("Invalid wait time".to_owned()))?
            }
        };
        Ok((index, wait.min(LONGEST_WAIT)))
    }

    /// The body as JSON.
    pub fn json(&self) -> Result<Value, ApiError> {
        if self.body.is_empty() {
            return Err(ApiError::Bad("Request body is empty".to_owned()));
        }
        serde_json::from_slice(&self.body).map_err(|error| {
            if error.is_eof() {
                return ApiError::Bad("unexpected EOF".to_owned());
            }
            let first = self
                .body
                .iter()
                .find(|byte| !byte.is_ascii_whitespace())
                .map_or('?', |byte| char::from(*byte));
            ApiError::Bad(format!(
                "invalid character '{first}' looking for beginning of value"
            ))
        })
    }

    /// The body as JSON, or null where there is none.
    pub fn optional_json(&self) -> Result<Value, ApiError> {
        if self.body.is_empty() {
            Ok(Value::Null)
        } else {
            self.json()
        }
    }
}

/// An id out of a path. The agent does not look prefixes up here, and says so in its own way.
pub fn id(text: &str, lookup: &str) -> Result<Uuid, ApiError> {
    if text.len() != 36 {
        return Err(ApiError::Failed(format!(
            "{lookup} lookup failed: index error: UUID must be 36 characters"
        )));
    }
    // What has the length and not the form is unknown, as any other id that was never given.
    Ok(text.parse().unwrap_or_default())
}

/// The path to send a caller to whose own has doubled slashes or dots in it.
pub fn cleaned(path: &str) -> Option<String> {
    if !path.contains("//")
        && !path
            .split('/')
            .any(|segment| segment == "." || segment == "..")
    {
        return None;
    }
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                kept.pop();
            }
            segment => kept.push(segment),
        }
    }
    let slash = if path.ends_with('/') && !kept.is_empty() {
        "/"
    } else {
        ""
    };
    Some(format!("/{}{slash}", kept.join("/")))
}
