//! Events of the audit trail: what happened without changing a row, or means more than the rows it changed. The changes
//! themselves are recorded by the database's triggers.

use domain::audit_log::Event;
use sea_orm::{DbBackend, Statement};

const EVENT: &str = "SELECT FROM audit_event($1, $2, $3)";

/// Records an event in the context of the transaction it is sent in. Sent among the statements of that transaction, it costs
/// no round trip.
pub(crate) fn event(event: Event) -> Statement {
    Statement::from_sql_and_values(
        DbBackend::Postgres,
        EVENT,
        [
            event.action.into(),
            event.resource.into(),
            event.details.into(),
        ],
    )
}
