//! Which PostgreSQL is used, and how its connections are kept.

use std::path::PathBuf;

use postgres_connection::{Address, AddressError, AddressParts, SslMode};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::values::{NonZeroDuration, bounded, choice, masked, optional, or_empty, required};

/// Which PostgreSQL is used, and how its connections are kept.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseSettings {
    /// `postgres://…` or `host=… dbname=…`; wins over the parts below.
    #[serde(deserialize_with = "optional", serialize_with = "masked")]
    pub url: Option<SecretString>,
    /// The same database past a pooler, for what needs a session to itself: migrations, and trying to break into a tenant.
    #[serde(deserialize_with = "optional", serialize_with = "masked")]
    pub direct_url: Option<SecretString>,
    /// A host name, an address, or the folder of a Unix socket; several separated by commas.
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
    /// Whether PostgreSQL keeps the statements that it has parsed for a session.
    pub prepared_statements: bool,
    /// Whether the server migrates at its start, or refuses a schema it does not know.
    pub migrate_on_start: bool,
    /// Where initdb and postgres of the private PostgreSQL lie.
    #[serde(deserialize_with = "optional", serialize_with = "or_empty")]
    pub bin_directory: Option<PathBuf>,
}

impl DatabaseSettings {
    /// The address of the database to use; `None` asks for a private one.
    ///
    /// # Errors
    /// What is allowed in `database.url`, or in `database.host` where there is no URL.
    pub fn address(&self) -> Result<Option<Address>, AddressError> {
        let address = match (&self.url, &self.host) {
            (Some(url), _) => Address::parse(url)?,
            (None, Some(host)) => Address::of_parts(AddressParts {
                host,
                port: self.port,
                user: &self.user,
                password: self.password.as_ref(),
                name: &self.name,
            })?,
            (None, None) => return Ok(None),
        };
        Ok(Some(self.protected(address)))
    }

    /// The address past a pooler, where one is set.
    ///
    /// # Errors
    /// What is allowed in `database.direct_url`.
    pub fn direct_address(&self) -> Result<Option<Address>, AddressError> {
        let address = self.direct_url.as_ref().map(Address::parse).transpose()?;
        Ok(address.map(|address| self.protected(address)))
    }

    fn protected(&self, address: Address) -> Address {
        address.or_protected(self.ssl_mode, self.ssl_root_cert.as_deref())
    }
}
