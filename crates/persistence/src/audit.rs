//! Events of the audit trail: what happened without changing a row, or means more than the rows it changed. The changes
//! themselves are recorded by the database's triggers.

use sea_orm::{DbBackend, Statement};
use serde_json::Value;

const EVENT: &str = "SELECT FROM audit_event($1, $2, $3)";

/// Records an event in the context of the transaction it is sent in: its user, tenant and request. Sent among the
/// statements of that transaction, it costs no round trip.
///
/// `action` is `<resource>.<verb>` in the singular (`service.start`), `resource` is named as in the API's paths
/// (`services/<id>`), and `details` is an object that holds no secret.
pub fn event(action: &str, resource: impl Into<String>, details: Value) -> Statement {
    Statement::from_sql_and_values(
        DbBackend::Postgres,
        EVENT,
        [action.into(), resource.into().into(), details.into()],
    )
}
