//! A small client for Nomad's HTTP API. [`Client`] holds what belongs to the whole cluster, [`NamespaceClient`] what
//! belongs to one namespace, so that no call can forget which namespace it is about. One file for each resource holds
//! its calls and the typed views of its answers.
//!
//! Views read what the product needs, ignore every other field, and take an absent or `null` field as empty. Where a
//! document must survive unchanged (a job), it stays beside its view as plain JSON. Indexes are Nomad's Raft indexes;
//! durations and points in time that Nomad counts in nanoseconds say so in their names.

pub mod agent;
pub mod allocations;
pub mod deployments;
mod error;
pub mod evaluations;
pub mod events;
mod identifiers;
pub mod jobs;
mod json_stream;
pub mod logs;
pub mod namespaces;
pub mod nodes;
mod nullable;
pub mod registration;
pub mod services;
mod settings;
pub mod statistics;
mod tls;
mod transport;
pub mod variables;

use std::{fmt, sync::Arc, time::Duration};

use reqwest::{Url, header::HeaderValue};
use tokio::sync::OnceCell;

pub use error::{Error, ErrorKind, classify};
pub use settings::{ClientSettings, SetupError};
pub use transport::{Indexed, MAX_ANSWER_BYTES, Wait};

/// The result of a call to Nomad.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A connection pool to one Nomad agent, and who we are to it. Clones share the pool.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    http: reqwest::Client,
    address: Url,
    token: Option<HeaderValue>,
    configured_region: Option<String>,
    learned_region: OnceCell<String>,
    request_timeout: Duration,
}

impl Client {
    /// Reads the certificates and builds the connection pool; it makes no call.
    ///
    /// # Errors
    /// The setting that can't be used.
    pub fn new(settings: &ClientSettings) -> Result<Self, SetupError> {
        Ok(Self {
            shared: Arc::new(Shared {
                address: settings.request_address()?,
                token: settings.token_header()?,
                http: tls::http_client(settings)?,
                configured_region: settings.region.clone(),
                learned_region: OnceCell::new(),
                request_timeout: settings.request_timeout,
            }),
        })
    }

    /// The calls that are about one namespace.
    pub fn in_namespace(&self, namespace: &str) -> NamespaceClient {
        NamespaceClient {
            client: self.clone(),
            namespace: namespace.into(),
            wait: None,
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Client")
            .field("address", &self.shared.address.as_str())
            .field("region", &self.shared.configured_region)
            .finish_non_exhaustive()
    }
}

/// A [`Client`] whose every call names one namespace.
#[derive(Clone, Debug)]
pub struct NamespaceClient {
    client: Client,
    namespace: Arc<str>,
    wait: Option<Wait>,
}

impl NamespaceClient {
    /// The namespace every call names.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// A client whose reads answer only once something has changed after `wait.index`, or the wait is over (a blocking
    /// query). Writes are unaffected.
    #[must_use]
    pub fn after(&self, wait: Wait) -> Self {
        Self {
            wait: Some(wait),
            ..self.clone()
        }
    }
}
