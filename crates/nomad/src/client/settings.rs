//! How to reach an agent, and what is wrong with a setting that can't be used.

use std::{path::PathBuf, time::Duration};

use reqwest::{Url, header::HeaderValue};
use secrecy::{ExposeSecret, SecretString};

/// Everything a [`Client`](super::Client) is built from.
#[derive(Clone, Debug)]
pub struct ClientSettings {
    /// `http://host:port` or `https://host:port`, with a path before `/v1` where a proxy adds one.
    pub address: String,
    /// The ACL token; without it the calls are anonymous.
    pub token: Option<SecretString>,
    /// The region every call names; without it the client asks the agent for its own.
    pub region: Option<String>,
    /// PEM file with the authorities the server's certificate must come from, instead of the system's.
    pub ca_certificate: Option<PathBuf>,
    /// PEM files with the certificate chain and the private key this client shows.
    pub client_certificate: Option<(PathBuf, PathBuf)>,
    /// The DNS name the server's certificate must hold, where it is not the address's host (`server.global.nomad`).
    pub server_name: Option<String>,
    /// How long a connection may take, TLS included.
    pub connect_timeout: Duration,
    /// How long a call may take from start to the last byte of its answer.
    pub request_timeout: Duration,
    /// How many idle connections are kept.
    pub max_idle_connections: usize,
}

/// A setting that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The address is no URL of an agent.
    #[error("the Nomad address {address:?} can't be used: {reason}")]
    Address {
        /// The address as configured, unless it may hold a password.
        address: String,
        /// What is allowed.
        reason: &'static str,
    },
    /// The token can't stand in a header.
    #[error(
        "the Nomad token holds characters that can't stand in an HTTP header; visible ASCII is allowed"
    )]
    Token,
    /// The server name is no DNS name.
    #[error("the Nomad TLS server name {0:?} is not a DNS name such as server.global.nomad")]
    ServerName(String),
    /// TLS settings beside an address without TLS.
    #[error("{0} is set, but the Nomad address does not begin with https://")]
    TlsWithoutHttps(&'static str),
    /// A PEM file can't be read.
    #[error("{what} {} can't be read", path.display())]
    File {
        /// Which file.
        what: &'static str,
        /// Its path.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A PEM file can be read and holds nothing usable.
    #[error("{what} {} is not usable: {reason}", path.display())]
    Pem {
        /// Which file.
        what: &'static str,
        /// Its path.
        path: PathBuf,
        /// What is missing.
        reason: &'static str,
    },
    /// The HTTP client refuses the whole.
    #[error("the HTTP client for Nomad can't be built")]
    Build(#[source] reqwest::Error),
}

impl ClientSettings {
    /// The configured address.
    pub(super) fn url(&self) -> Result<Url, SetupError> {
        let refuse = |address: &str, reason| SetupError::Address {
            address: address.to_owned(),
            reason,
        };
        let url = Url::parse(&self.address).map_err(|_| {
            refuse(
                &self.address,
                "it must be http://host:port or https://host:port",
            )
        })?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refuse("", "it must not hold a user name or password"));
        }
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(refuse(
                &self.address,
                "it must begin with http:// or https:// and name a host",
            ));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(refuse(&self.address, "it must end with the path"));
        }
        Ok(url)
    }

    /// The address as requests name it: with the TLS server name as its host, so that this is the name that is sent in
    /// the handshake and verified. [`tls`](super::tls) connects it to the configured host all the same.
    pub(super) fn request_address(&self) -> Result<Url, SetupError> {
        let mut url = self.url()?;
        if let Some(name) = &self.server_name {
            let refuse = || SetupError::ServerName(name.clone());
            url.set_host(Some(name)).map_err(|_| refuse())?;
            if url.domain() != Some(name.to_ascii_lowercase().as_str()) {
                return Err(refuse());
            }
        }
        Ok(url)
    }

    pub(super) fn token_header(&self) -> Result<Option<HeaderValue>, SetupError> {
        let Some(token) = &self.token else {
            return Ok(None);
        };
        let mut header =
            HeaderValue::from_str(token.expose_secret()).map_err(|_| SetupError::Token)?;
        header.set_sensitive(true);
        Ok(Some(header))
    }
}
