//! One client: a kept connection on which one request follows the other, with as little around it as HTTP needs.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, client::conn::http1::SendRequest};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::Result;

pub struct Client {
    sender: SendRequest<Full<Bytes>>,
    host: String,
}

impl Client {
    pub async fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self {
            sender,
            host: address.to_string(),
        })
    }

    /// Sends a request below the API's base path and reads the whole answer, which must be a good one.
    pub async fn send(
        &mut self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: &Bytes,
    ) -> Result<Bytes> {
        self.send_to(method, &format!("/api/v1{path}"), token, body)
            .await
    }

    /// The same for a whole path.
    pub async fn send_to(
        &mut self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: &Bytes,
    ) -> Result<Bytes> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", &self.host);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if !body.is_empty() {
            request = request.header("content-type", "application/json");
        }
        self.sender.ready().await?;
        let response = self
            .sender
            .send_request(request.body(Full::new(body.clone()))?)
            .await?;
        let status = response.status();
        let answer = response.into_body().collect().await?.to_bytes();
        if status.is_success() {
            return Ok(answer);
        }
        let answer = String::from_utf8_lossy(&answer);
        Err(format!("{method} {path} was answered with {status}: {answer}").into())
    }

    pub async fn post(&mut self, path: &str, token: Option<&str>, body: &Value) -> Result<Value> {
        let body = Bytes::from(serde_json::to_vec(body)?);
        Ok(serde_json::from_slice(
            &self.send("POST", path, token, &body).await?,
        )?)
    }
}
