//! The use cases: what can be done with the product, and in which order. Each says in its bounds what it needs from outside, as
//! ports of the domain; it authorises, opens the tenant's transaction, applies the rules, writes and commits. It knows
//! neither SQL nor HTTP nor Nomad's API, so any front end can call it.

mod accounts;
mod administration;
mod api_keys;
mod audit_logs;
mod authentication;
mod deployments;
mod fingerprints;
mod invitations;
mod key_text;
mod members;
mod one_time_token;
mod profiles;
mod reachability;
mod refusals;
mod refused_access;
mod registration;
mod repeated_requests;
pub mod retention;
mod runtime;
pub mod sealing;
mod services;
mod sessions;
mod templates;
mod tenants;

use domain::audit_log::ports::AuditSealing;

pub use accounts::Accounts;
pub use administration::{Administration, create_administrator};
pub use api_keys::{ApiKeys, NamedKey};
pub use audit_logs::{AuditLogs, Export, Proved};
pub use authentication::Authentication;
pub use deployments::{DeploymentSettings, Deployments};
pub use fingerprints::Fingerprints;
pub use invitations::{Invitations, Invited};
pub use members::Members;
pub use one_time_token::OneTimeToken;
pub use profiles::Profiles;
pub use reachability::{Reachability, Seen};
pub use refused_access::RefusedAccess;
pub use registration::Registrations;
pub use repeated_requests::RepeatedRequests;
pub use runtime::{FollowedLog, RunningServices};
pub use services::Services;
pub use sessions::{SessionSettings, Sessions, SignedIn};
pub use templates::Templates;
pub use tenants::Tenants;

/// Every use case, over a store `S`, an orchestrator `O`, a hasher of passwords `H` and access tokens `T`.
#[derive(Debug)]
pub struct Application<S: AuditSealing, O, H, T> {
    /// One's own password and sessions.
    pub accounts: Accounts<S, H>,
    /// Users, for platform administrators.
    pub administration: Administration<S>,
    /// API keys.
    pub api_keys: ApiKeys<S>,
    /// Audit trails.
    pub audit_logs: AuditLogs<S>,
    /// Who calls.
    pub authentication: Authentication<S, T>,
    /// Deployments.
    pub deployments: Deployments<S, O>,
    /// Invitations.
    pub invitations: Invitations<S, H>,
    /// The people of a tenant.
    pub members: Members<S>,
    /// One's own profile.
    pub profiles: Profiles<S>,
    /// Refusals of those who are known.
    pub refused_access: RefusedAccess<S>,
    /// Registering.
    pub registrations: Registrations<S, H>,
    /// Refusals of those who ask again.
    pub repeated_requests: RepeatedRequests<S>,
    /// What runs.
    pub running_services: RunningServices<S, O>,
    /// Services.
    pub services: Services<S, O>,
    /// Signing in.
    pub sessions: Sessions<S, H, T>,
    /// Templates.
    pub templates: Templates<S>,
    /// Tenants.
    pub tenants: Tenants<S>,
}
