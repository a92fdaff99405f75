//! The audit trail: who did what, to what, from where. Rows are written by the database itself, and never changed.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{TenantId, UserId};

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
