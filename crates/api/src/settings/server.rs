//! How the API is served: address, shutdown, limits of a request, and who else's web pages may call it.

use std::{fmt, net::IpAddr, str::FromStr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::values::{NonZeroDuration, bounded, parsed};

/// The listener, its shutdown, and the limits of a request.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ServerSettings {
    /// The address it listens on.
    #[serde(deserialize_with = "address")]
    pub host: IpAddr,
    /// The port it listens on; 0 lets the system choose.
    #[serde(deserialize_with = "bounded::<0, 65535, _, _>")]
    pub port: u16,
    /// How long the server answers "unready" before it stops accepting.
    pub drain_delay: NonZeroDuration,
    /// How long requests under way may take after that.
    pub shutdown_timeout: NonZeroDuration,
    /// How long a client may take to send headers and body.
    pub receive_timeout: NonZeroDuration,
    /// How long a client may take to accept the next part of an answer.
    pub send_timeout: NonZeroDuration,
    /// How long an idle connection is kept.
    pub keep_alive: NonZeroDuration,
    /// The largest body, in bytes.
    #[serde(deserialize_with = "bounded::<1024, 67_108_864, _, _>")]
    pub max_body: usize,
    /// The deepest nesting of a JSON body; serde_json itself refuses more than 127.
    #[serde(deserialize_with = "bounded::<4, 127, _, _>")]
    pub max_json_depth: usize,
    /// The most keys in a JSON body, all objects together.
    #[serde(deserialize_with = "bounded::<16, 1_000_000, _, _>")]
    pub max_json_keys: usize,
    /// The most items in a JSON body, all lists together.
    #[serde(deserialize_with = "bounded::<16, 1_000_000, _, _>")]
    pub max_json_items: usize,
    /// The longest string in a JSON body, in bytes.
    #[serde(deserialize_with = "bounded::<256, 67_108_864, _, _>")]
    pub max_json_string: usize,
    /// Where the proxies in front are, whose word on the client is taken.
    pub trusted_networks: Vec<Network>,
}

/// A network of IP addresses, `10.0.0.0/8`, or a single address.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub struct Network(IpNet);

impl Network {
    /// Whether an address is in it; an IPv4 address is also found as the IPv6 address that stands for it.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

impl FromStr for Network {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let network = text
            .parse()
            .or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        network
            .ok()
            .and_then(|network: IpNet| match network {
                IpNet::V6(six) if six.addr().to_ipv4_mapped().is_some() => None,
                network => Some(network),
            })
            // Whoever trusts everybody believes what a client says of itself.
            .filter(|network| network.prefix_len() > 0)
            .map(|network| Self(network.trunc()))
            .ok_or(
                "a list of networks such as 10.0.0.0/8, 192.0.2.7 or fd00::/8; never all addresses (/0)",
            )
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer)
    }
}

/// Which web pages may call the API.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CorsSettings {
    /// The origins of those pages; none unless set.
    pub origins: Vec<Origin>,
}

impl CorsSettings {
    /// Whether any origin may call.
    pub fn allows_any(&self) -> bool {
        self.origins.iter().any(|origin| origin.0 == "*")
    }
}

/// `https://app.example.com`, or `*` for any.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Origin(String);

impl Origin {
    /// As a browser sends it in its `Origin` header.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for Origin {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let authority = text
            .strip_prefix("https://")
            .or_else(|| text.strip_prefix("http://"))
            .unwrap_or_default();
        let is_origin = !authority.is_empty()
            && authority.bytes().all(|byte| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-._:[]".contains(&byte)
            });
        if text == "*" || is_origin {
            Ok(Self(text.to_owned()))
        } else {
            Err(
                "\"*\", or a list of origins such as https://app.example.com, in lower case and without a path",
            )
        }
    }
}

impl<'de> Deserialize<'de> for Origin {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer)
    }
}

/// An IP address; its standard error does not say what is allowed.
pub(super) fn address<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<IpAddr, D::Error> {
    String::deserialize(deserializer)?
        .parse()
        .map_err(|_| serde::de::Error::custom("an IP address, such as 127.0.0.1, 0.0.0.0 or ::"))
}
