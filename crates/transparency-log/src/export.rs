//! A line of an export: a row as the API shows it, its place in the log, and what was hashed for it.

use chrono::{DateTime, Utc};
use domain::{AuditLog, TenantId, UserId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::leaf::{self, Leaf};

/// A row and how it was sealed.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// The row.
    pub row: Row,
    /// How many leaves stand before its own.
    pub index: u64,
    /// The bytes of its leaf, in base64.
    pub leaf: String,
}

/// A row of the audit trail as the API shows it; the fields are those of [`AuditLog`].
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    pub id: Uuid,
    pub user_id: UserId,
    pub tenant_id: Option<TenantId>,
    pub action: String,
    pub resource: String,
    pub details: Option<String>,
    pub ip_address: Option<String>,
    pub user_agent: Option<String>,
    pub created_at: DateTime<Utc>,
}

impl Line {
    /// The line of a leaf.
    ///
    /// # Errors
    /// As [`Leaf::to_bytes`].
    pub fn of(leaf: &Leaf) -> Result<Self, serde_json::Error> {
        Ok(Self {
            row: leaf.row.clone().into(),
            index: leaf.index,
            leaf: leaf::encode(&leaf.to_bytes()?),
        })
    }
}

impl From<AuditLog> for Row {
    fn from(row: AuditLog) -> Self {
        Self {
            id: row.id,
            user_id: row.user_id,
            tenant_id: row.tenant_id,
            action: row.action,
            resource: row.resource,
            details: row.details,
            ip_address: row.ip_address,
            user_agent: row.user_agent,
            created_at: row.created_at,
        }
    }
}
