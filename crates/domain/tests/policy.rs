//! Every answer of the policy, beside `policy.golden`, and as the table that `docs/security/roles.md` shows. After a change
//! that is meant, `UPDATE_GOLDEN=1 cargo test -p nomad-services-domain --test policy` writes both anew.

use std::{fmt::Write, fs, path::PathBuf};

use nomad_services_domain::{
    Role, Scope, Scopes, TenantId, UserId,
    policy::{Action, Actor, Resource, can, may_grant, may_grant_scopes, scope_for},
};
use uuid::Uuid;

const MINE: TenantId = TenantId(Uuid::from_u128(1));
const OTHER: TenantId = TenantId(Uuid::from_u128(2));
const ME: UserId = UserId(Uuid::from_u128(3));
const SOMEBODY: UserId = UserId(Uuid::from_u128(4));

const ACTORS: [(&str, Role, Option<TenantId>); 4] = [
    ("user", Role::User, Some(MINE)),
    ("tenant_admin", Role::TenantAdmin, Some(MINE)),
    ("admin", Role::Admin, None),
    ("admin in a tenant", Role::Admin, Some(MINE)),
];

/// Each resource as the caller's own, and as somebody else's where there is such a thing.
const RESOURCES: [(&str, Resource, Option<Resource>); 12] = [
    (
        "service",
        Resource::Service(MINE),
        Some(Resource::Service(OTHER)),
    ),
    (
        "templates",
        Resource::Templates(MINE),
        Some(Resource::Templates(OTHER)),
    ),
    (
        "tenant",
        Resource::Tenant(MINE),
        Some(Resource::Tenant(OTHER)),
    ),
    (
        "members",
        Resource::Members(MINE),
        Some(Resource::Members(OTHER)),
    ),
    (
        "invitations",
        Resource::Invitations(MINE),
        Some(Resource::Invitations(OTHER)),
    ),
    (
        "API keys",
        Resource::ApiKeys(MINE),
        Some(Resource::ApiKeys(OTHER)),
    ),
    (
        "audit log",
        Resource::AuditLog(MINE),
        Some(Resource::AuditLog(OTHER)),
    ),
    (
        "profile",
        Resource::Profile(ME),
        Some(Resource::Profile(SOMEBODY)),
    ),
    (
        "password",
        Resource::Password(ME),
        Some(Resource::Password(SOMEBODY)),
    ),
    (
        "sessions",
        Resource::Sessions(ME),
        Some(Resource::Sessions(SOMEBODY)),
    ),
    ("platform users", Resource::PlatformUsers, None),
    ("platform tenants", Resource::PlatformTenants, None),
];

fn scope_sets() -> Vec<(String, Option<Scopes>)> {
    let mut sets = vec![("signed in".to_owned(), None)];
    for bits in 0..1 << Scope::ALL.len() {
        let scopes: Scopes = Scope::ALL
            .iter()
            .enumerate()
            .filter(|(place, _)| bits & (1 << place) != 0)
            .map(|(_, scope)| *scope)
            .collect();
        let name = match bits {
            0 => "key without scopes".to_owned(),
            _ => format!("key {}", scopes.to_string().replace(", ", "+")),
        };
        sets.push((name, Some(scopes)));
    }
    sets
}

fn actor(role: Role, tenant: Option<TenantId>, scopes: Option<Scopes>) -> Actor {
    Actor {
        user: ME,
        role,
        tenant,
        scopes,
    }
}

fn allowed(actor: &Actor, resource: Resource) -> String {
    let actions = Action::ALL.iter().copied();
    let allowed: Vec<_> = actions
        .filter(|action| can(actor, *action, resource))
        .map(Action::as_str)
        .collect();
    match allowed.is_empty() {
        true => "-".to_owned(),
        false => allowed.join(" "),
    }
}

fn golden() -> String {
    let mut text = String::new();
    for (name, role, tenant) in ACTORS {
        for (scopes_name, scopes) in scope_sets() {
            let actor = actor(role, tenant, scopes);
            let _ = writeln!(text, "\n{name}, {scopes_name}");
            for (resource_name, own, foreign) in RESOURCES {
                let _ = writeln!(text, "  own {resource_name}: {}", allowed(&actor, own));
                if let Some(foreign) = foreign {
                    let allowed = allowed(&actor, foreign);
                    let _ = writeln!(text, "  somebody else's {resource_name}: {allowed}");
                }
            }
            let roles = Role::ALL.iter().copied();
            let roles: Vec<_> = roles
                .filter(|role| may_grant(&actor, *role))
                .map(Role::as_str)
                .collect();
            let _ = writeln!(text, "  grants: {}", roles.join(" "));
        }
    }
    text
}

fn table() -> String {
    let mut text = String::from(
        "| What | `user` | `tenant_admin` | `admin` | `admin` in a tenant | an API key needs |\n\
         | --- | --- | --- | --- | --- | --- |\n",
    );
    for (name, resource, _) in RESOURCES {
        for action in Action::ALL.iter().copied() {
            let who: Vec<_> = ACTORS
                .iter()
                .map(|(_, role, tenant)| actor(*role, *tenant, None))
                .map(|actor| {
                    if can(&actor, action, resource) {
                        "yes"
                    } else {
                        ""
                    }
                })
                .collect();
            if who.iter().all(|may| may.is_empty()) {
                continue;
            }
            let with_a_key = actor(
                Role::TenantAdmin,
                Some(MINE),
                Some(Scope::ALL.iter().copied().collect()),
            );
            let scope = match can(&with_a_key, action, resource) {
                true => format!("`{}`", scope_for(action, resource)),
                false => "can't".to_owned(),
            };
            let _ = writeln!(text, "| {action} {name} | {} | {scope} |", who.join(" | "));
        }
    }
    text
}

fn path(relative: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(relative)
}

fn updating() -> bool {
    std::env::var_os("UPDATE_GOLDEN").is_some()
}

#[test]
fn the_answer_for_every_role_scope_action_and_resource_is_the_one_written_down() {
    let (file, golden) = (path("tests/policy.golden"), golden());
    if updating() {
        fs::write(&file, &golden).unwrap();
    }
    let written = fs::read_to_string(&file).unwrap();
    for (place, (written, found)) in written.lines().zip(golden.lines()).enumerate() {
        assert_eq!(found, written, "line {} of policy.golden", place + 1);
    }
    assert_eq!(golden.len(), written.len());
}

#[test]
fn the_table_in_the_documentation_is_what_the_policy_says() {
    let (file, table) = (path("../../docs/security/roles.md"), table());
    let page = fs::read_to_string(&file).unwrap();
    let begin = page.find("| What | `user` |").unwrap();
    let end = begin + page[begin..].find("\n\n").unwrap() + 1;
    if updating() {
        fs::write(&file, [&page[..begin], &table, &page[end..]].concat()).unwrap();
        return;
    }
    assert_eq!(&page[begin..end], table);
}

#[test]
fn a_key_never_may_what_its_owner_may_not() {
    for (_, role, tenant) in ACTORS {
        for (name, scopes) in scope_sets() {
            let (owner, key) = (actor(role, tenant, None), actor(role, tenant, scopes));
            for resource in RESOURCES
                .iter()
                .flat_map(|(_, own, other)| [Some(*own), *other])
            {
                for action in Action::ALL.iter().copied() {
                    let Some(resource) = resource else { continue };
                    assert!(
                        can(&owner, action, resource) || !can(&key, action, resource),
                        "{role} with {name}: {action} {resource:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn nobody_grants_a_role_above_their_own_and_no_key_a_scope_it_lacks() {
    let administrator = actor(Role::TenantAdmin, Some(MINE), None);
    assert!(!may_grant(&administrator, Role::Admin));
    assert!(!may_grant(&actor(Role::User, Some(MINE), None), Role::User));
    for (name, scopes) in scope_sets() {
        let key = actor(Role::TenantAdmin, Some(MINE), scopes);
        for (_, wanted) in scope_sets() {
            let (Some(own), Some(wanted)) = (scopes, wanted) else {
                continue;
            };
            let lacking = wanted.iter().any(|scope| !own.allow(scope));
            assert_eq!(
                may_grant_scopes(&key, wanted),
                !lacking,
                "{name} gives {wanted}"
            );
        }
    }
}
