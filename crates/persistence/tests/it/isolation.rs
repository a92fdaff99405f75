//! What a server finds out about its database before it serves, each time with one thing broken.

use embedded_postgres::{Binaries, Cluster, Durability};
use persistence::{
    Database, PoolSettings,
    isolation::{Attempt, Finding, Verdict},
};
use secrecy::{ExposeSecret, SecretString};

use crate::database::{Fixture, address, scope, secrecy_text};
use crate::ports::*;

async fn found(database: &Database) -> Vec<String> {
    let standing = database.isolation().await.unwrap();
    standing.findings.iter().map(Finding::to_string).collect()
}

async fn run(url: &str, sql: &str) {
    let connected = tokio_postgres::connect(url, tokio_postgres::NoTls).await;
    let (client, connection) = connected.unwrap();
    tokio::spawn(connection);
    client.batch_execute(sql).await.unwrap();
}

#[tokio::test]
async fn a_migrated_database_is_good_before_and_after_a_tenant_has_used_its_connection() {
    let fixture = Fixture::new(1).await;
    assert_eq!(found(&fixture.database).await, Vec::<String>::new());
    let ada = fixture.user("ada").await;
    let read = fixture.database.read(scope(&ada));
    read.user(ada.id).await.unwrap();
    assert_eq!(found(&fixture.database).await, Vec::<String>::new());
    let standing = fixture.database.isolation().await.unwrap();
    assert_eq!(standing.warnings, []);
}

#[tokio::test]
async fn what_is_broken_is_named_with_what_to_do() {
    for (broken, told) in [
        (
            "ALTER TABLE services DISABLE ROW LEVEL SECURITY",
            "table services: row-level security is not enabled; ALTER TABLE services ENABLE ROW LEVEL SECURITY",
        ),
        (
            "ALTER TABLE services NO FORCE ROW LEVEL SECURITY",
            "table services: row-level security is not forced; ALTER TABLE services ENABLE ROW LEVEL SECURITY",
        ),
        (
            "DROP POLICY services_tenant ON services",
            "table services: no policy for nomad_services_app; make the policy again",
        ),
        (
            "ALTER SCHEMA public OWNER TO CURRENT_USER; GRANT CREATE ON SCHEMA public TO nomad_services_app;
             ALTER TABLE services OWNER TO nomad_services_app",
            "role nomad_services_app: it owns the table services; ALTER TABLE services OWNER TO",
        ),
        (
            "CREATE VIEW everything AS SELECT * FROM services; GRANT SELECT ON everything TO PUBLIC",
            "view everything: nomad_services_app can read it, past row-level security; REVOKE ALL ON everything",
        ),
    ] {
        let fixture = Fixture::new(1).await;
        run(&secrecy_text(&fixture.owned), broken).await;
        let found = found(&fixture.database).await;
        let named = found.iter().any(|finding| finding.starts_with(told));
        assert!(named, "{broken} is to be told as {told:?}, not {found:#?}");
    }
}

/// Roles belong to the whole cluster, hence one of this test's own.
#[tokio::test]
async fn a_role_that_row_level_security_does_not_bind_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let binaries = Binaries::find_or_fetch(None).await.unwrap();
    let place = folder.path().join("cluster");
    let cluster = Cluster::start(binaries, &place, Durability::Throwaway)
        .await
        .unwrap();
    let login = cluster.url();
    migration::up(&address(&login), None).await.unwrap();
    let superuser = login
        .expose_secret()
        .replacen("nomad_services", "postgres", 1);
    let database =
        |url: SecretString| Database::new(&address(&url), PoolSettings::default()).unwrap();
    let own = database(login.clone());
    assert_eq!(found(&own).await, Vec::<String>::new());
    for (broken, mended, told) in [
        (
            "ALTER ROLE nomad_services_app BYPASSRLS",
            "ALTER ROLE nomad_services_app NOBYPASSRLS",
            "role nomad_services_app: it has BYPASSRLS; ALTER ROLE nomad_services_app NOBYPASSRLS",
        ),
        (
            "ALTER ROLE nomad_services_system SUPERUSER",
            "ALTER ROLE nomad_services_system NOSUPERUSER",
            "role nomad_services_system: it is a superuser; ALTER ROLE nomad_services_system NOSUPERUSER",
        ),
        (
            "CREATE ROLE reporting BYPASSRLS; CREATE ROLE middle; GRANT reporting TO middle;
             GRANT middle TO nomad_services_app",
            "DROP ROLE reporting, middle",
            "role nomad_services_app: it is a member of reporting, which has BYPASSRLS; \
             REVOKE middle FROM nomad_services_app",
        ),
    ] {
        run(&superuser, broken).await;
        let now = found(&own).await;
        assert!(
            now.iter().any(|finding| finding == told),
            "{broken}: {now:#?}"
        );
        run(&superuser, mended).await;
        assert_eq!(found(&own).await, Vec::<String>::new(), "{mended}");
    }

    let standing = database(superuser.clone().into())
        .isolation()
        .await
        .unwrap();
    assert_eq!(standing.findings, []);
    let warned = standing.warnings[0].to_string();
    assert!(warned.starts_with("login postgres: "), "{warned}");

    let begun = "ALTER DATABASE nomad_services SET app.tenant_id = 'anything'";
    run(&superuser, begun).await;
    let now = found(&database(login)).await;
    assert!(
        now[0].contains("its sessions begin in the context of a tenant"),
        "{now:?}"
    );
}

async fn attack(database: &Database) -> Vec<Attempt> {
    database.attack().await.unwrap()
}

fn with(attempts: &[Attempt], verdict: Verdict) -> Vec<String> {
    let of = attempts.iter().filter(|attempt| attempt.verdict == verdict);
    of.map(ToString::to_string).collect()
}

/// How many rows each table has, as its owner counts them.
async fn counted(fixture: &Fixture) -> Vec<String> {
    let url = secrecy_text(&fixture.owned);
    let connected = tokio_postgres::connect(&url, tokio_postgres::NoTls).await;
    let (client, connection) = connected.unwrap();
    tokio::spawn(connection);
    let tables = "SELECT relname::text FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY 1";
    let mut counted = Vec::new();
    for table in client.query(tables, &[]).await.unwrap() {
        let table: &str = table.get(0);
        let look = format!("ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY");
        client.batch_execute(&look).await.unwrap();
        let count = format!("SELECT count(*) FROM {table}");
        let count: i64 = client.query_one(&count, &[]).await.unwrap().get(0);
        let back = format!("ALTER TABLE {table} FORCE ROW LEVEL SECURITY");
        client.batch_execute(&back).await.unwrap();
        counted.push(format!("{table}: {count}"));
    }
    counted
}

#[tokio::test]
async fn the_attack_tries_every_table_comes_to_nothing_and_keeps_nothing() {
    let fixture = Fixture::new(2).await;
    fixture.user("ada").await;
    let before = counted(&fixture).await;
    let attempts = attack(&fixture.database).await;
    assert_eq!(with(&attempts, Verdict::Broken), Vec::<String>::new());
    assert_eq!(
        with(&attempts, Verdict::Untried),
        Vec::<String>::new(),
        "a line in persistence/src/isolation/attack/rows.rs makes a row"
    );
    assert!(attempts.len() > 100, "{attempts:#?}");
    assert_eq!(counted(&fixture).await, before);
}

#[tokio::test]
async fn the_attack_finds_a_planted_hole() {
    for (hole, found) in [
        (
            "ALTER TABLE services DISABLE ROW LEVEL SECURITY",
            "FOUND   services: read another tenant's rows: 1 row",
        ),
        (
            "ALTER TABLE api_keys DISABLE ROW LEVEL SECURITY",
            "FOUND   api_keys: insert a row without a context: 1 row",
        ),
        (
            "CREATE POLICY hole ON services FOR SELECT TO nomad_services_app USING (true)",
            "FOUND   services: read another tenant's rows: 1 row",
        ),
        (
            "CREATE POLICY hole ON idempotency_keys TO nomad_services_app USING (true) WITH CHECK (true)",
            "FOUND   idempotency_keys: change another tenant's rows: 1 row",
        ),
        (
            "DROP TRIGGER refuse_foreign_user ON services",
            "FOUND   services: insert a row that points at another tenant's: 1 row",
        ),
        (
            "DROP TRIGGER refuse_foreign_user ON services",
            "FOUND   services: point its own row at another tenant's: 1 row",
        ),
        (
            "GRANT UPDATE ON audit_logs TO nomad_services_app;
             CREATE POLICY hole ON audit_logs FOR UPDATE TO nomad_services_app USING (true)",
            "FOUND   policy hole on audit_logs: read the catalogue: USING true",
        ),
        (
            "GRANT UPDATE ON audit_logs TO nomad_services_app",
            "FOUND   table audit_logs: read the catalogue: UPDATE is granted to nomad_services_app; \
             REVOKE UPDATE ON audit_logs FROM nomad_services_app",
        ),
        (
            "DROP POLICY users_role ON users",
            "FOUND   users: make a member a platform administrator: 1 row",
        ),
        (
            "GRANT UPDATE ON tenants TO nomad_services_app",
            "FOUND   tenants: take another plan: 1 row",
        ),
        (
            "GRANT UPDATE (plan) ON subscriptions TO nomad_services_app",
            "FOUND   subscriptions: take another plan: 1 row",
        ),
        (
            "GRANT UPDATE ON refresh_tokens TO nomad_services_app; DROP TRIGGER keep_user ON refresh_tokens",
            "FOUND   refresh_tokens: give its own session to another tenant's user: 1 row",
        ),
        (
            "GRANT TRUNCATE ON services TO nomad_services_app",
            "FOUND   table services: read the catalogue: TRUNCATE is granted to nomad_services_app",
        ),
        (
            "DROP POLICY services_tenant ON services;
             CREATE POLICY services_tenant ON services TO nomad_services_app
                USING (tenant_id = current_setting('app.tenant_id', true)::uuid)",
            "FOUND   services: read rows without a context: refused (22P02)",
        ),
    ] {
        let fixture = Fixture::new(2).await;
        run(&secrecy_text(&fixture.owned), hole).await;
        let attempts = attack(&fixture.database).await;
        let told = with(&attempts, Verdict::Broken);
        assert!(
            told.iter().any(|line| line.starts_with(found)),
            "{hole} is to be told as {found:?}, not {told:#?}"
        );
    }
}
