//! From the text of an address to its parameters, in both of libpq's forms. A text that can be read in two ways is refused: one
//! of them would make a part of the password a host or a key, which are shown.

use std::fmt;

use percent_encoding::percent_decode_str;

/// A parameter, by libpq's name for it.
pub(crate) type Parameter = (String, String);

/// What an address may say, and what is allowed there.
pub(crate) const KEYS: [(&str, &str); 17] = [
    ("application_name", "a text"),
    ("channel_binding", "disable, prefer or require"),
    ("connect_timeout", "a whole number of seconds"),
    ("dbname", "a text"),
    (
        "host",
        "names, IP addresses or folders of a Unix socket (/run/postgresql), separated by commas",
    ),
    ("hostaddr", "IP addresses, separated by commas"),
    ("keepalives", "0 or 1"),
    ("keepalives_idle", "a whole number of seconds"),
    ("keepalives_interval", "a whole number of seconds"),
    ("keepalives_retries", "a whole number"),
    ("options", "a text"),
    ("password", "a text"),
    (
        "port",
        "whole numbers from 1 to 65535, separated by commas: one for all hosts, or one for each",
    ),
    (
        "sslmode",
        "disable, prefer, require, verify-ca or verify-full",
    ),
    ("sslrootcert", "the path of a file"),
    ("target_session_attrs", "any, read-write or read-only"),
    ("user", "a text"),
];

/// What is wrong with an address. It is shown as what is allowed instead, and never holds a part of a password.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum AddressError {
    /// It has neither form.
    Form,
    /// A URL in which something stands for itself that would end the user, the password or the name.
    Encoding,
    /// A `key=value` text in which a value ends too early.
    Quoting,
    /// A parameter that does not exist, or that this program does not know.
    Unknown(String),
    /// A parameter that stands there more than once.
    Twice(&'static str),
    /// A parameter's value is not allowed.
    Value {
        /// The parameter.
        key: &'static str,
        /// What is.
        allowed: &'static str,
    },
}

impl std::error::Error for AddressError {}

impl fmt::Display for AddressError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form => formatter.write_str(
                "postgres://user:password@host:port/name, or host=… port=… user=… password=… dbname=…",
            ),
            Self::Encoding => formatter.write_str(
                "postgres://user:password@host:port/name with user, password and name percent-encoded: \
                 @ is %40, / is %2F, ? is %3F, # is %23, & is %26, % is %25, a space is %20",
            ),
            Self::Quoting => formatter.write_str(
                r"key='value' with quotes around a value that is empty or has spaces, and \' and \\ for ' and \ in it",
            ),
            Self::Unknown(key) => {
                let known = KEYS.map(|(name, _)| name).join(", ");
                write!(formatter, "{known}, but not {key}")
            }
            Self::Twice(key) => write!(formatter, "{key} once"),
            Self::Value { key, allowed } => write!(formatter, "{key} as {allowed}"),
        }
    }
}

/// The parameters that `text` gives, each once and each known; their values are not looked at.
pub(crate) fn parameters(text: &str) -> Result<Vec<Parameter>, AddressError> {
    let text = text.trim();
    let url = ["postgres://", "postgresql://"]
        .iter()
        .find_map(|scheme| text.strip_prefix(scheme));
    match url {
        Some(url) => of_url(url),
        None => of_words(text),
    }
}

/// The parameter's name and what is allowed there, where there is such a one.
pub(crate) fn known(key: &str) -> Option<(&'static str, &'static str)> {
    KEYS.into_iter().find(|(name, _)| *name == key)
}

/// Adds a parameter; `cut` is what to say where its key may be a part of a password.
fn add(
    found: &mut Vec<Parameter>,
    key: String,
    value: String,
    cut: AddressError,
) -> Result<(), AddressError> {
    let Some((name, _)) = known(&key) else {
        let is_name = |key: &str| {
            key.bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        };
        let follows_a_password = found.iter().any(|(key, _)| key == "password");
        return Err(match follows_a_password || !is_name(&key) {
            true => cut,
            false => AddressError::Unknown(key),
        });
    };
    if found.iter().any(|(key, _)| key == name) {
        return Err(AddressError::Twice(name));
    }
    found.push((key, value));
    Ok(())
}

fn of_url(url: &str) -> Result<Vec<Parameter>, AddressError> {
    // An @ that is meant to be one belongs to nobody knows what, and so does all that follows.
    let (user, rest) = match url.split_once('@') {
        Some((user, rest)) => (user, rest),
        None => ("", url),
    };
    let stray = |character: char| character.is_whitespace() || character.is_control();
    if user.contains(['/', '?', '#', '[', ']']) || rest.contains(['@', '#']) || url.contains(stray)
    {
        return Err(AddressError::Encoding);
    }
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (hosts, name) = place.split_once('/').unwrap_or((place, ""));
    if name.contains('/') {
        return Err(AddressError::Encoding);
    }
    let (user, password) = user.split_once(':').unwrap_or((user, ""));
    let (hosts, ports) = hosts_and_ports(hosts)?;

    // The password comes last: what follows it in a query might be a part of it, what stands in its own place can't be.
    let mut found = Vec::new();
    for (key, value) in [
        ("user", decoded(user)?),
        ("dbname", decoded(name)?),
        ("host", hosts),
        ("port", ports),
    ] {
        if !value.is_empty() {
            found.push((key.to_owned(), value));
        }
    }
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        let Some((key, value)) = parameter.split_once('=') else {
            return Err(AddressError::Encoding);
        };
        add(
            &mut found,
            decoded(key)?,
            decoded(value)?,
            AddressError::Encoding,
        )?;
    }
    if !password.is_empty() {
        add(
            &mut found,
            "password".to_owned(),
            decoded(password)?,
            AddressError::Encoding,
        )?;
    }
    Ok(found)
}

/// Both as lists, as `host` and `port` have them. There are no ports where no host has one.
fn hosts_and_ports(text: &str) -> Result<(String, String), AddressError> {
    let (mut hosts, mut ports) = (Vec::new(), Vec::new());
    for place in text.split(',') {
        let (host, port) = match place.strip_prefix('[').map(|place| place.split_once(']')) {
            None => place.split_once(':').unwrap_or((place, "")),
            Some(Some((host, ""))) => (host, ""),
            Some(Some((host, port))) => (host, port.strip_prefix(':').ok_or(AddressError::Form)?),
            Some(None) => return Err(AddressError::Form),
        };
        let host = decoded(host)?;
        if host.contains(',') {
            return Err(AddressError::Encoding);
        }
        hosts.push(host);
        ports.push(decoded(port)?);
    }
    let no_ports = ports.iter().all(String::is_empty);
    let ports = if no_ports {
        String::new()
    } else {
        ports.join(",")
    };
    Ok((hosts.join(","), ports))
}

/// Strict, because what is left as it stands may be a password that nobody has encoded.
fn decoded(text: &str) -> Result<String, AddressError> {
    for (place, _) in text.match_indices('%') {
        let digits = text.get(place + 1..place + 3);
        if !digits.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit())) {
            return Err(AddressError::Encoding);
        }
    }
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map(Into::into).map_err(|_| AddressError::Encoding)
}

fn of_words(text: &str) -> Result<Vec<Parameter>, AddressError> {
    let mut found = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let Some((key, value)) = rest.split_once('=') else {
            return Err(cut(&found));
        };
        let (value, after) = value_and_rest(value.trim_start())?;
        let (key, wrong) = (key.trim_end().to_owned(), cut(&found));
        if found.is_empty() && known(&key).is_none() {
            // It may be anything at all.
            return Err(wrong);
        }
        add(&mut found, key, value, wrong)?;
        rest = after.trim_start();
    }
    match found.is_empty() {
        true => Err(AddressError::Form),
        false => Ok(found),
    }
}

fn cut(found: &[Parameter]) -> AddressError {
    match found.is_empty() {
        true => AddressError::Form,
        false => AddressError::Quoting,
    }
}

/// The value at the beginning of `text`, and what follows it.
fn value_and_rest(text: &str) -> Result<(String, &str), AddressError> {
    let (quoted, text) = match text.strip_prefix('\'') {
        Some(text) => (true, text),
        None => (false, text),
    };
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((place, character)) = characters.next() {
        match character {
            '\\' => value.push(characters.next().ok_or(AddressError::Quoting)?.1),
            '\'' if quoted => {
                let rest = &text[place + 1..];
                return match rest.is_empty() || rest.starts_with(char::is_whitespace) {
                    true => Ok((value, rest)),
                    false => Err(AddressError::Quoting),
                };
            }
            character if !quoted && character.is_whitespace() => {
                return Ok((value, &text[place..]));
            }
            character => value.push(character),
        }
    }
    match quoted || value.is_empty() {
        true => Err(AddressError::Quoting),
        false => Ok((value, "")),
    }
}
