//! What begins a transaction across tenants.

use domain::SystemPurpose;

/// What begins a transaction for `purpose`.
pub(super) fn begin(purpose: SystemPurpose) -> &'static str {
    tracing::trace!(?purpose, "a transaction across tenants");
    "BEGIN; SET LOCAL ROLE nomad_services_system"
}
