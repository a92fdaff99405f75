//! What is tried with each table, and besides.

use domain::Error;

use super::{
    AS_IT_BEGINS, Attempt, NO_CONTEXT, Outcome, Party, Trial, Verdict,
    rows::{Maker, REFERENCES},
};

/// What is tried: in which context, what it is called, and the statement.
type Try = (String, &'static str, String);

/// Every table that the role of a tenant's member can read, with the columns it may change, and where each points to.
const TABLES: &str = "
    SELECT pg_class.oid::regclass, relname,
        (SELECT min(quote_ident(attname)) FROM pg_attribute
         WHERE attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
           AND has_column_privilege('nomad_services_app', attrelid, attnum, 'UPDATE')),
        (SELECT string_agg(quote_ident(attname) || ' ' || confrelid::regclass, ',' ORDER BY attname)
         FROM pg_constraint JOIN pg_attribute ON attrelid = conrelid AND attnum = ANY (conkey)
         WHERE conrelid = pg_class.oid AND contype = 'f')
    FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE relkind IN ('r', 'p') AND nspname !~ '^(pg_|information_schema$)'
      AND (has_table_privilege('nomad_services_app', pg_class.oid, 'SELECT')
        OR has_any_column_privilege('nomad_services_app', pg_class.oid, 'SELECT'))
    ORDER BY 1";

/// Rows that are for everybody.
const PUBLIC_ROWS: [(&str, &str); 1] = [("service_templates", "is_public")];

/// The table nobody rewrites, whoever's the row is.
const TRAIL: &str = "audit_logs";

/// What no member may do with rows of its own tenant: the table, what it is called, and what is set. The last waits with the
/// context it needs until the row was found.
const BEYOND_ITS_OWN: [(&str, &str, &str); 6] = [
    (
        "users",
        "make a member a platform administrator",
        "role = 'admin'",
    ),
    ("tenants", "take another plan", "plan = 'enterprise'"),
    ("tenants", "raise its limit", "max_services = 1000"),
    ("tenants", "let itself in again", "is_active = true"),
    ("subscriptions", "take another plan", "plan = 'enterprise'"),
    (
        "refresh_tokens",
        "give its own session to another tenant's user",
        "user_id = set_config('app.user_id', '{user}', true)::uuid",
    ),
];

const PUBLIC_SCHEMA: &str = "schema public";

/// Before PostgreSQL 15 everybody may.
const NO_CREATE: &str =
    "; REVOKE CREATE ON SCHEMA public FROM PUBLIC, as a superuser, and GRANT it to the login";

/// A statement that no member of a tenant has any business with.
const BEYOND: [(&str, &str, &str); 10] = [
    ("server", "read a file", "SELECT pg_read_file('PG_VERSION')"),
    (
        "server",
        "run a program",
        "COPY (SELECT 1) TO PROGRAM 'true'",
    ),
    (
        "server",
        "read the passwords of logins",
        "SELECT FROM pg_authid LIMIT 1",
    ),
    (
        "database",
        "make a schema",
        "CREATE SCHEMA verify_isolation",
    ),
    (
        PUBLIC_SCHEMA,
        "make a table",
        "CREATE TABLE public.verify_isolation ()",
    ),
    (
        PUBLIC_SCHEMA,
        "make a function that runs as its owner",
        "CREATE FUNCTION public.verify_isolation() RETURNS integer LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'",
    ),
    (
        "role nomad_services_app",
        "take BYPASSRLS",
        "ALTER ROLE nomad_services_app BYPASSRLS",
    ),
    (
        "role nomad_services_app",
        "become a member of the role that reads files",
        "GRANT pg_read_server_files TO nomad_services_app",
    ),
    (
        "row-level security",
        "turn triggers off",
        "SET LOCAL session_replication_role = replica",
    ),
    (
        "row-level security",
        "add an event of another tenant's trail with a function of its own",
        "SELECT audit_append(NULL, NULL, 'verify', 'isolation', '{}')",
    ),
];

pub(super) struct Table {
    /// As SQL names it.
    pub name: String,
    changeable: Option<String>,
    /// Columns with the tables they point at.
    references: Vec<(String, String)>,
}

/// Where rows are, as PostgreSQL counts places.
pub(super) struct Places(Vec<String>);

/// A table, the two tenants, and where their rows in it are.
pub(super) struct Stage<'stage> {
    pub table: &'stage Table,
    pub victim: &'stage Party,
    pub attacker: &'stage Party,
    pub foreign: Places,
    pub own: Places,
}

impl Places {
    fn condition(&self) -> String {
        format!("ctid = ANY ('{{{}}}'::tid[])", self.0.join(","))
    }
}

impl Table {
    pub(super) async fn all(trial: &Trial) -> Result<Vec<Self>, Error> {
        let rows = trial.select(TABLES).await?;
        let table = |columns: Vec<String>| {
            let mut columns = columns.into_iter();
            let mut next = || columns.next().unwrap_or_default();
            let (name, _, changeable, references) = (next(), next(), next(), next());
            let references = references.split(',').filter_map(|pair| {
                let (column, table) = pair.split_once(' ')?;
                Some((column.to_owned(), table.to_owned()))
            });
            Self {
                name,
                changeable: Some(changeable).filter(|column| !column.is_empty()),
                references: references.collect(),
            }
        };
        Ok(rows.into_iter().map(table).collect())
    }

    /// One of the rows that are not for everybody.
    pub(super) fn any_row(&self) -> String {
        let public = PUBLIC_ROWS.iter().find(|(table, _)| *table == self.name);
        let condition = public.map(|(_, condition)| format!("WHERE NOT {condition}"));
        format!(
            "SELECT FROM {} {} LIMIT 1",
            self.name,
            condition.unwrap_or_default()
        )
    }

    /// The rows that this transaction has made, as far as `party` sees them.
    pub(super) async fn rows_made_for(
        &self,
        trial: &Trial,
        party: &Party,
    ) -> Result<Places, Error> {
        trial.run(&party.context()).await?;
        let made = format!(
            "SELECT quote_ident(ctid::text) FROM {} WHERE xmin::text::bigint = txid_current() % 4294967296",
            self.name
        );
        let rows = trial.select(&made).await?;
        Ok(Places(rows.into_iter().flatten().collect()))
    }
}

/// Rows that are there already.
pub(super) async fn any_rows(
    trial: &Trial,
    tables: &[Table],
    tried: &str,
) -> Result<Vec<Attempt>, Error> {
    let mut attempts = Vec::new();
    for table in tables {
        let seen = trial.attempt(AS_IT_BEGINS, &table.any_row()).await?;
        attempts.push(Attempt::judged(&table.name, tried, &seen));
    }
    Ok(attempts)
}

impl Stage<'_> {
    pub(super) async fn play(&self, trial: &Trial) -> Result<Vec<Attempt>, Error> {
        let table = &self.table.name;
        if self.foreign.0.is_empty() {
            let outcome = "no row of a tenant could be made in it".to_owned();
            let untried = Attempt::new(table, "make a row", outcome, Verdict::Untried);
            return Ok(vec![untried]);
        }
        let mut attempts = Vec::new();
        for (context, what, sql) in self
            .with_foreign_rows()
            .into_iter()
            .chain(self.with_own_rows())
        {
            let outcome = trial.attempt(&context, &sql).await?;
            attempts.push(Attempt::judged(table, what, &outcome));
        }
        Ok(attempts)
    }

    fn with_foreign_rows(&self) -> Vec<Try> {
        let (table, foreign) = (&self.table.name, self.foreign.condition());
        let read = format!("SELECT FROM {table} WHERE {foreign}");
        let attacker = self.attacker.context();
        let unbound = format!("{attacker}; SET LOCAL row_security = off");
        let mut tries = vec![
            (
                NO_CONTEXT.to_owned(),
                "read rows without a context",
                read.clone(),
            ),
            (
                unbound,
                "read another tenant's rows with row_security off",
                read.clone(),
            ),
        ];
        let mut as_attacker = |what, sql| tries.push((attacker.clone(), what, sql));
        as_attacker("lock another tenant's rows", format!("{read} FOR UPDATE"));
        as_attacker("read another tenant's rows", read);
        as_attacker(
            "read what the planner knows of its values",
            format!(
                "SELECT FROM pg_stats WHERE format('%I.%I', schemaname, tablename)::regclass = '{table}'::regclass"
            ),
        );
        if let Some(column) = &self.table.changeable {
            let update = format!("UPDATE {table} SET {column} = {column} WHERE {foreign}");
            as_attacker("change another tenant's rows", update);
        }
        as_attacker(
            "delete another tenant's rows",
            format!("DELETE FROM {table} WHERE {foreign}"),
        );
        as_attacker("empty it", format!("TRUNCATE {table} CASCADE"));
        as_attacker(
            "turn row-level security off",
            format!("ALTER TABLE {table} DISABLE ROW LEVEL SECURITY"),
        );
        as_attacker(
            "add a policy",
            format!("CREATE POLICY verify_isolation ON {table} USING (true)"),
        );
        tries
    }

    fn with_own_rows(&self) -> Vec<Try> {
        let (table, own) = (&self.table.name, self.own.condition());
        let mut tries = Vec::new();
        let mut as_attacker = |what, sql| tries.push((self.attacker.context(), what, sql));
        for (column, referred) in &self.table.references {
            if let Some(id) = self.victim.id_in(referred) {
                let update = format!("UPDATE {table} SET {column} = '{id}' WHERE {own}");
                as_attacker("point its own row at another tenant's", update);
            }
        }
        for (_, what, set) in BEYOND_ITS_OWN.iter().filter(|(of, _, _)| of == table) {
            let user = self.victim.id_in("users").unwrap_or_default();
            let set = set.replace("{user}", user);
            as_attacker(*what, format!("UPDATE {table} SET {set} WHERE {own}"));
        }
        if table == TRAIL {
            let change = format!("UPDATE {table} SET action = '' WHERE {own}");
            as_attacker("change its own trail", change);
            as_attacker(
                "delete its own trail",
                format!("DELETE FROM {table} WHERE {own}"),
            );
            let forge = format!(
                "INSERT INTO {table} (user_id, tenant_id, action, resource) SELECT user_id, tenant_id, 'forged', '' \
                 FROM {table} WHERE {own}"
            );
            as_attacker("add to its own trail", forge);
        }
        tries
    }
}

/// Rows of another tenant, of nobody, and of its own that point at another tenant's.
pub(super) async fn insert(
    trial: &Trial,
    (table, _, template): &(&'static str, Maker, &str),
    victim: &Party,
    attacker: &Party,
) -> Result<Vec<Attempt>, Error> {
    let own_id = REFERENCES.iter().find(|(_, of)| of == table);
    let own_id = own_id.map(|(name, _)| *name);
    let mut tries = vec![
        (
            attacker.context(),
            "insert a row of another tenant",
            victim.clone(),
        ),
        (
            NO_CONTEXT.to_owned(),
            "insert a row without a context",
            attacker.clone(),
        ),
    ];
    for (name, referred) in REFERENCES {
        if Some(name) != own_id && template.contains(name) && referred != "tenants" {
            let mixed = attacker.with(name, victim);
            tries.push((
                attacker.context(),
                "insert a row that points at another tenant's",
                mixed,
            ));
        }
    }
    let mut attempts = Vec::new();
    for (context, what, party) in tries {
        let party = match own_id {
            Some(name) => party.renewed(trial, name).await?,
            None => party,
        };
        let outcome = trial
            .attempt(&context, &party.fill(trial, template).await?)
            .await?;
        attempts.push(Attempt::judged(table, what, &outcome));
    }
    Ok(attempts)
}

/// What does not belong to one table.
pub(super) async fn beyond_tables(trial: &Trial, attacker: &Party) -> Result<Vec<Attempt>, Error> {
    let mut attempts = Vec::new();
    for (object, what, sql) in BEYOND {
        let outcome = trial.attempt(&attacker.context(), sql).await?;
        let mut attempt = Attempt::judged(object, what, &outcome);
        // A statement that answers with no row has taken effect as well.
        if let Outcome::Rows(_) = outcome {
            let remedy = if object == PUBLIC_SCHEMA {
                NO_CREATE
            } else {
                ""
            };
            let outcome = format!("it is possible{remedy}");
            attempt = Attempt::new(object, what, outcome, Verdict::Broken);
        }
        attempts.push(attempt);
    }
    let powerful = trial.select(POWERFUL).await?;
    for role in powerful.into_iter().flatten() {
        let outcome = trial
            .attempt(&attacker.context(), &format!("SET LOCAL ROLE {role}"))
            .await?;
        attempts.push(become_role(&role, &outcome));
    }
    Ok(attempts)
}

/// Roles that can do more than a member of a tenant may.
const POWERFUL: &str = "
    SELECT quote_ident(rolname) FROM pg_roles
    WHERE rolsuper OR rolbypassrls OR oid = 'nomad_services_system'::regrole
       OR oid IN (SELECT relowner FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
                  WHERE nspname !~ '^(pg_|information_schema$)')";

/// Which roles a session may become, PostgreSQL decides by the login, not by the role it runs as.
fn become_role(role: &str, outcome: &Outcome) -> Attempt {
    let object = format!("role {role}");
    let what = "become it, past the product, which sends no such statement";
    match outcome {
        Outcome::Refused { .. } => Attempt::judged(&object, what, outcome),
        Outcome::Rows(_) => {
            let outcome =
                "the login may, because it works across tenants or owns the tables as well";
            Attempt::new(&object, what, outcome.to_owned(), Verdict::Noted)
        }
    }
}
