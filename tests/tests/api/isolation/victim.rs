//! Two tenants with rows in every table, and a look at the victim's rows that passes by row-level security.

use std::collections::{BTreeMap, BTreeSet};

use domain::Role;
use reqwest::{Method, StatusCode};
use serde_json::Value;

use super::attack::Finding;
use crate::app::{Person, TestApp, answer, service};

/// Stands in every text of the victim's rows.
pub const MARK: &str = "victim";

/// Ids of a table that are tried; what holds for three rows holds for a hundred.
const IDS_OF_A_TABLE: usize = 3;

/// Tables that belong to no tenant.
const OF_NO_TENANT: [&str; 3] = ["seaql_migrations", "key_rotations", "sign_in_throttles"];

/// Tables that the server fills by itself, whenever it comes to it.
const OF_THE_SEALER: [&str; 5] = [
    "audit_pending",
    "audit_leaves",
    "audit_hashes",
    "audit_checkpoints",
    "audit_archives",
];

/// The victim's people, the attacker, and somebody who runs the platform.
pub struct World<'app> {
    app: &'app TestApp,
    /// Administers the victim's tenant.
    vera: Person<'app>,
    victor: Person<'app>,
    root: Person<'app>,
    /// Administers another tenant.
    pub eve: Person<'app>,
    /// What is the attacker's own.
    pub attackers: Rows,
}

/// A tenant's rows, by table.
#[derive(Clone, Debug)]
pub struct Rows {
    pub tenant: String,
    tables: BTreeMap<String, Vec<Value>>,
    /// Which columns of each table hold ids.
    columns: BTreeMap<String, Vec<String>>,
    /// Ids that stand in rows of others as well.
    shared: BTreeSet<String>,
    /// Those of the people who act in these tests; they come last, lest they lock themselves out.
    actors: Vec<String>,
}

impl<'app> World<'app> {
    pub async fn new(app: &'app TestApp) -> Self {
        let vera = tenant(app, "victim-vera").await;
        let victor = member(app, &vera, "victim-victor", Role::User).await;
        member(app, &vera, "victim-vince", Role::TenantAdmin).await;
        let eve = tenant(app, "eve").await;
        let root = app.administrator("root").await;
        allow_a_look(app).await;
        let world = Self {
            app,
            attackers: rows(app, tenant_of(&eve), &[eve.id()]).await,
            vera,
            victor,
            root,
            eve,
        };
        world.victims_rows().await.assert_complete();
        world
    }

    /// Somebody with this role: in the victim's tenant, or of the platform.
    pub fn person(&self, role: Role) -> &Person<'app> {
        match role {
            Role::User => &self.victor,
            Role::TenantAdmin => &self.vera,
            Role::Admin => &self.root,
        }
    }

    pub async fn sign_in_again(&mut self, role: Role) {
        let (person, name) = match role {
            Role::User => (&mut self.victor, "victim-victor"),
            Role::TenantAdmin => (&mut self.vera, "victim-vera"),
            Role::Admin => (&mut self.root, "root"),
        };
        *person = self.app.login(name).await;
    }

    /// Every row of the victim, or that refers to one of the victim's.
    pub async fn victims_rows(&self) -> Rows {
        let actors = [self.vera.id(), self.victor.id()];
        rows(self.app, tenant_of(&self.vera), &actors).await
    }
}

impl Rows {
    /// Ids to try, those of the people who act last.
    pub fn ids(&self) -> Vec<String> {
        let mut ids = vec![self.tenant.clone()];
        for (table, rows) in &self.tables {
            for row in rows.iter().take(IDS_OF_A_TABLE) {
                ids.extend(self.ids_in(table, row));
            }
        }
        let mut known = BTreeSet::new();
        ids.retain(|id| !self.shared.contains(id) && known.insert(id.clone()));
        ids.sort_by_key(|id| self.actors.contains(id));
        ids
    }

    /// One id of each table.
    pub fn principal_ids(&self) -> Vec<String> {
        let rows = self.tables.values().filter_map(|rows| rows.first());
        rows.filter_map(|row| row["id"].as_str())
            .map(str::to_owned)
            .collect()
    }

    /// What nobody else may see.
    pub fn secrets(&self) -> Vec<String> {
        let tables = self.tables.iter();
        let ids = tables.flat_map(|(table, rows)| rows.iter().map(move |row| (table, row)));
        let ids: BTreeSet<_> = ids
            .flat_map(|(table, row)| self.ids_in(table, row))
            .collect();
        let mut secrets: Vec<_> = ids.difference(&self.shared).cloned().collect();
        secrets.push(MARK.to_owned());
        secrets
    }

    /// Without the trail of what its own people were refused.
    pub fn without_refusals(mut self) -> Self {
        let trail = self.tables.get_mut("audit_logs");
        trail
            .into_iter()
            .for_each(|rows| rows.retain(|row| row["action"] != "access.refused"));
        self
    }

    /// What `after` has that this has not, and the other way round.
    pub fn differences(&self, after: &Self) -> Vec<Finding> {
        let none = Vec::new();
        let tables: BTreeSet<_> = self.tables.keys().chain(after.tables.keys()).collect();
        let mut findings = Vec::new();
        for table in tables {
            let before = self.tables.get(table).unwrap_or(&none);
            let after = after.tables.get(table).unwrap_or(&none);
            let gone = before.iter().filter(|row| !after.contains(row));
            findings.extend(gone.map(|row| Finding::in_table(table, format!("gone: {row}"))));
            let new = after.iter().filter(|row| !before.contains(row));
            findings.extend(new.map(|row| Finding::in_table(table, format!("new: {row}"))));
        }
        findings
    }

    fn ids_in(&self, table: &str, row: &Value) -> Vec<String> {
        let columns = self.columns.get(table).into_iter().flatten();
        columns
            .filter_map(|column| row[column].as_str())
            .map(str::to_owned)
            .collect()
    }

    /// A table without a row of the victim's is one that the attack can't say anything about.
    fn assert_complete(&self) {
        let tables = self.columns.keys().map(String::as_str);
        let empty: Vec<_> = tables
            .filter(|table| !OF_NO_TENANT.contains(table) && !OF_THE_SEALER.contains(table))
            .filter(|table| !self.tables.contains_key(*table))
            .collect();
        assert!(
            empty.is_empty(),
            "the victim has no row in {empty:?}: make one in isolation/victim.rs"
        );
    }
}

fn tenant_of(person: &Person<'_>) -> String {
    person.user["tenant_id"]
        .as_str()
        .expect("a tenant")
        .to_owned()
}

/// A tenant that has used everything there is, with its administrator.
async fn tenant<'app>(app: &'app TestApp, name: &str) -> Person<'app> {
    let person = app.register(name).await;
    let create = |kind: &str| {
        person
            .request(Method::POST, "/services")
            .header("idempotency-key", kind)
            .json(&service(&format!("{name}-{kind}"), kind))
    };
    let (status, running) = answer(create("database")).await;
    assert_eq!(status, StatusCode::CREATED, "{running}");
    for kind in ["web_server", "custom"] {
        assert_eq!(answer(create(kind)).await.0, StatusCode::CREATED);
    }
    let id = running["id"].as_str().expect("an id");
    let deployment = person.deploy(id, "start").await;
    assert_eq!(deployment["status"], "completed", "{deployment}");
    let tenant = tenant_of(&person);
    let mut client = app.database_client().await;
    let transaction = client.transaction().await.expect("a transaction");
    let context = format!(
        "SET LOCAL ROLE nomad_services_app; SET LOCAL app.tenant_id = '{tenant}'; SET LOCAL app.user_id = '{}'",
        person.id()
    );
    transaction
        .batch_execute(&context)
        .await
        .expect("a context");
    let user = person.id().parse::<uuid::Uuid>().expect("an id");
    for number in 0..2 {
        let text = format!("{name}-{number}");
        let template = "INSERT INTO service_templates (name, type, category, tags, config, is_public, created_by)
            VALUES ($1::text, 'custom', $1::text, ARRAY[$1::text], '{}', false, $2)";
        let key = "INSERT INTO api_keys (name, key, user_id, tenant_id)
            VALUES ($1::text, $1::text, $2, (SELECT tenant_id FROM users WHERE id = $2))";
        let grant = "INSERT INTO api_key_grants (api_key_id, scopes)
            SELECT id, '{read}' FROM api_keys WHERE name = $1::text AND user_id = $2";
        let invitation = "INSERT INTO invitations (tenant_id, email, role, token_hash, invited_by, expires_at)
            VALUES ((SELECT tenant_id FROM users WHERE id = $2), $1::text, 'user', sha256($1::text::bytea), $2,
                CURRENT_TIMESTAMP + INTERVAL '1 day')";
        for statement in [template, key, grant, invitation] {
            let made = transaction.execute(statement, &[&text, &user]).await;
            made.expect("a row");
        }
    }
    transaction.commit().await.expect("rows");
    person
}

/// One more member of the same tenant.
async fn member<'app>(
    app: &'app TestApp,
    of: &Person<'app>,
    name: &str,
    role: Role,
) -> Person<'app> {
    let insert = "INSERT INTO users (username, email, password, role, tenant_id)
        SELECT $1::text, $1::text || '@example.com', password, $2::text, tenant_id FROM users WHERE id = $3";
    let sponsor = of.id().parse::<uuid::Uuid>().expect("an id");
    app.execute(insert, &[&name, &role.as_str(), &sponsor])
        .await;
    app.login(name).await
}

/// Lets the owner of the tables read every row; nobody else's rights change.
async fn allow_a_look(app: &TestApp) {
    let client = app.owner_client().await;
    for (table, _) in tables(&client).await {
        let policy = format!(
            "CREATE POLICY isolation_suite ON {table} FOR SELECT TO CURRENT_USER USING (true)"
        );
        client.batch_execute(&policy).await.expect("a policy");
    }
}

/// Every table with its columns that hold ids.
async fn tables(client: &tokio_postgres::Client) -> BTreeMap<String, Vec<String>> {
    let question = "SELECT relname::text, array_agg(attname::text ORDER BY attnum) FILTER (WHERE atttypid = 'uuid'::regtype)
        FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') GROUP BY relname";
    let found = client.query(question, &[]).await.expect("the tables");
    let table =
        |row: &tokio_postgres::Row| (row.get(0), row.get::<_, Option<_>>(1).unwrap_or_default());
    found.iter().map(table).collect()
}

async fn rows(app: &TestApp, tenant: String, actors: &[&str]) -> Rows {
    let client = app.owner_client().await;
    let mut columns = tables(&client).await;
    columns.retain(|table, _| !OF_THE_SEALER.contains(&table.as_str()));
    let mut rest = Vec::new();
    let still = |table: &&String| !OF_THE_SEALER.contains(&table.as_str());
    for table in columns.keys().filter(still) {
        let question = format!("SELECT row_to_json(r)::text FROM {table} r ORDER BY 1");
        for row in client.query(&question, &[]).await.expect("rows") {
            let row: Value = serde_json::from_str(row.get(0)).expect("JSON");
            rest.push((table.clone(), row));
        }
    }
    // What refers to one of the tenant's rows is of the tenant, too.
    let mut own = BTreeSet::from([tenant.clone()]);
    let mut found: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    loop {
        let belongs = |(table, row): &(String, Value)| {
            let mut ids = columns[table]
                .iter()
                .filter_map(|column| row[column].as_str());
            ids.any(|id| own.contains(id))
        };
        let (more, others): (Vec<_>, Vec<_>) = rest.into_iter().partition(belongs);
        rest = others;
        if more.is_empty() {
            break;
        }
        for (table, row) in more {
            own.extend(row["id"].as_str().map(str::to_owned));
            found.entry(table).or_default().push(row);
        }
    }
    let of_others = rest.iter().flat_map(|(table, row)| {
        let columns = columns[table].iter();
        columns.filter_map(|column| row[column].as_str().map(str::to_owned))
    });
    let shared = of_others.collect();
    for rows in found.values_mut() {
        rows.sort_by_key(ToString::to_string);
    }
    Rows {
        tenant,
        tables: found,
        columns,
        shared,
        actors: actors.iter().map(|id| (*id).to_owned()).collect(),
    }
}
