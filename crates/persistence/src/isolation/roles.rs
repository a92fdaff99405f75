//! What the roles may be that the product runs as: nothing that row-level security does not bind, and no member of such a
//! role, directly or through others.

use std::collections::BTreeMap;

use sea_orm::FromQueryResult;

use super::Finding;

/// What sessions run as: in a tenant, and across tenants.
pub(super) const RUNTIME: [&str; 2] = ["nomad_services_app", "nomad_services_system"];

/// Roles of PostgreSQL's own with which one reads the tables' files or becomes superuser.
const PREDEFINED: [&str; 3] = [
    "pg_execute_server_program",
    "pg_read_server_files",
    "pg_write_server_files",
];

pub(super) const ROLES: &str = "SELECT rolname::text AS name, rolsuper AS is_superuser, rolbypassrls AS bypasses, \
     rolcreaterole AS makes_roles, rolreplication AS replicates, rolcanlogin AS signs_in, \
     (SELECT min(oid::regclass::text) FROM pg_class WHERE relowner = pg_roles.oid AND relkind IN ('r', 'p') \
         AND relnamespace NOT IN (SELECT oid FROM pg_namespace WHERE nspname ~ '^(pg_|information_schema$)')) AS owned_table \
     FROM pg_roles";

/// Memberships that are of use to the member. Before PostgreSQL 16, every one is: it lets SET ROLE.
pub(super) const MEMBERSHIPS: &str = "SELECT granted.rolname::text AS role, member.rolname::text AS member \
     FROM pg_auth_members JOIN pg_roles granted ON granted.oid = roleid JOIN pg_roles member ON member.oid = pg_auth_members.member \
     WHERE admin_option OR COALESCE((to_jsonb(pg_auth_members) ->> 'set_option')::boolean, true) \
         OR COALESCE((to_jsonb(pg_auth_members) ->> 'inherit_option')::boolean, true)";

/// A role of the cluster.
#[derive(Clone, Debug, Default, FromQueryResult)]
pub(super) struct Role {
    pub name: String,
    pub is_superuser: bool,
    pub bypasses: bool,
    pub makes_roles: bool,
    pub replicates: bool,
    pub signs_in: bool,
    /// One of the tables of this database that belong to it.
    pub owned_table: Option<String>,
}

/// `member` can use what `role` may.
#[derive(Clone, Debug, FromQueryResult)]
pub(super) struct Membership {
    pub role: String,
    pub member: String,
}

impl Role {
    /// Why row-level security would not bind it, with what takes that away.
    fn powers(&self) -> Vec<(String, String)> {
        let name = &self.name;
        let attributes = [
            (self.is_superuser, "is a superuser", "NOSUPERUSER"),
            (self.bypasses, "has BYPASSRLS", "NOBYPASSRLS"),
            (self.makes_roles, "has CREATEROLE", "NOCREATEROLE"),
            (self.replicates, "has REPLICATION", "NOREPLICATION"),
        ];
        let mut powers: Vec<_> = attributes
            .into_iter()
            .filter(|(has, _, _)| *has)
            .map(|(_, what, without)| (what.to_owned(), format!("ALTER ROLE {name} {without}")))
            .collect();
        if let Some(table) = &self.owned_table {
            let remedy = format!("ALTER TABLE {table} OWNER TO the login that migrates");
            powers.push((format!("owns the table {table}"), remedy));
        }
        if PREDEFINED.contains(&name.as_str()) {
            powers.push(("reaches the server's files".to_owned(), String::new()));
        }
        powers
    }
}

/// What is wrong with `role`.
pub(super) fn judge(role: &str, roles: &[Role], memberships: &[Membership]) -> Vec<Finding> {
    let named: BTreeMap<_, _> = roles
        .iter()
        .map(|role| (role.name.as_str(), role))
        .collect();
    let object = format!("role {role}");
    let Some(own) = named.get(role) else {
        return vec![Finding {
            object,
            problem: "it does not exist".to_owned(),
            remedy: "apply the migrations".to_owned(),
        }];
    };
    let mut findings = Vec::new();
    for (power, remedy) in own.powers() {
        findings.push(Finding {
            object: object.clone(),
            problem: format!("it {power}"),
            remedy,
        });
    }
    if own.signs_in {
        findings.push(Finding {
            object: object.clone(),
            problem: "it can sign in by itself".to_owned(),
            remedy: format!("ALTER ROLE {role} NOLOGIN"),
        });
    }
    for (reached, through) in reached(role, memberships) {
        let powers = named.get(reached).map(|role| role.powers());
        for (power, _) in powers.unwrap_or_default() {
            findings.push(Finding {
                object: object.clone(),
                problem: format!("it is a member of {reached}, which {power}"),
                remedy: format!("REVOKE {} FROM {}", through.role, through.member),
            });
        }
    }
    findings
}

/// A login whose sessions could become more than they are, if somebody made them run a statement of theirs.
pub(super) fn of_login(login: &str, roles: &[Role]) -> Vec<Finding> {
    let login = roles.iter().find(|role| role.name == login);
    let unbound = login.filter(|login| login.is_superuser || login.bypasses);
    let finding = unbound.map(|login| Finding {
        object: format!("login {}", login.name),
        problem: "row-level security does not bind it outside of the role its sessions run as".to_owned(),
        remedy: format!(
            "use a login with CREATEROLE that owns the database, or, with MIGRATE_ON_START=false, one that is no more \
             than a member of nomad_services_switch, instead of {}",
            login.name
        ),
    });
    finding.into_iter().collect()
}

/// Every role that `role` is a member of, each with the first step of the way to it.
fn reached<'a>(role: &str, memberships: &'a [Membership]) -> BTreeMap<&'a str, &'a Membership> {
    let mut reached: BTreeMap<&str, &Membership> = BTreeMap::new();
    let mut to_do: Vec<(&str, Option<&Membership>)> = vec![(role, None)];
    while let Some((member, first)) = to_do.pop() {
        for membership in memberships.iter().filter(|of| of.member == member) {
            let first = first.unwrap_or(membership);
            if membership.role != role && !reached.contains_key(membership.role.as_str()) {
                reached.insert(&membership.role, first);
                to_do.push((&membership.role, Some(first)));
            }
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;

    const APP: &str = "nomad_services_app";

    fn role(name: &str) -> Role {
        Role {
            name: name.to_owned(),
            ..Role::default()
        }
    }

    fn member(role: &str, member: &str) -> Membership {
        Membership {
            role: role.to_owned(),
            member: member.to_owned(),
        }
    }

    fn problems(roles: &[Role], memberships: &[Membership]) -> Vec<String> {
        let findings = judge(APP, roles, memberships);
        findings.into_iter().map(|found| found.problem).collect()
    }

    #[test]
    fn a_role_without_powers_is_good_whoever_is_a_member_of_it() {
        let owner = Role {
            is_superuser: true,
            owned_table: Some("services".to_owned()),
            ..role("owner")
        };
        let roles = [role(APP), role("switch"), owner];
        let memberships = [member(APP, "switch"), member("switch", "owner")];
        assert_eq!(problems(&roles, &memberships), Vec::<String>::new());
    }

    #[test]
    fn a_power_of_its_own_is_named() {
        let powerful = Role {
            name: APP.to_owned(),
            is_superuser: true,
            bypasses: true,
            makes_roles: true,
            replicates: true,
            signs_in: true,
            owned_table: Some("services".to_owned()),
        };
        let wanted = [
            "it is a superuser",
            "it has BYPASSRLS",
            "it has CREATEROLE",
            "it has REPLICATION",
            "it owns the table services",
            "it can sign in by itself",
        ];
        assert_eq!(problems(&[powerful], &[]), wanted);
    }

    #[test]
    fn the_power_of_a_role_it_is_a_member_of_is_named_with_the_first_step_there() {
        let owner = Role {
            owned_table: Some("services".to_owned()),
            ..role("owner")
        };
        let bypassing = Role {
            bypasses: true,
            ..role("reporting")
        };
        let roles = [role(APP), role("middle"), owner, bypassing];
        // A circle can't be made in PostgreSQL; it would not matter here.
        let memberships = [
            member("middle", APP),
            member("owner", "middle"),
            member("reporting", "owner"),
            member("middle", "reporting"),
        ];
        let found = judge(APP, &roles, &memberships);
        let told: Vec<_> = found.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "role nomad_services_app: it is a member of owner, which owns the table services; \
                 REVOKE middle FROM nomad_services_app",
                "role nomad_services_app: it is a member of reporting, which has BYPASSRLS; \
                 REVOKE middle FROM nomad_services_app",
            ]
        );
    }

    #[test]
    fn the_servers_files_are_a_power_and_a_missing_role_is_told() {
        let roles = [role(APP), role("pg_read_server_files")];
        let memberships = [member("pg_read_server_files", APP)];
        assert_eq!(
            problems(&roles, &memberships),
            ["it is a member of pg_read_server_files, which reaches the server's files"]
        );
        assert_eq!(problems(&[], &[]), ["it does not exist"]);
    }
}
