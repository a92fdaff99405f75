//! Who may do what: one pure function. A user operates the services of its tenant, a tenant's administrator also runs the
//! tenant, and a platform administrator runs the platform; what belongs to a tenant is nobody's outside it.

use crate::{Error, Result, Role, TenantId, UserId};

/// Who asks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Actor {
    /// The user.
    pub user: UserId,
    /// What the user is at this moment.
    pub role: Role,
    /// The user's tenant; a platform administrator has none.
    pub tenant: Option<TenantId>,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Action {
    /// Look at it.
    Read,
    /// Make one.
    Create,
    /// Change it.
    Update,
    /// Remove it.
    Delete,
    /// Start, stop or restart it.
    Operate,
}

/// What it is done to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Resource {
    /// A tenant's service, with its deployments, logs and metrics.
    Service(TenantId),
    /// A user's own profile.
    Profile(UserId),
    /// The templates a tenant may use.
    Templates,
    /// The platform's list of users.
    PlatformUsers,
}

/// Whether `actor` may do `action` to `resource`.
///
/// ```
/// use nomad_services_domain::{Role, TenantId, UserId, policy::{Action, Actor, Resource, can}};
/// use uuid::Uuid;
///
/// let (mine, other) = (TenantId(Uuid::from_u128(1)), TenantId(Uuid::from_u128(2)));
/// let user = Actor { user: UserId(Uuid::nil()), role: Role::User, tenant: Some(mine) };
/// assert!(can(&user, Action::Operate, Resource::Service(mine)));
/// assert!(!can(&user, Action::Read, Resource::Service(other)));
/// ```
pub fn can(actor: &Actor, action: Action, resource: Resource) -> bool {
    match (resource, actor.role) {
        (Resource::Service(tenant), Role::User | Role::TenantAdmin) => actor.tenant == Some(tenant),
        (Resource::Profile(user), _) => {
            actor.user == user && matches!(action, Action::Read | Action::Update)
        }
        (Resource::Templates, Role::User | Role::TenantAdmin) => action == Action::Read,
        (Resource::PlatformUsers, Role::Admin) => matches!(action, Action::Read | Action::Update),
        (Resource::Service(_) | Resource::Templates, Role::Admin)
        | (Resource::PlatformUsers, Role::User | Role::TenantAdmin) => false,
    }
}

/// As [`can`], with the error to answer with.
///
/// # Errors
/// `forbidden`.
pub fn authorise(actor: &Actor, action: Action, resource: Resource) -> Result<()> {
    if can(actor, action, resource) {
        return Ok(());
    }
    Err(Error::forbidden(format!(
        "the role {} does not allow this",
        actor.role
    )))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const TABLE: &str = "\
admin        own service     -
admin        other's service -
admin        own profile     read update
admin        other's profile -
admin        templates       -
admin        platform users  read update
user         own service     read create update delete operate
user         other's service -
user         own profile     read update
user         other's profile -
user         templates       read
user         platform users  -
tenant_admin own service     read create update delete operate
tenant_admin other's service -
tenant_admin own profile     read update
tenant_admin other's profile -
tenant_admin templates       read
tenant_admin platform users  -
";

    #[test]
    fn the_table_of_roles_actions_and_resources_is_this_one() {
        let (user, other_user) = (UserId(Uuid::from_u128(1)), UserId(Uuid::from_u128(2)));
        let (tenant, other) = (TenantId(Uuid::from_u128(3)), TenantId(Uuid::from_u128(4)));
        let resources = [
            ("own service", Resource::Service(tenant)),
            ("other's service", Resource::Service(other)),
            ("own profile", Resource::Profile(user)),
            ("other's profile", Resource::Profile(other_user)),
            ("templates", Resource::Templates),
            ("platform users", Resource::PlatformUsers),
        ];
        let actions = [
            ("read", Action::Read),
            ("create", Action::Create),
            ("update", Action::Update),
            ("delete", Action::Delete),
            ("operate", Action::Operate),
        ];
        let mut table = String::new();
        for role in Role::ALL.iter().copied() {
            let actor = Actor {
                user,
                role,
                tenant: (role != Role::Admin).then_some(tenant),
            };
            for (name, resource) in resources {
                let allowed: Vec<_> = actions
                    .iter()
                    .filter(|(_, action)| can(&actor, *action, resource))
                    .map(|(name, _)| *name)
                    .collect();
                let allowed = if allowed.is_empty() {
                    "-".to_owned()
                } else {
                    allowed.join(" ")
                };
                table.push_str(&format!("{role:<12} {name:<15} {allowed}\n"));
            }
        }
        assert_eq!(table, TABLE, "{table}");
    }
}
