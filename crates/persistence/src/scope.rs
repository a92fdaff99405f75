//! Who acts, in which tenant, and through which request: the context each transaction carries, which row-level security
//! and the audit read.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use domain::{TenantId, UserId};
use sea_orm::{DbBackend, Statement, prelude::Uuid};

/// Sets the context of the transaction under way.
pub(crate) const CONTEXT: &str = "SELECT set_config('app.tenant_id', $1, true), set_config('app.user_id', $2, true), \
     set_config('app.request_id', $3, true), set_config('app.ip_address', $4, true), \
     set_config('app.user_agent', $5, true), set_config('app.reason', $6, true), \
     set_config('app.api_key_id', $7, true)";

/// The longest that is kept of what a client calls itself, or says about why it acts, in characters.
const LONGEST_TEXT: usize = 512;

/// The user who owns what the product does by itself; made by a migration, and never signs in.
pub const SYSTEM_USER: UserId = UserId(Uuid::from_u128(1));

/// The request something is done through, for the log and the audit.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Origin {
    /// The request's id; empty where there is none.
    pub request_id: String,
    /// Where it came from.
    pub ip_address: Option<IpAddr>,
    /// What the client calls itself.
    pub user_agent: Option<String>,
}

/// What somebody shows who they are with. Whether it is still good, the database says with the first statement.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Credential {
    /// An access token of this session.
    Session(Uuid),
    /// An API key.
    ApiKey {
        /// The key's own id.
        id: Uuid,
        /// The form in which the database has it.
        stored: String,
    },
}

/// The tenant a transaction sees, and on whose behalf.
#[derive(Clone, Debug)]
pub struct TenantScope {
    /// The tenant: no other's rows are visible or can be written.
    pub tenant: TenantId,
    /// The user who acts.
    pub user: UserId,
    /// What the user shows.
    pub credential: Credential,
    /// The request.
    pub origin: Origin,
    /// What a platform administrator reads inside the tenant; a member needs no leave.
    pub inspection: Option<Inspection>,
}

/// What a platform administrator reads inside a tenant, and why. It becomes one event of the tenant's audit trail, written
/// with the first rows that are read, however many reads follow.
#[derive(Clone, Debug)]
pub struct Inspection {
    reason: String,
    action: String,
    resource: String,
    path: String,
    recorded: Arc<AtomicBool>,
}

/// On whose behalf a transaction works across tenants.
#[derive(Clone, Debug, Default)]
pub struct Acting {
    /// The user who acts; nobody where nobody is known yet.
    pub user: Option<UserId>,
    /// The tenant whose audit trail shows what happens.
    pub tenant: Option<TenantId>,
    /// The request.
    pub origin: Origin,
    /// Why, where that has to be said.
    pub reason: Option<String>,
    /// The API key that is used.
    pub api_key: Option<Uuid>,
}

impl Inspection {
    /// For `reason`; `action` and `resource` are named as in [`audit::event`](crate::audit::event), and `path` is what was
    /// asked for below the tenant.
    pub fn new(reason: String, action: String, resource: String, path: String) -> Self {
        Self {
            reason,
            action,
            resource,
            path,
            recorded: Arc::default(),
        }
    }

    /// The event to write: its action, its resource and the path; no action where it is written already.
    pub(crate) fn event(&self) -> (Option<&str>, &str, &str) {
        let action = (!self.is_recorded()).then_some(self.action.as_str());
        (action, &self.resource, &self.path)
    }

    pub(crate) fn is_recorded(&self) -> bool {
        self.recorded.load(Ordering::Acquire)
    }

    pub(crate) fn has_been_recorded(&self) {
        self.recorded.store(true, Ordering::Release);
    }
}

impl Credential {
    /// The key's id, where it is one.
    pub fn api_key(&self) -> Option<Uuid> {
        match self {
            Self::Session(_) => None,
            Self::ApiKey { id, .. } => Some(*id),
        }
    }
}

impl Acting {
    /// The product itself, without a request.
    pub fn product() -> Self {
        Self {
            user: Some(SYSTEM_USER),
            ..Self::default()
        }
    }

    /// Nobody who is known yet.
    pub fn nobody(origin: Origin) -> Self {
        Self {
            origin,
            ..Self::default()
        }
    }

    /// A user.
    pub fn user(user: UserId, tenant: Option<TenantId>, origin: Origin) -> Self {
        Self {
            user: Some(user),
            tenant,
            origin,
            ..Self::default()
        }
    }

    pub(crate) fn statement(&self) -> Statement {
        let text = |id: Option<String>| id.unwrap_or_default();
        let Origin {
            request_id,
            ip_address,
            user_agent,
        } = &self.origin;
        Statement::from_sql_and_values(
            DbBackend::Postgres,
            CONTEXT,
            [
                text(self.tenant.map(|tenant| tenant.to_string())).into(),
                text(self.user.map(|user| user.to_string())).into(),
                request_id.clone().into(),
                text(ip_address.map(|address| address.to_string())).into(),
                printable(user_agent.as_deref()).into(),
                printable(self.reason.as_deref()).into(),
                text(self.api_key.map(|key| key.to_string())).into(),
            ],
        )
    }
}

impl From<&TenantScope> for Acting {
    fn from(scope: &TenantScope) -> Self {
        Self {
            user: Some(scope.user),
            // Who looks into a tenant gets it from the statement that finds out whether they may.
            tenant: scope.inspection.is_none().then_some(scope.tenant),
            origin: scope.origin.clone(),
            reason: scope
                .inspection
                .as_ref()
                .map(|inspection| inspection.reason.clone()),
            api_key: scope.credential.api_key(),
        }
    }
}

/// PostgreSQL stores no NUL, and a client may send one.
pub(crate) fn printable(text: Option<&str>) -> String {
    let characters = text.unwrap_or_default().chars();
    characters
        .filter(|character| *character != '\0')
        .take(LONGEST_TEXT)
        .collect()
}
