//! The rules that every table, policy, view, function and grant has to follow: whoever adds one that breaks them is told
//! here. A server asks the same question about its own database before it serves, hence where the text stands.

use tokio_postgres::Client;

use crate::{connect, migrated};

const RULES: &str = include_str!("../../../crates/persistence/src/isolation/rules.sql");

/// Whether or not a runtime role gets to it: the owner is bound as well.
const UNFORCED: &str = "
    SELECT relname::text FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND relname <> 'seaql_migrations'
      AND NOT (relrowsecurity AND relforcerowsecurity)";

#[tokio::test]
async fn every_object_of_the_schema_follows_the_rules() {
    let database = migrated().await;
    let client = connect(&database.url()).await;
    assert_eq!(findings(&client).await, Vec::<String>::new());
    let unforced = client.query(UNFORCED, &[]).await.unwrap();
    let names: Vec<String> = unforced.iter().map(|row| row.get(0)).collect();
    assert_eq!(names, Vec::<String>::new(), "without row-level security");
}

#[tokio::test]
async fn a_table_or_policy_that_shows_too_much_is_named() {
    let database = migrated().await;
    let client = connect(&database.url()).await;
    let context = "(SELECT NULLIF(current_setting('app.tenant_id', true), '')::uuid)";
    let good = format!("tenant_id = {context}");
    let per_row = "tenant_id = NULLIF(current_setting('app.tenant_id', true), '')::uuid";
    let raising = "tenant_id = (SELECT current_setting('app.tenant_id', true)::uuid)";
    let loose = format!("{good} OR id IS NULL");
    let elsewhere = format!("EXISTS (SELECT FROM users WHERE users.tenant_id = {context})");
    let table = |policies: &str| {
        format!(
            "CREATE TABLE planted (id uuid, tenant_id uuid);
             GRANT SELECT, INSERT ON planted TO nomad_services_app;
             ALTER TABLE planted ENABLE ROW LEVEL SECURITY;
             ALTER TABLE planted FORCE ROW LEVEL SECURITY;
             {policies}"
        )
    };
    let policy = |using: &str, check: &str| {
        format!(
            "CREATE POLICY own ON planted TO nomad_services_app USING ({using}) WITH CHECK ({check})"
        )
    };
    for (planted, object, problem) in [
        (String::new(), "table planted", "no policy for"),
        (
            policy(&good, &good) + "; ALTER TABLE planted NO FORCE ROW LEVEL SECURITY",
            "table planted",
            "row-level security is not forced",
        ),
        (
            policy(&good, &good) + "; ALTER TABLE planted DISABLE ROW LEVEL SECURITY",
            "table planted",
            "row-level security is not enabled",
        ),
        (policy("true", &good), "policy own on planted", "USING true"),
        (
            policy(&good, "true"),
            "policy own on planted",
            "WITH CHECK true",
        ),
        (policy(per_row, &good), "policy own on planted", "USING"),
        (policy(raising, &good), "policy own on planted", "USING"),
        (policy(&loose, &good), "policy own on planted", "USING"),
        (policy(&elsewhere, &good), "policy own on planted", "USING"),
        (
            format!("CREATE POLICY own ON planted TO nomad_services_app USING ({good})"),
            "policy own on planted",
            "no WITH CHECK",
        ),
        (
            format!("CREATE POLICY own ON planted USING ({good}) WITH CHECK ({good})"),
            "policy own on planted",
            "it is for everybody",
        ),
        (
            policy(&good, &good)
                + "; CREATE POLICY more ON planted FOR SELECT TO nomad_services_app USING (true)",
            "policy more on planted",
            "USING true",
        ),
    ] {
        is_told(&client, &table(&planted), object, problem).await;
    }
    let found = with_planted(&client, &table(&policy(&good, &good))).await;
    assert_eq!(found, Vec::<String>::new(), "what follows the rules");
}

#[tokio::test]
async fn a_view_function_or_grant_that_leads_past_the_policies_is_named() {
    let database = migrated().await;
    let client = connect(&database.url()).await;
    let function = |attributes: &str| {
        format!("CREATE FUNCTION planted() RETURNS integer LANGUAGE sql {attributes} AS 'SELECT 1'")
    };
    let view = |kind: &str, grant: &str| {
        format!("CREATE {kind} planted AS SELECT * FROM services; GRANT {grant}")
    };
    let grant = |grant: &str| format!("GRANT {grant}");
    let app = "nomad_services_app";
    let system = "nomad_services_system";
    for (planted, object, problem) in [
        (
            view("VIEW", &format!("SELECT ON planted TO {app}")),
            "view planted",
            "nomad_services_app can read it",
        ),
        (
            view("VIEW", &format!("SELECT (id) ON planted TO {system}")),
            "view planted",
            "nomad_services_system can read it",
        ),
        (
            view("MATERIALIZED VIEW", "SELECT ON planted TO PUBLIC"),
            "materialized view planted",
            "nomad_services_app can read it",
        ),
        (
            function("SECURITY DEFINER SET search_path = pg_catalog, pg_temp"),
            "function planted()",
            "it is SECURITY DEFINER and not reviewed",
        ),
        (
            function("SECURITY DEFINER"),
            "function planted()",
            "it is SECURITY DEFINER and has no search_path",
        ),
        (
            function("SECURITY DEFINER SET search_path = public"),
            "function planted()",
            "it is SECURITY DEFINER and has no search_path",
        ),
        (
            grant(&format!("TRUNCATE ON services TO {app}")),
            "table services",
            "TRUNCATE is granted to nomad_services_app",
        ),
        (
            grant(&format!("REFERENCES (id) ON services TO {system}")),
            "table services",
            "REFERENCES is granted to nomad_services_system",
        ),
        (
            grant(&format!("TRIGGER ON services TO {app}")),
            "table services",
            "TRIGGER is granted to nomad_services_app",
        ),
        (
            grant("SELECT ON services TO PUBLIC"),
            "table services",
            "SELECT is granted to everybody",
        ),
        (
            grant(&format!("SELECT ON seaql_migrations TO {app}")),
            "table seaql_migrations",
            "SELECT is granted to nomad_services_app",
        ),
        (
            format!("CREATE SCHEMA planted; GRANT CREATE ON SCHEMA planted TO {app}"),
            "schema planted",
            "nomad_services_app can create in it",
        ),
        (
            format!("CREATE SCHEMA planted; ALTER SCHEMA planted OWNER TO {app}"),
            "schema planted",
            "it belongs to nomad_services_app",
        ),
        (
            grant(&format!("UPDATE (plan) ON tenants TO {app}")),
            "table tenants",
            "UPDATE is granted to nomad_services_app on the column plan",
        ),
        (
            "DROP POLICY users_role ON users".to_owned(),
            "policy users_role on users",
            "it is missing or not as it was made",
        ),
        (
            "DROP POLICY users_role ON users;
             CREATE POLICY users_role ON users AS RESTRICTIVE TO nomad_services_app USING (true)"
                .to_owned(),
            "policy users_role on users",
            "it is missing or not as it was made",
        ),
    ] {
        is_told(&client, &planted, object, problem).await;
    }
}

#[tokio::test]
async fn every_grant_that_no_migration_made_is_named_and_taken_back_by_its_remedy() {
    let database = migrated().await;
    let client = connect(&database.url()).await;
    for row in client.query(TABLES, &[]).await.unwrap() {
        let table: &str = row.get(0);
        let before = texts(&client, GRANTS, table).await;
        let missing = client.query(MISSING_GRANTS, &[&table]).await.unwrap();
        client.batch_execute("BEGIN").await.unwrap();
        for row in &missing {
            let (privilege, role): (&str, &str) = (row.get(0), row.get(1));
            let planted = format!("GRANT {privilege} ON {table} TO {role}");
            client.batch_execute(&planted).await.unwrap();
        }
        let found = client.query(RULES, &[]).await.unwrap();
        for row in &missing {
            let (privilege, role): (&str, &str) = (row.get(0), row.get(1));
            let problem = format!("{privilege} is granted to {role}");
            let finding = found
                .iter()
                .find(|row| row.get::<_, &str>("problem") == problem);
            assert!(finding.is_some(), "{problem}, on {table}, is not told");
            let remedy: &str = finding.unwrap().get("remedy");
            client.batch_execute(remedy).await.unwrap();
        }
        assert_eq!(findings(&client).await, Vec::<String>::new(), "{table}");
        assert_eq!(texts(&client, GRANTS, table).await, before, "{table}");
        client.batch_execute("ROLLBACK").await.unwrap();
    }
}

const TABLES: &str = "SELECT relname::text FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'";

/// What each runtime role may not do with a table.
const MISSING_GRANTS: &str = "
    SELECT privilege, role
    FROM (VALUES ('SELECT'), ('INSERT'), ('UPDATE'), ('DELETE'), ('TRUNCATE'), ('REFERENCES'), ('TRIGGER')) AS p (privilege),
        (VALUES ('nomad_services_app'), ('nomad_services_system')) AS r (role)
    WHERE NOT has_table_privilege(role, $1::text::regclass, privilege)";

const GRANTS: &str = "
    SELECT format('%s %s', attname, unnest(attacl)) FROM pg_attribute WHERE attrelid = $1::text::regclass
    UNION ALL SELECT unnest(COALESCE(relacl, acldefault('r', relowner)))::text FROM pg_class WHERE oid = $1::text::regclass
    ORDER BY 1";

/// Everything is taken back, so that one database serves all.
async fn with_planted(client: &Client, planted: &str) -> Vec<String> {
    client.batch_execute("BEGIN").await.unwrap();
    client.batch_execute(planted).await.unwrap();
    let found = findings(client).await;
    client.batch_execute("ROLLBACK").await.unwrap();
    found
}

async fn is_told(client: &Client, planted: &str, object: &str, problem: &str) {
    let found = with_planted(client, planted).await;
    let wanted = format!("{object}: {problem}");
    assert!(
        found.iter().any(|finding| finding.starts_with(&wanted)),
        "{planted}\nis to be told as {wanted:?}, not as {found:#?}"
    );
}

async fn findings(client: &Client) -> Vec<String> {
    let rows = client.query(RULES, &[]).await.unwrap();
    let finding = |row: &tokio_postgres::Row| {
        let (object, problem): (&str, &str) = (row.get("object"), row.get("problem"));
        format!("{object}: {problem}")
    };
    rows.iter().map(finding).collect()
}

async fn texts(client: &Client, query: &str, table: &str) -> Vec<String> {
    let rows = client.query(query, &[&table]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}
