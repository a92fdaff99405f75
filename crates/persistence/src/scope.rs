//! Who acts, in which tenant, and through which request: the context each transaction carries, which row-level security
//! and the audit read. What every transaction has alike (its role, its time zone, how long it may take) comes with the session;
//! behind a pooler, which gives each transaction another session, the context carries that as well.

use domain::{Acting, Origin, TenantId, UserId};
use sea_orm::{DbBackend, Statement, Value};

/// The beginning of every context.
macro_rules! identity {
    () => {
        "SELECT set_config('app.tenant_id', $1, true), set_config('app.user_id', $2, true)"
    };
}

/// What the audit says about a request.
macro_rules! request {
    () => {
        ", set_config('app.request_id', $3, true), set_config('app.ip_address', $4, true), \
         set_config('app.user_agent', $5, true), set_config('app.reason', $6, true), \
         set_config('app.api_key_id', $7, true)"
    };
}

/// What is read leaves no trace, so nobody asks through which request.
const READING: &str = concat!(
    identity!(),
    ", set_config('transaction_read_only', 'on', true)"
);

const CHANGING: &str = concat!(identity!(), request!());

const ACROSS_TENANTS: &str = concat!(
    identity!(),
    request!(),
    ", set_config('role', 'nomad_services_system', true)"
);

/// In a session that carries nothing. A setting that is NULL is what the address says of it.
const WHOLE: &str = concat!(
    identity!(),
    request!(),
    ", set_config('role', $8, true), set_config('transaction_read_only', $9, true), \
     set_config('statement_timeout', $10, true), \
     set_config('idle_in_transaction_session_timeout', $11, true), set_config('timezone', 'UTC', true)"
);

/// Leaves the role that works across tenants.
pub(crate) const INTO_TENANT: &str = "SELECT set_config('role', 'nomad_services_app', true)";

/// What a transaction runs as.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Role {
    /// Row-level security shows it one tenant.
    App,
    /// It works across tenants.
    System,
}

impl Role {
    /// As the migrations name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::App => "nomad_services_app",
            Self::System => "nomad_services_system",
        }
    }
}

/// How long a transaction may take: milliseconds, or nothing where the address says it.
#[derive(Clone, Debug)]
pub(crate) struct Bounds {
    /// Each statement of it.
    pub statement_timeout: Option<String>,
    /// Between two statements of it.
    pub idle_timeout: Option<String>,
}

/// The longest that is kept of what a client calls itself, or says about why it acts, in characters.
const LONGEST_TEXT: usize = 512;

/// The context of a transaction.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    tenant: Option<TenantId>,
    user: Option<UserId>,
    /// Through which request a change is made.
    request: Option<[String; 5]>,
    role: Role,
}

impl Context {
    /// Of what reads in a tenant.
    pub(crate) fn reading(tenant: Option<TenantId>, user: Option<UserId>) -> Self {
        Self {
            tenant,
            user,
            request: None,
            role: Role::App,
        }
    }

    /// Of what changes something.
    pub(crate) fn changing(acting: &Acting, role: Role) -> Self {
        let text = |id: Option<String>| id.unwrap_or_default();
        let Origin {
            request_id,
            ip_address,
            user_agent,
        } = &acting.origin;
        let request = [
            request_id.clone(),
            text(ip_address.map(|address| address.to_string())),
            printable(user_agent.as_deref()),
            printable(acting.reason.as_deref()),
            text(acting.api_key.map(|key| key.to_string())),
        ];
        Self {
            tenant: acting.tenant,
            user: acting.user,
            request: Some(request),
            role,
        }
    }

    /// Sets it: all of it where there are `bounds`, which the session does not carry itself then.
    pub(crate) fn statement(&self, bounds: Option<&Bounds>) -> Statement {
        let text = |id: Option<String>| Value::from(id.unwrap_or_default());
        let mut values = vec![
            text(self.tenant.map(|tenant| tenant.to_string())),
            text(self.user.map(|user| user.to_string())),
        ];
        let reads = self.request.is_none();
        if let Some(request) = &self.request {
            values.extend(request.iter().cloned().map(Value::from));
        }
        let Some(bounds) = bounds else {
            let sql = match (reads, self.role) {
                (true, _) => READING,
                (false, Role::App) => CHANGING,
                (false, Role::System) => ACROSS_TENANTS,
            };
            return Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
        };
        values.resize(7, Value::from(""));
        values.extend([
            self.role.name().into(),
            if reads { "on" } else { "off" }.into(),
            bounds.statement_timeout.clone().into(),
            bounds.idle_timeout.clone().into(),
        ]);
        Statement::from_sql_and_values(DbBackend::Postgres, WHOLE, values)
    }
}

/// PostgreSQL stores no NUL, and a client may send one.
pub(crate) fn printable(text: Option<&str>) -> String {
    let characters = text.unwrap_or_default().chars();
    characters
        .filter(|character| *character != '\0')
        .take(LONGEST_TEXT)
        .collect()
}
