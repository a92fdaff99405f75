//! Who acts, in which tenant, and through which request: what every transaction carries, what isolation goes by and the audit
//! tells.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{Error, Result, TenantId, UserId};

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
    /// Until when that is good by itself; what ends it before, and when a key ends, the database says.
    pub valid_until: Option<DateTime<Utc>>,
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
    /// For `reason`; `action` and `resource` are named as in [`Event`](crate::audit_log::Event), and `path` is what was
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
    pub fn event(&self) -> (Option<&str>, &str, &str) {
        let action = (!self.is_recorded()).then_some(self.action.as_str());
        (action, &self.resource, &self.path)
    }

    /// Whether the event is written.
    pub fn is_recorded(&self) -> bool {
        self.recorded.load(Ordering::Acquire)
    }

    /// Says that the event is written.
    pub fn has_been_recorded(&self) {
        self.recorded.store(true, Ordering::Release);
    }
}

impl TenantScope {
    /// Refuses to go on for longer than what the user shows is good by itself.
    ///
    /// # Errors
    /// `unauthenticated`.
    pub fn ensure_valid_at(&self, now: DateTime<Utc>) -> Result<()> {
        if self.valid_until.is_some_and(|until| until <= now) {
            return Err(Error::unauthenticated());
        }
        Ok(())
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

/// Somebody with a good access token, or a key that exists. Whether either still counts, the database says with the first
/// statement.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Who it is; of a key, its owner.
    pub user: UserId,
    /// The user's tenant; a platform administrator has none.
    pub tenant: Option<TenantId>,
    /// What the caller shows.
    pub credential: Credential,
    /// Until when that is good by itself; see [`TenantScope::valid_until`].
    pub valid_until: Option<DateTime<Utc>>,
    /// The request.
    pub origin: Origin,
}

impl Caller {
    /// On whose behalf something is done across tenants.
    pub fn acting(&self) -> Acting {
        Acting {
            api_key: self.credential.api_key(),
            ..Acting::user(self.user, self.tenant, self.origin.clone())
        }
    }

    /// The caller's own tenant, as the caller sees it.
    ///
    /// # Errors
    /// `forbidden` for a platform administrator, who has no tenant.
    pub fn scope(&self) -> Result<TenantScope> {
        let tenant = self.tenant.ok_or_else(|| {
            Error::forbidden("a platform administrator has no services of its own")
        })?;
        Ok(self.scope_of(tenant, None))
    }

    /// Another tenant, as whoever looks into it sees it.
    pub fn inside(&self, tenant: TenantId, inspection: Inspection) -> TenantScope {
        self.scope_of(tenant, Some(inspection))
    }

    fn scope_of(&self, tenant: TenantId, inspection: Option<Inspection>) -> TenantScope {
        TenantScope {
            tenant,
            user: self.user,
            credential: self.credential.clone(),
            valid_until: self.valid_until,
            origin: self.origin.clone(),
            inspection,
        }
    }
}

/// What may be done across tenants. Every transaction that sees all of them names one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum SystemPurpose {
    /// Finding who signs in, counting attempts to, and keeping refresh tokens.
    SignIn,
    /// Finding whose API key is shown, before its tenant is known.
    ApiKey,
    /// A user's own password and sessions, which belong to nobody's tenant.
    Account,
    /// Somebody who accepts an invitation, and is no user yet.
    Invitation,
    /// Making a tenant with its first user.
    Registration,
    /// Claiming and recording deployments of any tenant.
    Deployment,
    /// What a platform administrator asks for.
    Administration,
    /// Removing what has expired.
    Retention,
    /// Recording that somebody was refused, after their own transaction was rolled back.
    Refusal,
    /// Making, rotating and ending the keys that secret values are encrypted under.
    Encryption,
    /// Adding rows of the audit trail to the logs of their tenants.
    Sealing,
    /// Writing the logs of every tenant to files, for their operator.
    AuditExport,
    /// Finding whether somebody may look into a tenant, and recording that there, before the rest is read as the tenant.
    Inspection,
}
