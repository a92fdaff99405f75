//! Where a database is, who signs in, and how the connection is to be: parsed once, and shown without its secrets.

use std::{
    fmt,
    net::IpAddr,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use secrecy::{ExposeSecret, SecretString};
use tokio_postgres::{Config, config::Host};

use crate::{
    source::{self, AddressError, Parameter, known},
    tls::SslMode,
};

/// The address of a database, as libpq has it: `postgres://user:password@host:port/name?parameter=value`, or
/// `host=… port=… user=… password=… dbname=…`.
///
/// ```
/// use postgres_connection::Address;
///
/// let address: Address = "postgres://owner:secret@[::1],db.example:6432/app?target_session_attrs=read-write".parse()?;
/// assert_eq!(address.to_string(), "[::1]:5432, db.example:6432");
/// # Ok::<(), postgres_connection::AddressError>(())
/// ```
#[derive(Clone)]
pub struct Address {
    places: Vec<Place>,
    /// All but the places.
    session: Config,
    ssl_mode: Option<SslMode>,
    ssl_root_certificate: Option<PathBuf>,
}

/// Where one server may be.
#[derive(Clone)]
pub(crate) struct Place {
    host: Option<Host>,
    /// Instead of asking for the address of `host`.
    address: Option<IpAddr>,
    port: u16,
}

/// An address whose parts are known each by itself.
#[derive(Clone, Copy, Debug)]
pub struct AddressParts<'a> {
    /// A name, an IP address or the folder of a Unix socket; several separated by commas.
    pub host: &'a str,
    /// The server's port.
    pub port: u16,
    /// Who signs in.
    pub user: &'a str,
    /// Its password, where it has one.
    pub password: Option<&'a SecretString>,
    /// The database.
    pub name: &'a str,
}

impl Address {
    /// As [`str::parse`], of a text that is a secret.
    ///
    /// # Errors
    /// Says what is allowed, and nothing of the text but the name of an unknown parameter.
    pub fn parse(text: &SecretString) -> Result<Self, AddressError> {
        text.expose_secret().parse()
    }

    /// The address that consists of these parts.
    ///
    /// # Errors
    /// As [`Address::parse`].
    pub fn of_parts(parts: AddressParts<'_>) -> Result<Self, AddressError> {
        let host = parts.host.trim();
        let host = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host);
        let mut parameters = vec![
            ("host".to_owned(), host.to_owned()),
            ("port".to_owned(), parts.port.to_string()),
            ("user".to_owned(), parts.user.to_owned()),
            ("dbname".to_owned(), parts.name.to_owned()),
        ];
        if let Some(password) = parts.password {
            parameters.push(("password".to_owned(), password.expose_secret().to_owned()));
        }
        Self::of_parameters(parameters)
    }

    fn of_parameters(parameters: Vec<Parameter>) -> Result<Self, AddressError> {
        for (key, value) in &parameters {
            check(key, value)?;
        }
        let value = |wanted| {
            let mut parameters = parameters.iter();
            parameters.find_map(|(key, value)| (key == wanted).then_some(value.as_str()))
        };
        let is_of_places = |key: &str| ["host", "hostaddr", "port"].contains(&key);
        let is_of_session =
            |key: &str| !is_of_places(key) && !["sslmode", "sslrootcert"].contains(&key);
        let places = config(parameters.iter().filter(|(key, _)| is_of_places(key)));
        let session = config(parameters.iter().filter(|(key, _)| is_of_session(key)));
        Ok(Self {
            places: Place::all(&places.map_err(|_| AddressError::Form)?)?,
            session: session.map_err(|_| AddressError::Form)?,
            ssl_mode: value("sslmode").and_then(SslMode::from_name),
            ssl_root_certificate: value("sslrootcert").map(PathBuf::from),
        })
    }

    /// The same, protected like this as far as it says nothing about that itself.
    #[must_use]
    pub fn or_protected(mut self, mode: SslMode, root_certificate: Option<&Path>) -> Self {
        self.ssl_mode.get_or_insert(mode);
        if self.ssl_root_certificate.is_none() {
            self.ssl_root_certificate = root_certificate.map(Path::to_owned);
        }
        self
    }

    /// The same, with a name for its sessions where it has none itself.
    #[must_use]
    pub fn or_named(mut self, application: &str) -> Self {
        if self.session.get_application_name().is_none() {
            self.session.application_name(application);
        }
        self
    }

    /// The same, with an equal share of `time` for each of its servers to answer in, or less where it says so itself: one that
    /// says nothing leaves time for the next.
    #[must_use]
    pub fn within(mut self, time: Duration) -> Self {
        let servers = u32::try_from(self.places.len()).unwrap_or(u32::MAX);
        let share = time / servers.max(1);
        let own = self.session.get_connect_timeout().copied();
        self.session
            .connect_timeout(own.map_or(share, |own| own.min(share)));
        self
    }

    /// The same, with further `-c name=value` for its sessions, over which its own win.
    #[must_use]
    pub fn or_options(mut self, options: &str) -> Self {
        let options = match self.session.get_options() {
            Some(own) => format!("{options} {own}"),
            None => options.to_owned(),
        };
        self.session.options(options);
        self
    }

    /// The same, with further `-c name=value` for its sessions, which win over its own.
    #[must_use]
    pub fn with_options(mut self, options: &str) -> Self {
        let options = match self.session.get_options() {
            Some(own) => format!("{own} {options}"),
            None => options.to_owned(),
        };
        self.session.options(options);
        self
    }

    /// How the connection is protected.
    pub fn ssl_mode(&self) -> SslMode {
        self.ssl_mode.unwrap_or_default()
    }

    /// Trusted authorities (PEM); the system's where absent.
    pub fn ssl_root_certificate(&self) -> Option<&Path> {
        self.ssl_root_certificate.as_deref()
    }

    /// What its sessions are asked for, without its places.
    pub fn session(&self) -> &Config {
        &self.session
    }

    /// Each place with what to connect to it with, in order.
    pub(crate) fn attempts(&self) -> Vec<(Place, Config)> {
        let attempt = |place: &Place| {
            let mut config = self.session.clone();
            let mode = match place.host {
                // As libpq: nobody listens in between there, and no server encrypts.
                Some(Host::Unix(_)) => SslMode::Disable,
                _ => self.ssl_mode(),
            };
            config.ssl_mode(mode.requirement()).port(place.port);
            match &place.host {
                Some(Host::Tcp(host)) => config.host(host),
                Some(Host::Unix(folder)) => config.host_path(folder),
                None => &mut config,
            };
            if let Some(address) = place.address {
                config.hostaddr(address);
            }
            (place.clone(), config)
        };
        self.places.iter().map(attempt).collect()
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::of_parameters(source::parameters(text)?)
    }
}

/// Its servers, for messages: hosts and ports, or the paths of sockets.
impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places: Vec<_> = self.places.iter().map(Place::to_string).collect();
        formatter.write_str(&places.join(", "))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Address({self})")
    }
}

impl Place {
    fn all(places: &Config) -> Result<Vec<Self>, AddressError> {
        let (hosts, addresses, ports) = (
            places.get_hosts(),
            places.get_hostaddrs(),
            places.get_ports(),
        );
        let refused = |key| {
            let (key, allowed) = known(key).unwrap_or(("host", ""));
            AddressError::Value { key, allowed }
        };
        let count = hosts.len().max(addresses.len());
        if count == 0 || !hosts.iter().all(is_host) {
            return Err(refused("host"));
        }
        if !hosts.is_empty() && !addresses.is_empty() && hosts.len() != addresses.len() {
            return Err(refused("hostaddr"));
        }
        if ports.contains(&0) || (ports.len() > 1 && ports.len() != count) {
            return Err(refused("port"));
        }
        let port = |index| ports.get(index).or(ports.first()).copied();
        let place = |index| Self {
            host: hosts.get(index).cloned(),
            address: addresses.get(index).copied(),
            port: port(index).unwrap_or(5432),
        };
        Ok((0..count).map(place).collect())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let port = self.port;
        match (&self.host, self.address) {
            (Some(Host::Unix(folder)), _) => {
                write!(
                    formatter,
                    "{}",
                    folder.join(format!(".s.PGSQL.{port}")).display()
                )
            }
            (Some(Host::Tcp(host)), _) if host.contains(':') => {
                write!(formatter, "[{host}]:{port}")
            }
            (Some(Host::Tcp(host)), _) => write!(formatter, "{host}:{port}"),
            (None, Some(IpAddr::V6(address))) => write!(formatter, "[{address}]:{port}"),
            (None, Some(IpAddr::V4(address))) => write!(formatter, "{address}:{port}"),
            (None, None) => write!(formatter, "port {port}"),
        }
    }
}

/// Anything else is a mistake, and perhaps a part of the password.
fn is_host(host: &Host) -> bool {
    match host {
        Host::Unix(_) => true,
        Host::Tcp(host) => {
            let is_name =
                |character: char| character.is_alphanumeric() || "-._".contains(character);
            let address = host.split('%').next().unwrap_or_default();
            address.parse::<IpAddr>().is_ok() || (!host.is_empty() && host.chars().all(is_name))
        }
    }
}

fn check(key: &str, value: &str) -> Result<(), AddressError> {
    let (key, allowed) = known(key).ok_or_else(|| AddressError::Unknown(key.to_owned()))?;
    let understood = match key {
        _ if value.contains('\0') => false,
        "sslmode" => SslMode::from_name(value).is_some(),
        "sslrootcert" => !value.is_empty(),
        _ => config([&(key.to_owned(), value.to_owned())]).is_ok(),
    };
    match understood {
        true => Ok(()),
        false => Err(AddressError::Value { key, allowed }),
    }
}

/// As the driver reads them, which has its own parser for `key='value'`.
fn config<'a>(
    parameters: impl IntoIterator<Item = &'a Parameter>,
) -> Result<Config, tokio_postgres::Error> {
    let word = |(key, value): &Parameter| {
        format!(
            "{key}='{}'",
            value.replace('\\', r"\\").replace('\'', r"\'")
        )
    };
    let words: Vec<_> = parameters.into_iter().map(word).collect();
    words.join(" ").parse()
}
