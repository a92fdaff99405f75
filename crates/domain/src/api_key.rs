//! API keys: how one is written, what it may be used for, and from where. A key is
//! `nsk_<public id>_<256 random bits in base64url>_<checksum>`. The public id says which key it is and may be shown; the
//! checksum over all before it tells a mistyped key from a real one without asking the database, and is no secret's.

pub mod ports;

use std::{fmt, net::IpAddr, str::FromStr};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use ipnet::IpNet;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::{FieldError, Scopes, TenantId, UserId, Violation, fields::Fields};

const PREFIX: &str = "nsk_";
const PUBLIC_ID: usize = 16;
const SECRET: usize = 43;
const CHECKSUM: usize = 6;
/// The longest name, in characters.
pub const MAX_NAME: usize = 255;
/// How many networks a key may be used from.
pub const MAX_NETWORKS: usize = 32;

/// An API key, without the key.
#[derive(Clone, Debug, PartialEq)]
pub struct ApiKey {
    /// Its identifier.
    pub id: Uuid,
    /// What people call it.
    pub name: String,
    /// The part of the key that may be shown.
    pub public_id: String,
    /// Whose rights it passes on.
    pub owner: UserId,
    /// As far as these reach.
    pub scopes: Scopes,
    /// Where it may be used from; anywhere, if empty.
    pub allowed_networks: Vec<Network>,
    /// Whether it has not been revoked.
    pub is_active: bool,
    /// When it stops working, if ever.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was used last, to within a few minutes.
    pub last_used: Option<DateTime<Utc>>,
    /// Until when the key works that it was before its rotation.
    pub previous_valid_until: Option<DateTime<Utc>>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

/// Who and where a key belongs to, which never changes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct KeyOwner {
    /// The key's own id.
    pub id: Uuid,
    /// The user.
    pub user: UserId,
    /// The user's tenant.
    pub tenant: TenantId,
}

/// An API key in clear text. `Debug` shows which one it is, and no more.
///
/// ```
/// use nomad_services_domain::api_key::ApiKeyText;
///
/// let key = ApiKeyText::from_random([7; 8], [9; 32]);
/// assert!(key.expose().starts_with("nsk_0707070707070707_"));
/// assert_eq!(key.expose().parse::<ApiKeyText>().unwrap(), key);
/// assert_eq!(format!("{key:?}"), "ApiKeyText(nsk_0707070707070707_…)");
/// ```
#[derive(Clone, Eq, PartialEq)]
pub struct ApiKeyText(String);

impl ApiKeyText {
    /// The key made of these random bytes.
    pub fn from_random(public_id: [u8; 8], secret: [u8; 32]) -> Self {
        let public_id = u64::from_be_bytes(public_id);
        let secret = URL_SAFE_NO_PAD.encode(secret);
        let text = format!("{PREFIX}{public_id:016x}_{secret}_");
        let checksum = checksum(&text);
        Self(text + &checksum)
    }

    /// Whether `text` claims to be an API key, so that it is not taken for anything else.
    pub fn claims(text: &str) -> bool {
        text.starts_with(PREFIX)
    }

    /// What the key is called by.
    pub fn public_id(&self) -> &str {
        &self.0[PREFIX.len()..PREFIX.len() + PUBLIC_ID]
    }

    /// The whole key, for its owner and for hashing.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl FromStr for ApiKeyText {
    type Err = Violation;

    fn from_str(text: &str) -> Result<Self, Violation> {
        let refused = || Violation::new("invalid_api_key", "is not an API key, or is mistyped");
        let length = PREFIX.len() + PUBLIC_ID + 1 + SECRET + 1 + CHECKSUM;
        if text.len() != length || !text.is_ascii() || !Self::claims(text) {
            return Err(refused());
        }
        let (covered, stated) = text.split_at(length - CHECKSUM);
        let mut rest = covered[PREFIX.len()..].chars();
        let hexadecimal = |c: char| matches!(c, '0'..='9' | 'a'..='f');
        let base64 = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        let well_formed = rest.by_ref().take(PUBLIC_ID).all(hexadecimal)
            && rest.next() == Some('_')
            && rest.by_ref().take(SECRET).all(base64)
            && rest.next() == Some('_');
        if well_formed && checksum(covered) == stated {
            return Ok(Self(text.to_owned()));
        }
        Err(refused())
    }
}

impl fmt::Debug for ApiKeyText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ApiKeyText({PREFIX}{}_…)", self.public_id())
    }
}

/// CRC-32 in six digits of base 62.
fn checksum(text: &str) -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut rest = crc32fast::hash(text.as_bytes());
    let mut digits = ['0'; CHECKSUM];
    for digit in digits.iter_mut().rev() {
        *digit = char::from(DIGITS[(rest % 62) as usize]);
        rest /= 62;
    }
    digits.iter().collect()
}

/// A range of addresses a key may be used from, in CIDR notation.
///
/// ```
/// use nomad_services_domain::api_key::Network;
///
/// let network: Network = "192.0.2.0/24".parse().unwrap();
/// assert!(network.contains("192.0.2.7".parse().unwrap()));
/// assert!(network.contains("::ffff:192.0.2.7".parse().unwrap()));
/// assert!(!network.contains("192.0.3.1".parse().unwrap()));
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Network(IpNet);

impl Network {
    /// The form of a network as a regular expression. It knows nothing of bits behind the length.
    pub fn pattern() -> String {
        let byte = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";
        let v4 = format!(r"(?:{byte}\.){{3}}{byte}");
        let group = "[0-9A-Fa-f]{1,4}";
        let last = format!("(?:{group}:{group}|{v4})");
        // As RFC 3986 has it: the fewer groups stand before the gap, the more may stand behind it.
        let behind = (0..=5).rev().map(|count| {
            let before = 5 - count;
            match before {
                0 => format!("::(?:{group}:){{5}}{last}"),
                _ => format!(
                    "(?:(?:{group}:){{0,{}}}{group})?::(?:{group}:){{{count}}}{last}",
                    before - 1
                ),
            }
        });
        let whole = format!("(?:{group}:){{6}}{last}");
        let short =
            format!("(?:(?:{group}:){{0,5}}{group})?::{group}|(?:(?:{group}:){{0,6}}{group})?::");
        let v6: Vec<_> = std::iter::once(whole)
            .chain(behind)
            .chain([short])
            .collect();
        let v6 = v6.join("|");
        format!(
            "^(?:{v4}(?:/(?:3[0-2]|[12]?[0-9]))?|(?:{v6})(?:/(?:12[0-8]|1[01][0-9]|[1-9]?[0-9]))?)$"
        )
    }

    /// The network of `length` bits that `address` is in; the address alone where that is too long.
    pub fn around(address: IpAddr, length: u8) -> Self {
        let address = address.to_canonical();
        Self(IpNet::new(address, length).map_or_else(|_| address.into(), |network| network.trunc()))
    }

    /// Whether `address` is in it. An IPv4 address is the same written as IPv6.
    pub fn contains(self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

impl FromStr for Network {
    type Err = Violation;

    fn from_str(text: &str) -> Result<Self, Violation> {
        let alone = || text.parse::<IpAddr>().map(IpNet::from);
        let network = text.parse().or_else(|_| alone()).ok();
        let mapped =
            |network: &IpNet| network.addr().is_ipv6() && network.addr().to_canonical().is_ipv4();
        network
            .filter(|network: &IpNet| network.trunc() == *network && !mapped(network))
            .map(Self)
            .ok_or_else(|| {
                let detail = "must be a network such as 192.0.2.0/24 or 2001:db8::/32, \
                    without bits after its length, or a single address";
                Violation::new("invalid_network", detail)
            })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// A key to be made.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewApiKey {
    /// What people call it.
    pub name: String,
    /// What it may be used for.
    pub scopes: Scopes,
    /// When it stops working, if ever.
    pub expires_at: Option<DateTime<Utc>>,
    /// Where it may be used from; anywhere, if empty.
    pub allowed_networks: Vec<Network>,
}

impl NewApiKey {
    /// Reads a key to be made, at the moment `now`.
    ///
    /// # Errors
    /// Every bad field at once.
    pub fn parse(input: &Value, now: DateTime<Utc>) -> Result<Self, Vec<FieldError>> {
        let mut fields = Fields::of(input, "")?;
        let name = fields.required("name", parse_name);
        let scopes = fields.required("scopes", Scopes::parse);
        let expires_at = fields.optional("expires_at", |value| parse_expiry(value, now));
        let allowed_networks = fields.nested("allowed_networks", parse_networks);
        fields.finish(move || {
            Some(Self {
                name: name?,
                scopes: scopes?,
                expires_at,
                allowed_networks: allowed_networks.unwrap_or_default(),
            })
        })
    }
}

/// A change of a key. Absent fields stay as they are.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ApiKeyChange {
    /// What people call it.
    pub name: Option<String>,
    /// What it may be used for.
    pub scopes: Option<Scopes>,
    /// When it stops working; never, for the inner `None`.
    pub expires_at: Option<Option<DateTime<Utc>>>,
    /// Where it may be used from; anywhere, if empty.
    pub allowed_networks: Option<Vec<Network>>,
}

impl ApiKeyChange {
    /// The fields of a key that an answer holds and a change may repeat.
    const READ_ONLY: [&str; 8] = [
        "id",
        "public_id",
        "user_id",
        "is_active",
        "last_used",
        "previous_valid_until",
        "created_at",
        "updated_at",
    ];

    /// Reads a change at the moment `now`. Read-only fields may stand in it as `current` has them.
    ///
    /// # Errors
    /// Every bad field at once.
    pub fn parse(
        input: &Value,
        current: &Map<String, Value>,
        now: DateTime<Utc>,
    ) -> Result<Self, Vec<FieldError>> {
        let mut fields = Fields::of(input, "")?;
        fields.unchanged(&Self::READ_ONLY, current);
        let name = fields.optional("name", parse_name);
        let scopes = fields.optional("scopes", Scopes::parse);
        let unchanged = input.get("expires_at") == current.get("expires_at");
        let expires_at = fields.optional("expires_at", |value| match unchanged {
            true => Ok(None),
            false => parse_expiry(value, now).map(Some),
        });
        let expires_at = match fields.has("expires_at") && fields.is_absent("expires_at") {
            true => Some(None),
            false => expires_at.flatten().map(Some),
        };
        let allowed_networks = fields.nested("allowed_networks", parse_networks);
        fields.finish(move || {
            Some(Self {
                name,
                scopes,
                expires_at,
                allowed_networks,
            })
        })
    }
}

fn parse_name(value: &Value) -> Result<String, Violation> {
    let name = crate::fields::text(value)?.trim();
    let good =
        (1..=MAX_NAME).contains(&name.chars().count()) && !name.chars().any(char::is_control);
    if good {
        return Ok(name.to_owned());
    }
    Err(Violation::new(
        "invalid_name",
        format!("must have 1 to {MAX_NAME} characters, none of them a control character"),
    ))
}

/// Reads a moment after `now`, in RFC 3339.
pub(crate) fn parse_expiry(value: &Value, now: DateTime<Utc>) -> Result<DateTime<Utc>, Violation> {
    let moment: DateTime<Utc> = crate::fields::text(value)?.parse().map_err(|_| {
        let detail = "must be a date and time such as 2027-01-31T12:00:00Z";
        Violation::new("invalid_time", detail)
    })?;
    // PostgreSQL's and RFC 3339's years both end somewhere; ours end here.
    if moment <= now || moment > DateTime::<Utc>::from_timestamp(253_402_300_799, 0).unwrap_or(now)
    {
        let detail = "must lie in the future, before the year 10000";
        return Err(Violation::new("out_of_range", detail));
    }
    Ok(moment)
}

fn parse_networks(value: &Value, pointer: &str) -> Result<Vec<Network>, Vec<FieldError>> {
    let list = value.as_array().ok_or_else(|| {
        vec![Violation::new("wrong_type", "must be a list of networks").at(pointer)]
    })?;
    if list.len() > MAX_NETWORKS {
        let detail = format!("must hold at most {MAX_NETWORKS} networks");
        return Err(vec![Violation::new("too_many", detail).at(pointer)]);
    }
    let (mut networks, mut errors) = (Vec::new(), Vec::new());
    for (place, network) in list.iter().enumerate() {
        match crate::fields::text(network).and_then(str::parse) {
            Ok(network) => networks.push(network),
            Err(refused) => errors.push(refused.at(format!("{pointer}/{place}"))),
        }
    }
    if errors.is_empty() {
        Ok(networks)
    } else {
        Err(errors)
    }
}

#[cfg(test)]
mod tests;
