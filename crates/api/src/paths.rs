//! Where the API stands: the beginnings of its paths.

/// The base of every path of the API proper.
pub const BASE: &str = "/api/v1";

/// Where the description is served.
pub const DESCRIPTION: &str = "/api/v1/openapi.json";

/// Below it stands what can be read inside a tenant.
pub const INSIDE_TENANT: &str = "/api/v1/admin/tenants/{tenant_id}";

/// Where platform administrators read what stands at `path` for a tenant's members.
pub(crate) fn inside_tenant(path: &str) -> String {
    let below = path.strip_prefix(BASE).unwrap_or(path);
    format!("{INSIDE_TENANT}{below}")
}
