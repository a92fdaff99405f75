//! What is hashed for a row of the trail: the row, its place and the hash of the leaf before it, as canonical JSON
//! (RFC 8785: keys in order, no white space, the shortest escapes). The place and the hash before make each leaf fit
//! between its neighbours alone, so that an export by itself tells which of its rows was changed, moved or taken out.

use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{DateTime, SecondsFormat, Utc};
use domain::{AuditLog, TenantId, UserId};
use serde::{Deserialize, Serialize};
use tlog_tiles::{Hash, record_hash};
use uuid::Uuid;

/// The form of a leaf. A new form gets a new number; those that are sealed keep theirs.
const VERSION: u32 = 1;

/// A row in its place in the log.
#[derive(Clone, Debug, PartialEq)]
pub struct Leaf {
    /// How many leaves stand before it.
    pub index: u64,
    /// The hash of the leaf before it; none before the first.
    pub previous: Option<Hash>,
    /// The row.
    pub row: AuditLog,
}

/// The fields in the order of their names, which is the order in which they are hashed.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Form {
    action: String,
    created_at: String,
    details: Option<String>,
    id: Uuid,
    index: u64,
    ip_address: Option<String>,
    previous: Option<String>,
    resource: String,
    tenant_id: Option<Uuid>,
    user_agent: Option<String>,
    user_id: Uuid,
    version: u32,
}

/// Bytes that are no leaf.
#[derive(Debug, thiserror::Error)]
pub enum LeafError {
    /// They are not JSON with the fields of a leaf.
    #[error("{0}")]
    Malformed(#[from] serde_json::Error),
    /// A field holds what no leaf holds there.
    #[error("{0} is not as a leaf has it")]
    Field(&'static str),
    /// The same fields have one form alone, and it is not this one.
    #[error("the fields are not in the canonical form")]
    NotCanonical,
}

impl Leaf {
    /// What is hashed.
    ///
    /// # Errors
    /// Fails for no leaf that there can be: strings, numbers and their names always make JSON.
    pub fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        let row = &self.row;
        serde_json::to_vec(&Form {
            action: row.action.clone(),
            created_at: row.created_at.to_rfc3339_opts(SecondsFormat::Micros, true),
            details: row.details.clone(),
            id: row.id,
            index: self.index,
            ip_address: row.ip_address.clone(),
            previous: self.previous.map(|hash| hash.to_string()),
            resource: row.resource.clone(),
            tenant_id: row.tenant_id.map(|tenant| tenant.0),
            user_agent: row.user_agent.clone(),
            user_id: row.user_id.0,
            version: VERSION,
        })
    }

    /// The leaf that these bytes are.
    ///
    /// # Errors
    /// Says what is not as a leaf has it.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, LeafError> {
        let form: Form = serde_json::from_slice(bytes)?;
        if form.version != VERSION {
            return Err(LeafError::Field("version"));
        }
        let created_at = DateTime::parse_from_rfc3339(&form.created_at)
            .map_err(|_| LeafError::Field("created_at"))?;
        let previous = form.previous.as_deref().map(Hash::parse_hash).transpose();
        let leaf = Self {
            index: form.index,
            previous: previous.map_err(|_| LeafError::Field("previous"))?,
            row: AuditLog {
                id: form.id,
                user_id: UserId(form.user_id),
                tenant_id: form.tenant_id.map(TenantId),
                action: form.action,
                resource: form.resource,
                details: form.details,
                ip_address: form.ip_address,
                user_agent: form.user_agent,
                created_at: created_at.with_timezone(&Utc),
            },
        };
        if leaf.to_bytes()? != bytes {
            return Err(LeafError::NotCanonical);
        }
        Ok(leaf)
    }
}

/// The hash of a leaf with these bytes.
pub fn hash(bytes: &[u8]) -> Hash {
    record_hash(bytes)
}

/// Bytes as an export has them.
pub fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// The bytes that an export has as this text.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub fn row(action: &str) -> AuditLog {
        AuditLog {
            id: Uuid::from_u128(1),
            user_id: UserId(Uuid::from_u128(2)),
            tenant_id: Some(TenantId(Uuid::from_u128(3))),
            action: action.to_owned(),
            resource: "services/4".to_owned(),
            details: Some("{\"changes\": \"é\u{7f}\u{1}\n\\\"}".to_owned()),
            ip_address: Some("192.0.2.1".to_owned()),
            user_agent: None,
            created_at: DateTime::from_timestamp_micros(1_800_000_000_000_120).unwrap(),
        }
    }

    #[test]
    fn the_form_of_a_leaf_is_this_one_for_ever() {
        let leaf = Leaf {
            index: 5,
            previous: Some(hash(b"")),
            row: row("service.update"),
        };
        let expected = "{\"action\":\"service.update\",\"created_at\":\"2027-01-15T08:00:00.000120Z\",\
            \"details\":\"{\\\"changes\\\": \\\"é\u{7f}\\u0001\\n\\\\\\\"}\",\
            \"id\":\"00000000-0000-0000-0000-000000000001\",\"index\":5,\"ip_address\":\"192.0.2.1\",\
            \"previous\":\"bjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0=\",\"resource\":\"services/4\",\
            \"tenant_id\":\"00000000-0000-0000-0000-000000000003\",\"user_agent\":null,\
            \"user_id\":\"00000000-0000-0000-0000-000000000002\",\"version\":1}";
        let bytes = leaf.to_bytes().unwrap();
        assert_eq!(String::from_utf8(bytes.clone()).unwrap(), expected);
        assert_eq!(Leaf::from_bytes(&bytes).unwrap(), leaf);
    }

    #[test]
    fn the_same_fields_in_another_form_are_no_leaf() {
        let leaf = Leaf {
            index: 0,
            previous: None,
            row: row("service.update"),
        };
        let text = String::from_utf8(leaf.to_bytes().unwrap()).unwrap();
        for other in [
            text.replace("\"index\":0", "\"index\": 0"),
            text.replace("000120Z", "00012Z"),
            text.replace("000120Z", "000120+00:00"),
            text.replace("é", "\\u00e9"),
            text.replace("\"version\":1", "\"version\":2"),
            text.replace("\"index\":0,", ""),
            format!("{text}\n"),
        ] {
            assert!(Leaf::from_bytes(other.as_bytes()).is_err(), "{other}");
        }
    }
}
