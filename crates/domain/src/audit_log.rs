//! The audit trail: who did what, to what, from where. Rows are written by the database itself, and never changed.

pub mod ports;

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use crate::{Error, TenantId, UserId};

/// One thing that was done.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AuditLog {
    /// Its identifier.
    pub id: Uuid,
    /// Who did it.
    pub user_id: UserId,
    /// The tenant it was done in; none for what concerns the platform alone.
    pub tenant_id: Option<TenantId>,
    /// What was done: `service.update`.
    pub action: String,
    /// To what: `services/<id>`.
    pub resource: String,
    /// What changed and through which request, as a JSON object where the product wrote it.
    pub details: Option<String>,
    /// Where the request came from.
    pub ip_address: Option<String>,
    /// What the client called itself.
    pub user_agent: Option<String>,
    /// When, to the microsecond.
    pub created_at: DateTime<Utc>,
}

/// What happened without changing a row, or means more than the rows it changed: the changes themselves are recorded by the
/// database. It is recorded in the context of its transaction: its user, tenant and request.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// `<resource>.<verb>` in the singular: `service.start`.
    pub action: String,
    /// Named as in the API's paths: `services/<id>`.
    pub resource: String,
    /// An object that holds no secret.
    pub details: Value,
}

impl Event {
    /// An event; see its fields.
    pub fn new(action: impl Into<String>, resource: impl Into<String>, details: Value) -> Self {
        Self {
            action: action.into(),
            resource: resource.into(),
            details,
        }
    }
}

/// Which rows to show.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct AuditLogFilter {
    /// Done by this user.
    pub user_id: Option<UserId>,
    /// Of this action.
    pub action: Option<String>,
    /// Done to this resource.
    pub resource: Option<String>,
    /// Not before this.
    pub from: Option<DateTime<Utc>>,
    /// Before this.
    pub to: Option<DateTime<Utc>>,
}

impl AuditLogFilter {
    /// Whether it shows every row.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Where a row stands in its log.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AuditLogPlace {
    /// How many rows stand before it, where it is sealed already.
    pub leaf_index: Option<u64>,
    /// How many rows the newest checkpoint covers.
    pub newest: u64,
}

/// A tenant's log, or the platform's own.
pub type Log = Option<TenantId>;

/// What came of sealing several logs.
#[derive(Debug, Default)]
pub struct Sealed {
    /// How many rows are in their logs by it.
    pub rows: u64,
    /// Whether one of the logs may have more rows than were taken at once.
    pub more: bool,
    /// Why logs are left as they are, each by itself: it is not what its head says.
    pub refused: Vec<Error>,
}
