//! Who may do what: a line for each operation of the API's description.

use domain::Role;

use super::document::Operation;

/// Who may call an operation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Who {
    /// Everybody, without signing in.
    Anyone,
    /// Everybody who is signed in, for what is one's own.
    SignedIn,
    /// The members of a tenant, for what is their tenant's.
    Members,
    /// Those members who administer it.
    TenantAdmins,
    /// Those who run the platform.
    PlatformAdmins,
}

use Who::{Anyone, Members, PlatformAdmins, SignedIn, TenantAdmins};

/// The operations as `METHOD /path`, the path without `/api/v1`.
pub const OPERATIONS: &[(&str, Who)] = &[
    ("GET /livez", Anyone),
    ("GET /readyz", Anyone),
    ("GET /health", Anyone),
    ("POST /auth/register", Anyone),
    ("POST /auth/login", Anyone),
    ("POST /auth/refresh", Anyone),
    ("POST /auth/logout", Anyone),
    ("GET /users/me", SignedIn),
    ("PUT /users/me", SignedIn),
    ("POST /users/me/password", SignedIn),
    ("GET /users/me/sessions", SignedIn),
    ("DELETE /users/me/sessions/{id}", SignedIn),
    ("GET /users", TenantAdmins),
    ("GET /users/{id}", TenantAdmins),
    ("PATCH /users/{id}", TenantAdmins),
    ("DELETE /users/{id}", TenantAdmins),
    ("GET /api-keys", TenantAdmins),
    ("POST /api-keys", TenantAdmins),
    ("GET /api-keys/{id}", TenantAdmins),
    ("PATCH /api-keys/{id}", TenantAdmins),
    ("DELETE /api-keys/{id}", TenantAdmins),
    ("POST /api-keys/{id}/rotate", TenantAdmins),
    ("GET /invitations", TenantAdmins),
    ("POST /invitations", TenantAdmins),
    ("GET /invitations/{id}", TenantAdmins),
    ("DELETE /invitations/{id}", TenantAdmins),
    ("POST /invitations/accept", Anyone),
    ("GET /tenant", TenantAdmins),
    ("PATCH /tenant", TenantAdmins),
    ("GET /services", Members),
    ("POST /services", Members),
    ("GET /services/{id}", Members),
    ("PUT /services/{id}", Members),
    ("PATCH /services/{id}", Members),
    ("DELETE /services/{id}", Members),
    ("POST /services/{id}/start", Members),
    ("POST /services/{id}/stop", Members),
    ("POST /services/{id}/restart", Members),
    ("POST /services/{id}/reveal", TenantAdmins),
    ("GET /services/{id}/deployments", Members),
    ("GET /services/{id}/logs", Members),
    ("GET /services/{id}/metrics", Members),
    ("GET /deployments/{id}", Members),
    ("GET /templates", Members),
    ("GET /templates/{id}", Members),
    ("GET /audit-logs", TenantAdmins),
    ("GET /audit-logs/{id}", TenantAdmins),
    ("GET /audit-logs/{id}/proof", TenantAdmins),
    ("GET /audit-logs/export", TenantAdmins),
    ("GET /audit-logs/checkpoint", TenantAdmins),
    ("GET /audit-logs/consistency", TenantAdmins),
    ("GET /audit-logs/verifier-key", TenantAdmins),
    ("GET /admin/tenants", PlatformAdmins),
    ("GET /admin/tenants/{id}", PlatformAdmins),
    ("POST /admin/tenants/{id}/suspend", PlatformAdmins),
    ("POST /admin/tenants/{id}/resume", PlatformAdmins),
    ("GET /admin/tenants/{tenant_id}/users", PlatformAdmins),
    ("GET /admin/tenants/{tenant_id}/users/{id}", PlatformAdmins),
    ("GET /admin/tenants/{tenant_id}/api-keys", PlatformAdmins),
    (
        "GET /admin/tenants/{tenant_id}/api-keys/{id}",
        PlatformAdmins,
    ),
    ("GET /admin/tenants/{tenant_id}/invitations", PlatformAdmins),
    (
        "GET /admin/tenants/{tenant_id}/invitations/{id}",
        PlatformAdmins,
    ),
    ("GET /admin/tenants/{tenant_id}/tenant", PlatformAdmins),
    ("GET /admin/tenants/{tenant_id}/services", PlatformAdmins),
    (
        "GET /admin/tenants/{tenant_id}/services/{id}",
        PlatformAdmins,
    ),
    (
        "GET /admin/tenants/{tenant_id}/services/{id}/deployments",
        PlatformAdmins,
    ),
    (
        "GET /admin/tenants/{tenant_id}/services/{id}/logs",
        PlatformAdmins,
    ),
    (
        "GET /admin/tenants/{tenant_id}/services/{id}/metrics",
        PlatformAdmins,
    ),
    (
        "GET /admin/tenants/{tenant_id}/deployments/{id}",
        PlatformAdmins,
    ),
    ("GET /admin/tenants/{tenant_id}/templates", PlatformAdmins),
    (
        "GET /admin/tenants/{tenant_id}/templates/{id}",
        PlatformAdmins,
    ),
    ("GET /admin/tenants/{tenant_id}/audit-logs", PlatformAdmins),
    (
        "GET /admin/tenants/{tenant_id}/audit-logs/{id}",
        PlatformAdmins,
    ),
    (
        "GET /admin/tenants/{tenant_id}/audit-logs/{id}/proof",
        PlatformAdmins,
    ),
    (
        "GET /admin/tenants/{tenant_id}/audit-logs/export",
        PlatformAdmins,
    ),
    (
        "GET /admin/tenants/{tenant_id}/audit-logs/checkpoint",
        PlatformAdmins,
    ),
    (
        "GET /admin/tenants/{tenant_id}/audit-logs/consistency",
        PlatformAdmins,
    ),
    (
        "GET /admin/tenants/{tenant_id}/audit-logs/verifier-key",
        PlatformAdmins,
    ),
    ("GET /admin/users", PlatformAdmins),
    ("PUT /admin/users/{id}/role", PlatformAdmins),
    ("PUT /admin/users/{id}/activate", PlatformAdmins),
    ("PUT /admin/users/{id}/deactivate", PlatformAdmins),
];

/// Who may call `operation`; nobody, as far as other tests are concerned, where the table does not say.
pub fn who_may(operation: &Operation) -> Who {
    let name = operation.name();
    let line = OPERATIONS.iter().find(|(named, _)| *named == name);
    line.map_or(PlatformAdmins, |(_, who)| *who)
}

impl Who {
    pub fn allows(self, role: Role) -> bool {
        match self {
            Self::Anyone | Self::SignedIn => true,
            Self::Members => role != Role::Admin,
            Self::TenantAdmins => role == Role::TenantAdmin,
            Self::PlatformAdmins => role == Role::Admin,
        }
    }
}
