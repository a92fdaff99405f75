//! Who acts, in which tenant, and through which request: the context each transaction carries, which row-level security
//! and the audit read.

use domain::{Acting, Origin};
use sea_orm::{DbBackend, Statement};

/// Sets the context of the transaction under way.
pub(crate) const CONTEXT: &str = "SELECT set_config('app.tenant_id', $1, true), set_config('app.user_id', $2, true), \
     set_config('app.request_id', $3, true), set_config('app.ip_address', $4, true), \
     set_config('app.user_agent', $5, true), set_config('app.reason', $6, true), \
     set_config('app.api_key_id', $7, true)";

/// The longest that is kept of what a client calls itself, or says about why it acts, in characters.
const LONGEST_TEXT: usize = 512;

/// Sets the context of the transaction under way: `acting`.
pub(crate) fn statement(acting: &Acting) -> Statement {
    let text = |id: Option<String>| id.unwrap_or_default();
    let Origin {
        request_id,
        ip_address,
        user_agent,
    } = &acting.origin;
    Statement::from_sql_and_values(
        DbBackend::Postgres,
        CONTEXT,
        [
            text(acting.tenant.map(|tenant| tenant.to_string())).into(),
            text(acting.user.map(|user| user.to_string())).into(),
            request_id.clone().into(),
            text(ip_address.map(|address| address.to_string())).into(),
            printable(user_agent.as_deref()).into(),
            printable(acting.reason.as_deref()).into(),
            text(acting.api_key.map(|key| key.to_string())).into(),
        ],
    )
}

/// PostgreSQL stores no NUL, and a client may send one.
pub(crate) fn printable(text: Option<&str>) -> String {
    let characters = text.unwrap_or_default().chars();
    characters
        .filter(|character| *character != '\0')
        .take(LONGEST_TEXT)
        .collect()
}
