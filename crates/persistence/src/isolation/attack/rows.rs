//! Two tenants with a row in every table: a line for each table says how. `{tenant}`, `{user}`, `{service}`, … stand for
//! ids of the tenant whose row it is, `{new}` for one that nothing has yet.

use std::collections::BTreeMap;

use domain::Error;

use crate::connection::{Outcome, Trial};

/// Who makes a row.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Maker {
    /// A member of the tenant.
    App,
    /// What works across tenants.
    System,
    /// The functions of the tables' owner alone, and so the owner, where the login is that.
    Owner,
}

use Maker::{App, Owner, System};

/// Nobody who acts is known before there are users.
const AS_SYSTEM: &str = "SET LOCAL ROLE nomad_services_system; SET LOCAL app.tenant_id = ''; SET LOCAL app.user_id = ''";

/// As `archive_audit_logs` works.
const AS_OWNER: &str = "SET LOCAL ROLE NONE; SET LOCAL app.archiving = 'on'";

/// In the order in which they refer to each other. Rows of `audit_logs` are made by the triggers of the others.
pub(super) const ROWS: &[(&str, Maker, &str)] = &[
    (
        "tenants",
        System,
        "INSERT INTO tenants (id, name, slug) VALUES ('{tenant}', 'verify-isolation', '{tenant}')",
    ),
    (
        "users",
        System,
        "INSERT INTO users (id, email, username, password, role, tenant_id) \
         VALUES ('{user}', '{user}@verify-isolation.invalid', '{user}', '!', 'tenant_admin', '{tenant}')",
    ),
    (
        "subscriptions",
        System,
        "INSERT INTO subscriptions (id, tenant_id, plan) VALUES ('{subscription}', '{tenant}', 'free')",
    ),
    (
        "services",
        App,
        "INSERT INTO services (id, name, type, config, tenant_id, created_by) \
         VALUES ('{service}', '{service}', 'custom', '{}', '{tenant}', '{user}')",
    ),
    (
        "service_deployments",
        App,
        "INSERT INTO service_deployments (id, service_id, deployed_by) VALUES ('{deployment}', '{service}', '{user}')",
    ),
    (
        "service_templates",
        App,
        "INSERT INTO service_templates (id, name, type, config, is_public, created_by) \
         VALUES ('{template}', 'verify-isolation', 'custom', '{}', false, '{user}')",
    ),
    (
        "api_keys",
        App,
        "INSERT INTO api_keys (id, name, key, user_id, tenant_id) \
         VALUES ('{key}', 'verify-isolation', '{key}', '{user}', '{tenant}')",
    ),
    (
        "api_key_grants",
        App,
        "INSERT INTO api_key_grants (api_key_id, scopes) VALUES ('{key}', '{read}')",
    ),
    (
        "invitations",
        App,
        "INSERT INTO invitations (tenant_id, email, role, token_hash, invited_by, expires_at) \
         VALUES ('{tenant}', '{user}@verify-isolation.invalid', 'user', '{new}', '{user}', CURRENT_TIMESTAMP)",
    ),
    (
        "deployment_tasks",
        App,
        "INSERT INTO deployment_tasks (tenant_id, service_id, deployment_id, action, nomad_namespace, nomad_job_id, phase, \
         deadline_at, finished_at) \
         VALUES ('{tenant}', '{service}', '{deployment}', 'start', '', '', '{}', CURRENT_TIMESTAMP, CURRENT_TIMESTAMP)",
    ),
    (
        "refresh_tokens",
        System,
        "INSERT INTO refresh_tokens (family_id, user_id, token_hash, expires_at) \
         VALUES ('{new}', '{user}', '{new}', CURRENT_TIMESTAMP)",
    ),
    (
        "idempotency_keys",
        App,
        "INSERT INTO idempotency_keys (user_id, key, fingerprint, status, response) VALUES ('{user}', '{new}', '', 201, '{}')",
    ),
    (
        "tenant_keys",
        App,
        "INSERT INTO tenant_keys (tenant_id, version, wrapped, wrapped_by, state) VALUES ('{tenant}', 1, '', '', 'old')",
    ),
    (
        "audit_leaves",
        System,
        "INSERT INTO audit_leaves (tenant_id, leaf_index, audit_log_id) VALUES ('{tenant}', 0, '{new}')",
    ),
    (
        "audit_hashes",
        System,
        "INSERT INTO audit_hashes (tenant_id, position, hash) VALUES ('{tenant}', 0, decode(repeat('00', 32), 'hex'))",
    ),
    (
        "audit_checkpoints",
        System,
        "INSERT INTO audit_checkpoints (tenant_id, tree_size, note, key_id) VALUES ('{tenant}', 1, '', '')",
    ),
    (
        "audit_archives",
        Owner,
        "INSERT INTO audit_archives (tenant_id, end_index, archived_before) VALUES ('{tenant}', 0, CURRENT_TIMESTAMP)",
    ),
];

/// What a row may refer to, with the table it stands in.
pub(super) const REFERENCES: [(&str, &str); 7] = [
    ("{tenant}", "tenants"),
    ("{user}", "users"),
    ("{service}", "services"),
    ("{deployment}", "service_deployments"),
    ("{template}", "service_templates"),
    ("{subscription}", "subscriptions"),
    ("{key}", "api_keys"),
];

/// A tenant that exists in the trial's transaction alone.
#[derive(Clone, Debug)]
pub(super) struct Party {
    ids: BTreeMap<&'static str, String>,
}

impl Party {
    pub(super) async fn new(trial: &Trial) -> Result<Self, Error> {
        let count = REFERENCES.len();
        let ids = trial
            .select(&format!(
                "SELECT gen_random_uuid() FROM generate_series(1, {count})"
            ))
            .await?;
        let ids = REFERENCES.iter().zip(ids.into_iter().flatten());
        Ok(Self {
            ids: ids.map(|((name, _), id)| (*name, id)).collect(),
        })
    }

    /// The id of its row in `table`.
    pub(super) fn id_in(&self, table: &str) -> Option<&str> {
        let (name, _) = REFERENCES.iter().find(|(_, of)| *of == table)?;
        self.id(name)
    }

    pub(super) fn id(&self, name: &str) -> Option<&str> {
        self.ids.get(name).map(String::as_str)
    }

    /// The same, except that `name` is what it is to `other`.
    pub(super) fn with(&self, name: &'static str, other: &Self) -> Self {
        let mut ids = self.ids.clone();
        ids.extend(other.ids.get(name).map(|id| (name, id.clone())));
        Self { ids }
    }

    /// The same, with a new id in place of `name`.
    pub(super) async fn renewed(&self, trial: &Trial, name: &'static str) -> Result<Self, Error> {
        Ok(self.with(name, &Self::new(trial).await?))
    }

    /// The statement that makes its row.
    pub(super) async fn fill(&self, trial: &Trial, template: &str) -> Result<String, Error> {
        let mut sql = template.to_owned();
        for (name, id) in &self.ids {
            sql = sql.replace(name, id);
        }
        let new = trial.select("SELECT gen_random_uuid()").await?;
        let new = new.into_iter().flatten().next().unwrap_or_default();
        Ok(sql.replace("{new}", &new))
    }

    /// Makes a statement one of its own member's.
    pub(super) fn context(&self) -> String {
        let id = |name| self.id(name).unwrap_or_default();
        format!(
            "SET LOCAL ROLE nomad_services_app; SET LOCAL app.tenant_id = '{}'; SET LOCAL app.user_id = '{}'",
            id("{tenant}"),
            id("{user}")
        )
    }

    /// Makes its row in one table.
    pub(super) async fn make_row(
        &self,
        trial: &Trial,
        (table, maker, template): (&str, Maker, &str),
    ) -> Result<(), Error> {
        let (context, after) = match maker {
            App => (self.context(), ""),
            System => (AS_SYSTEM.to_owned(), ""),
            Owner => (AS_OWNER.to_owned(), "SET LOCAL app.archiving = ''"),
        };
        let sql = self.fill(trial, template).await?;
        if maker == Owner && !matches!(trial.attempt(&context, &sql).await?, Outcome::Rows(_)) {
            // The login is not the owner. The attack says what it could not try.
            return Ok(());
        }
        trial.run(&context).await?;
        let made = trial.run(&format!("{sql}; {after}")).await;
        made.map_err(|error| Error::internal(format!("no row can be made in {table}: {error:?}")))
    }
}
