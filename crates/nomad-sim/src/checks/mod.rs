//! Probes a service's health check as a Nomad client does: over HTTP or by connecting.

use std::{net::SocketAddr, str::FromStr, sync::LazyLock, time::Duration};

use reqwest::{Client, Method, redirect::Policy};
use serde_json::Value;
use tokio::{net::TcpStream, time::timeout};

/// How long a probe takes at most where the check does not say.
const TIMEOUT: Duration = Duration::from_secs(3);

/// The most of an answer's body that becomes a check's output.
const OUTPUT_LIMIT: usize = 3 * 1024;

/// What a probe found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CheckResult {
    /// Whether the check passes.
    pub success: bool,
    /// What an operator reads: a word from Nomad, or the body of an answer that failed.
    pub output: String,
    /// The status of an HTTP answer.
    pub status_code: Option<u16>,
}

static CLIENT: LazyLock<Option<Client>> = LazyLock::new(|| {
    let client = Client::builder().redirect(Policy::none()).no_proxy();
    client.build().ok()
});

/// Probes `check`, a check of a job, at `address`, once, within the check's timeout.
pub async fn probe(check: &Value, address: SocketAddr) -> CheckResult {
    let limit = check["Timeout"].as_u64().filter(|limit| *limit > 0);
    let limit = limit.map_or(TIMEOUT, Duration::from_nanos);
    if check["Type"] == "tcp" {
        return match timeout(limit, TcpStream::connect(address)).await {
            Ok(Ok(_)) => result(true, "nomad: tcp ok".into(), None),
            Ok(Err(error)) => result(
                false,
                format!("dial tcp {address}: connect: {}", reason(&error)),
                None,
            ),
            Err(_) => result(false, format!("dial tcp {address}: i/o timeout"), None),
        };
    }
    match timeout(limit, http(check, address)).await {
        Ok(result) => result,
        Err(_) => result(
            false,
            "nomad: Get request timed out: context deadline exceeded".into(),
            None,
        ),
    }
}

async fn http(check: &Value, address: SocketAddr) -> CheckResult {
    let text = |name: &str| check[name].as_str().filter(|text| !text.is_empty());
    let scheme = text("Protocol").unwrap_or("http");
    let path = text("Path").unwrap_or("/");
    let url = format!("{scheme}://{address}{path}");
    let method = Method::from_str(text("Method").unwrap_or("GET")).unwrap_or_default();
    let Some(client) = CLIENT.as_ref() else {
        return result(false, "nomad: no HTTP client".into(), None);
    };
    let mut request = client.request(method, &url);
    for (name, values) in check["Header"].as_object().into_iter().flatten() {
        for value in values.as_array().into_iter().flatten() {
            request = request.header(name, value.as_str().unwrap_or_default());
        }
    }
    if let Some(body) = text("Body") {
        request = request.body(body.to_owned());
    }
    let mut answer = match request.send().await {
        Ok(answer) => answer,
        Err(error) => {
            return result(
                false,
                format!("nomad: Get {url:?}: {}", cause(&error)),
                None,
            );
        }
    };
    let status = answer.status();
    if status.is_success() {
        return result(true, "nomad: http ok".into(), Some(status.as_u16()));
    }
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = answer.chunk().await {
        body.extend_from_slice(&chunk);
        if body.len() > OUTPUT_LIMIT {
            body.truncate(OUTPUT_LIMIT);
            break;
        }
    }
    let output = String::from_utf8_lossy(&body).into_owned();
    result(false, output, Some(status.as_u16()))
}

fn result(success: bool, output: String, status_code: Option<u16>) -> CheckResult {
    CheckResult {
        success,
        output,
        status_code,
    }
}

/// The innermost reason, which is the one that says something.
fn cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    match cause.downcast_ref::<std::io::Error>() {
        Some(error) => reason(error),
        None => cause.to_string(),
    }
}

fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::ConnectionRefused => "connection refused".into(),
        _ => error.to_string(),
    }
}
