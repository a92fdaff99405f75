//! Who may do what: one pure function. A user operates the services of its tenant, a tenant's administrator also runs the
//! tenant, and a platform administrator runs the platform; what belongs to a tenant is nobody's outside it. A platform
//! administrator who names a tenant looks around in it, and no more.
//!
//! `tests/policy.golden` holds the answer for every role, scope, action and resource, `docs/security/roles.md` the same as a
//! table.

use crate::{Error, Result, Role, Scope, Scopes, TenantId, UserId, text_enum::text_enum};

/// Who asks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Actor {
    /// The user; of an API key, its owner.
    pub user: UserId,
    /// What the user is at this moment.
    pub role: Role,
    /// The user's tenant. A platform administrator has none, or the one it named to look into.
    pub tenant: Option<TenantId>,
    /// What the API key is for; without, the user has signed in.
    pub scopes: Option<Scopes>,
}

text_enum! {
    /// What is to be done.
    #[non_exhaustive]
    Action {
        /// Look at it.
        Read => "read",
        /// Make one.
        Create => "create",
        /// Change it.
        Update => "update",
        /// Remove it.
        Delete => "delete",
        /// Start, stop, restart or scale it.
        Operate => "operate",
        /// See its secrets in clear text.
        Reveal => "reveal",
        /// Keep everybody out of it.
        Suspend => "suspend",
        /// Let everybody in again.
        Resume => "resume",
    }
}

/// What it is done to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Resource {
    /// A tenant's service, with its deployments, logs and metrics.
    Service(TenantId),
    /// The templates a tenant may use.
    Templates(TenantId),
    /// The tenant itself.
    Tenant(TenantId),
    /// The people of a tenant.
    Members(TenantId),
    /// Invitations to a tenant.
    Invitations(TenantId),
    /// The API keys of a tenant.
    ApiKeys(TenantId),
    /// A tenant's audit trail.
    AuditLog(TenantId),
    /// A user's own profile.
    Profile(UserId),
    /// A user's own password.
    Password(UserId),
    /// A user's own signed-in sessions.
    Sessions(UserId),
    /// The platform's list of users.
    PlatformUsers,
    /// The platform's list of tenants.
    PlatformTenants,
}

impl Resource {
    fn tenant(self) -> Option<TenantId> {
        match self {
            Self::Service(tenant)
            | Self::Templates(tenant)
            | Self::Tenant(tenant)
            | Self::Members(tenant)
            | Self::Invitations(tenant)
            | Self::ApiKeys(tenant)
            | Self::AuditLog(tenant) => Some(tenant),
            Self::Profile(_)
            | Self::Password(_)
            | Self::Sessions(_)
            | Self::PlatformUsers
            | Self::PlatformTenants => None,
        }
    }
}

/// Whether `actor` may do `action` to `resource`. What an API key may do is what its owner may at this moment, as far as
/// the key's scopes reach.
///
/// ```
/// use nomad_services_domain::{Role, Scope, TenantId, UserId, policy::{Action, Actor, Resource, can}};
/// use uuid::Uuid;
///
/// let (mine, other) = (TenantId(Uuid::from_u128(1)), TenantId(Uuid::from_u128(2)));
/// let user = Actor { user: UserId(Uuid::nil()), role: Role::User, tenant: Some(mine), scopes: None };
/// assert!(can(&user, Action::Operate, Resource::Service(mine)));
/// assert!(!can(&user, Action::Read, Resource::Service(other)));
/// let key = Actor { scopes: Some([Scope::Read].into_iter().collect()), ..user };
/// assert!(!can(&key, Action::Operate, Resource::Service(mine)));
/// ```
pub fn can(actor: &Actor, action: Action, resource: Resource) -> bool {
    role_allows(actor, action, resource)
        && actor
            .scopes
            .is_none_or(|scopes| scopes.allow(scope_for(action, resource)))
}

/// What is not named here is refused.
fn role_allows(actor: &Actor, action: Action, resource: Resource) -> bool {
    use Action::{Create, Delete, Operate, Read, Resume, Reveal, Suspend, Update};
    if resource.tenant().is_some() && resource.tenant() != actor.tenant {
        return false;
    }
    if actor.role == Role::Admin && actor.scopes.is_some() {
        return false;
    }
    if actor.role == Role::Admin && actor.tenant.is_some() {
        return action == Read && resource.tenant().is_some();
    }
    match (resource, action) {
        (Resource::Service(_), Read | Create | Update | Delete | Operate)
        | (Resource::Templates(_), Read) => true,
        (Resource::Service(_), Reveal)
        | (Resource::Tenant(_), Read | Update)
        | (Resource::Members(_), Read | Update | Delete)
        | (Resource::Invitations(_), Read | Create | Delete)
        | (Resource::ApiKeys(_), Read | Create | Update | Delete)
        | (Resource::AuditLog(_), Read) => actor.role == Role::TenantAdmin,
        (Resource::Profile(user), Read | Update)
        | (Resource::Password(user), Update)
        | (Resource::Sessions(user), Read | Delete) => actor.user == user,
        (Resource::PlatformUsers, Read | Update)
        | (Resource::PlatformTenants, Read | Suspend | Resume) => actor.role == Role::Admin,
        _ => false,
    }
}

/// The scope an API key needs for `action` on `resource`, besides its owner's right to it.
pub fn scope_for(action: Action, resource: Resource) -> Scope {
    match (resource, action) {
        (
            Resource::Members(_)
            | Resource::Invitations(_)
            | Resource::ApiKeys(_)
            | Resource::AuditLog(_)
            | Resource::PlatformUsers
            | Resource::PlatformTenants
            | Resource::Password(_)
            | Resource::Sessions(_),
            _,
        )
        | (_, Action::Reveal | Action::Suspend | Action::Resume) => Scope::Admin,
        (_, Action::Read) => Scope::Read,
        (_, Action::Operate) => Scope::Deploy,
        // Whoever changes an account or its tenant could take more than the scope `write` gives.
        (Resource::Tenant(_) | Resource::Profile(_), _) => Scope::Admin,
        (Resource::Service(_) | Resource::Templates(_), _) => Scope::Write,
    }
}

/// Whether `actor` may give somebody `role`, or change or remove somebody who has it: nobody grants more than they have.
pub fn may_grant(actor: &Actor, role: Role) -> bool {
    if actor
        .scopes
        .is_some_and(|scopes| !scopes.allow(Scope::Admin))
    {
        return false;
    }
    match actor.role {
        Role::Admin => actor.tenant.is_none() && actor.scopes.is_none(),
        Role::TenantAdmin => role != Role::Admin,
        Role::User => false,
    }
}

/// Whether `actor` may make an API key with `scopes`: somebody who has signed in gives any, as the key can't do more than
/// its owner; a key gives none that it lacks.
pub fn may_grant_scopes(actor: &Actor, scopes: Scopes) -> bool {
    actor.scopes.is_none_or(|own| own.include(scopes))
}

/// As [`can`], with the error to answer with.
///
/// # Errors
/// `forbidden`.
pub fn authorise(actor: &Actor, action: Action, resource: Resource) -> Result<()> {
    if can(actor, action, resource) {
        return Ok(());
    }
    Err(Error::forbidden(match actor.scopes {
        Some(scopes) if role_allows(actor, action, resource) => {
            let needed = scope_for(action, resource);
            format!("this needs an API key with the scope {needed}; this one has {scopes}")
        }
        _ => format!("the role {} does not allow this", actor.role),
    }))
}

/// As [`may_grant`], with the error to answer with.
///
/// # Errors
/// `forbidden`.
pub fn authorise_grant(actor: &Actor, role: Role) -> Result<()> {
    if may_grant(actor, role) {
        return Ok(());
    }
    Err(Error::forbidden(format!(
        "nobody grants, changes or removes more than they are: {} can't decide about {role}",
        actor.role
    )))
}
