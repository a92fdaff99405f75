//! Which PostgreSQL is used, and how its connections are kept.

use std::path::PathBuf;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::values::{NonZeroDuration, bounded, choice, masked, optional, or_empty, required};

const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Which PostgreSQL is used, and how its connections are kept.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseSettings {
    /// `postgres://…`; wins over the parts below.
    #[serde(deserialize_with = "optional", serialize_with = "masked")]
    pub url: Option<SecretString>,
    /// A host name, an address, or the folder of a Unix socket.
    #[serde(deserialize_with = "optional", serialize_with = "or_empty")]
    pub host: Option<String>,
    /// The server's port.
    #[serde(deserialize_with = "bounded::<1, 65535, _, _>")]
    pub port: u16,
    /// Who signs in; owns the database and has CREATEROLE.
    #[serde(deserialize_with = "required")]
    pub user: String,
    /// Its password; there is none by default.
    #[serde(deserialize_with = "optional", serialize_with = "masked")]
    pub password: Option<SecretString>,
    /// The database.
    #[serde(deserialize_with = "required")]
    pub name: String,
    /// Whether the connection is encrypted and whom it trusts.
    #[serde(deserialize_with = "choice")]
    pub ssl_mode: SslMode,
    /// The certificate authorities to trust (PEM); otherwise those of the system.
    #[serde(deserialize_with = "optional", serialize_with = "or_empty")]
    pub ssl_root_cert: Option<PathBuf>,
    /// Connections open at once.
    #[serde(deserialize_with = "bounded::<1, 10_000, _, _>")]
    pub max_open: usize,
    /// Connections that stay open however long they are idle.
    #[serde(deserialize_with = "bounded::<0, 10_000, _, _>")]
    pub max_idle: usize,
    /// A connection is replaced after this time.
    pub max_lifetime: NonZeroDuration,
    /// Idle connections above `max_idle` are closed after this time.
    pub idle_timeout: NonZeroDuration,
    /// How long a request waits for a connection.
    pub acquire_timeout: NonZeroDuration,
    /// How long the start waits for a database that does not answer.
    pub startup_timeout: NonZeroDuration,
    /// Whether the server migrates at its start, or refuses a schema it does not know.
    pub migrate_on_start: bool,
    /// Where initdb and postgres of the private PostgreSQL lie.
    #[serde(deserialize_with = "optional", serialize_with = "or_empty")]
    pub bin_directory: Option<PathBuf>,
}

/// What libpq's `sslmode` means.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SslMode {
    /// Never encrypted.
    Disable,
    /// Encrypted where the server can.
    Prefer,
    /// Encrypted, whoever the server is.
    Require,
    /// Encrypted, and the server's certificate is from an authority that is trusted.
    VerifyCa,
    /// The same, and it names the host.
    VerifyFull,
}

/// A PostgreSQL somebody else runs.
#[derive(Clone, Debug)]
pub struct DatabaseServer {
    /// `postgres://…`, without `sslmode` and `sslrootcert`, which drivers read differently.
    pub url: SecretString,
    /// Whether the connection is encrypted and whom it trusts.
    pub ssl_mode: SslMode,
    /// The certificate authorities to trust (PEM); otherwise those of the system.
    pub ssl_root_cert: Option<PathBuf>,
}

impl DatabaseSettings {
    /// The server to use; `None` asks for a private one.
    ///
    /// # Errors
    /// What is allowed in `database.url`, where it holds something else.
    pub fn server(&self) -> Result<Option<DatabaseServer>, &'static str> {
        if let Some(url) = &self.url {
            return self.server_at(url.expose_secret()).map(Some);
        }
        Ok(self.host.as_deref().map(|host| DatabaseServer {
            url: self.url_of_parts(host),
            ssl_mode: self.ssl_mode,
            ssl_root_cert: self.ssl_root_cert.clone(),
        }))
    }

    fn server_at(&self, url: &str) -> Result<DatabaseServer, &'static str> {
        const ALLOWED: &str =
            "postgres://user:password@host:port/name, with special characters percent-encoded";
        const SSL_MODES: &str =
            "an sslmode in its query of disable, prefer, require, verify-ca or verify-full";
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(ALLOWED);
        }
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let mut server = DatabaseServer {
            url: SecretString::default(),
            ssl_mode: self.ssl_mode,
            ssl_root_cert: self.ssl_root_cert.clone(),
        };
        let mut kept = Vec::new();
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            match parameter.split_once('=').ok_or(ALLOWED)? {
                ("sslmode", mode) => server.ssl_mode = SslMode::from_name(mode).ok_or(SSL_MODES)?,
                ("sslrootcert", path) => {
                    let path = percent_encoding::percent_decode_str(path);
                    let path = path.decode_utf8().map_err(|_| ALLOWED)?;
                    server.ssl_root_cert = Some(path.as_ref().into());
                }
                _ => kept.push(parameter),
            }
        }
        server.url = if kept.is_empty() {
            base.to_owned()
        } else {
            format!("{base}?{}", kept.join("&"))
        }
        .into();
        Ok(server)
    }

    fn url_of_parts(&self, host: &str) -> SecretString {
        let encode = |part: &str| utf8_percent_encode(part, UNRESERVED).to_string();
        let user = encode(&self.user);
        let password = self
            .password
            .as_ref()
            .map(|password| format!(":{}", encode(password.expose_secret())))
            .unwrap_or_default();
        let host = if host.contains(':') {
            format!("[{host}]")
        } else {
            encode(host)
        };
        let (port, name) = (self.port, encode(&self.name));
        format!("postgres://{user}{password}@{host}:{port}/{name}").into()
    }
}

impl DatabaseServer {
    /// `host:port`, for messages; the address itself holds a password.
    pub fn host_and_port(&self) -> String {
        let url = self.url.expose_secret();
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        let host = authority
            .rsplit_once('@')
            .map_or(authority, |(_, host)| host);
        let host = percent_encoding::percent_decode_str(host).decode_utf8_lossy();
        match host.rsplit_once(':') {
            Some((_, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host.into_owned(),
            _ => format!("{host}:5432"),
        }
    }
}

impl SslMode {
    fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "disable" => Self::Disable,
            "prefer" => Self::Prefer,
            "require" => Self::Require,
            "verify-ca" => Self::VerifyCa,
            "verify-full" => Self::VerifyFull,
            _ => return None,
        })
    }
}
