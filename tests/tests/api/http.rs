//! Requests to a server of the tests, and their answers, each checked against the API's description.

use std::io::Read;

use bytes::Bytes;
use flate2::read::GzDecoder;
use reqwest::{RequestBuilder, StatusCode, header::HeaderMap};
use serde_json::Value;

use crate::contract::{self, Asked, Came};

/// A request whose answer is checked against the API's description.
#[must_use]
pub struct Request {
    builder: RequestBuilder,
    asked: Asked,
}

/// An answer that is as the API's description says.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// The body, decompressed.
    pub bytes: Bytes,
    /// How many bytes of it were sent.
    pub sent: usize,
}

pub async fn answer(request: Request) -> (StatusCode, Value) {
    let answer = request.send().await;
    (answer.status, answer.json())
}

impl Request {
    pub fn new(builder: RequestBuilder, asked: Asked) -> Self {
        Self { builder, asked }
    }

    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.builder = self.builder.header(name, value.as_ref());
        self
    }

    pub fn json(mut self, body: &Value) -> Self {
        self.builder = self.builder.json(body);
        self.asked.body = Some(body.clone());
        self
    }

    /// A body that is sent as it stands.
    pub fn text(mut self, content_type: &str, body: impl Into<reqwest::Body>) -> Self {
        self.builder = self.builder.header("content-type", content_type).body(body);
        self
    }

    pub async fn send(self) -> Answer {
        let response = self.builder.send().await.expect("an answer");
        let (status, headers) = (response.status(), response.headers().clone());
        let sent = response.bytes().await.expect("a body");
        let (bytes, sent) = (decompressed(&headers, &sent), sent.len());
        let came = Came {
            status,
            headers: &headers,
            body: &bytes,
        };
        contract::check(&self.asked, &came);
        Answer {
            status,
            headers,
            bytes,
            sent,
        }
    }
}

fn decompressed(headers: &HeaderMap, sent: &Bytes) -> Bytes {
    let Some(encoding) = headers.get("content-encoding") else {
        return sent.clone();
    };
    assert_eq!(encoding, "gzip");
    let mut bytes = Vec::new();
    let read = GzDecoder::new(sent.as_ref()).read_to_end(&mut bytes);
    read.expect("what is compressed");
    bytes.into()
}

/// A problem without what belongs to its request alone.
pub fn anonymous(mut problem: Value) -> Value {
    for name in ["request_id", "instance"] {
        let removed = problem.as_object_mut().and_then(|body| body.remove(name));
        removed.expect(name);
    }
    problem
}

impl Answer {
    /// The body; null where there is none.
    pub fn json(&self) -> Value {
        if self.bytes.is_empty() {
            return Value::Null;
        }
        serde_json::from_slice(&self.bytes).expect("JSON")
    }

    /// A header's text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let value = self.headers.get(name)?;
        Some(value.to_str().expect("text"))
    }
}
