//! Who acts, in which tenant, and through which request: the context each transaction carries, which row-level security
//! and the audit read.

use std::net::IpAddr;

use domain::{TenantId, UserId};
use sea_orm::{DbBackend, Statement};

const CONTEXT: &str = "SELECT set_config('app.tenant_id', $1, true), set_config('app.user_id', $2, true), \
     set_config('app.request_id', $3, true), set_config('app.ip_address', $4, true), \
     set_config('app.user_agent', $5, true)";

/// The tenant a transaction sees, and on whose behalf.
#[derive(Clone, Debug)]
pub struct TenantScope {
    /// The tenant: no other's rows are visible or can be written.
    pub tenant: TenantId,
    /// The user who acts.
    pub user: UserId,
    /// The request's id, for the log and the audit.
    pub request_id: String,
    /// Where the request came from.
    pub ip_address: Option<IpAddr>,
    /// What the client calls itself.
    pub user_agent: Option<String>,
}

impl TenantScope {
    pub(crate) fn statement(&self) -> Statement {
        let address = self
            .ip_address
            .map(|address| address.to_string())
            .unwrap_or_default();
        // PostgreSQL stores no NUL, and a client may send one.
        let user_agent = self
            .user_agent
            .as_deref()
            .unwrap_or_default()
            .replace('\0', "");
        Statement::from_sql_and_values(
            DbBackend::Postgres,
            CONTEXT,
            [
                self.tenant.to_string().into(),
                self.user.to_string().into(),
                self.request_id.clone().into(),
                address.into(),
                user_agent.into(),
            ],
        )
    }
}
