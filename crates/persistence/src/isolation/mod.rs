//! Whether the database keeps tenants apart: what a server asks before it serves. The roles it runs as are judged by
//! `roles`, everything else by the rules in `rules.sql`.

mod attack;
mod roles;

use std::fmt;

use domain::Error;
use sea_orm::FromQueryResult;

use crate::{Database, rows::read};

pub use attack::{Attempt, Verdict};

const RULES: &str = include_str!("rules.sql");

/// Outside of a transaction, where no context may be.
const SESSION: &str = "SELECT current_user::text AS role, session_user::text AS login, \
     COALESCE(current_setting('app.tenant_id', true), '') AS tenant";

/// Something that keeps the database from keeping tenants apart.
#[derive(Clone, Debug, Eq, FromQueryResult, PartialEq)]
pub struct Finding {
    /// The role, table, policy, view, function, schema or session.
    pub object: String,
    /// What is wrong with it.
    pub problem: String,
    /// What an operator can do.
    pub remedy: String,
}

/// How a database stands.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// Reasons not to serve.
    pub findings: Vec<Finding>,
    /// What is worth knowing, and no reason not to serve.
    pub warnings: Vec<Finding>,
}

#[derive(FromQueryResult)]
struct Session {
    role: String,
    login: String,
    tenant: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            object,
            problem,
            remedy,
        } = self;
        write!(formatter, "{object}: {problem}; {remedy}")
    }
}

impl Database {
    /// Looks at the roles this pool's sessions run as and at every table, policy, view, function and grant they meet.
    ///
    /// # Errors
    /// `database_unavailable` where it can't be asked.
    pub async fn isolation(&self) -> Result<Standing, Error> {
        let questions = [SESSION, roles::ROLES, roles::MEMBERSHIPS, RULES];
        let [session, known, memberships, rules] = self.without_context(questions).await?;
        let session: Session = read(
            session
                .first()
                .ok_or_else(|| Error::internal("a question without a condition has an answer"))?,
        )?;
        let known: Vec<roles::Role> = known.iter().map(read).collect::<Result<_, _>>()?;
        let memberships: Vec<_> = memberships.iter().map(read).collect::<Result<_, _>>()?;

        let mut standing = Standing {
            findings: session.findings(),
            warnings: roles::of_login(&session.login, &known),
        };
        for role in roles::RUNTIME {
            let found = roles::judge(role, &known, &memberships);
            standing.findings.extend(found);
        }
        for row in &rules {
            standing.findings.push(read(row)?);
        }
        Ok(standing)
    }
}

impl Session {
    fn findings(&self) -> Vec<Finding> {
        let [app, _] = roles::RUNTIME;
        let mut findings = Vec::new();
        if self.role != app {
            let Self { role, login, .. } = self;
            findings.push(Finding {
                object: format!("login {login}"),
                problem: format!("its sessions run as {role}, not as {app}"),
                remedy: "ALTER ROLE … RESET role, and the same for the database".to_owned(),
            });
        }
        if !self.tenant.is_empty() {
            findings.push(Finding {
                object: format!("login {}", self.login),
                problem: "its sessions begin in the context of a tenant".to_owned(),
                remedy: "ALTER ROLE … RESET app.tenant_id, and the same for the database"
                    .to_owned(),
            });
        }
        findings
    }
}
