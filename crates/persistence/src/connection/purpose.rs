//! What the product does across tenants: the few uses of the role that sees all of them.

/// What may be done across tenants. Every use of [`Database::system`] names one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
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

impl SystemPurpose {
    /// What begins a transaction for it.
    pub(super) fn begin(self) -> &'static str {
        tracing::trace!(purpose = ?self, "a transaction across tenants");
        "BEGIN; SET LOCAL ROLE nomad_services_system"
    }
}
