//! The context of a transaction: nothing changes it, nothing is seen or written without it, and it ends with its
//! transaction, wherever that was interrupted.

use std::{
    future::{Future, poll_fn},
    task::Poll,
};

use domain::{Acting, ServiceType, SystemPurpose, user::User};
use sea_orm::{DbBackend, Statement};
use tokio_postgres::{Client, error::SqlState};

use crate::database::{Fixture, scope, secrecy_text};
use crate::ports::*;

const TABLES: &str = "SELECT relname::text FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> 'seaql_migrations' ORDER BY 1";

fn statement(sql: &str) -> Statement {
    Statement::from_string(DbBackend::Postgres, sql)
}

impl Fixture {
    /// A session of the login that owns the tables, past the product's pool.
    async fn login(&self) -> Client {
        let url = secrecy_text(&self.owned);
        let connected = tokio_postgres::connect(&url, tokio_postgres::NoTls).await;
        let (client, connection) = connected.unwrap();
        tokio::spawn(connection);
        client
    }

    /// Every table with rows of a tenant.
    async fn tables(&self) -> Vec<String> {
        let rows = self.login().await.query(TABLES, &[]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// Two tenants, each with rows.
    async fn two_tenants(&self) -> (User, User) {
        let (ada, eve) = (self.user("ada").await, self.user("eve").await);
        for user in [&ada, &eve] {
            self.create(user, ServiceType::Custom).await;
            let client = self.login().await;
            let (tenant, id) = (user.tenant.unwrap(), user.id);
            let rows = format!(
                "BEGIN; SET LOCAL ROLE nomad_services_app;
                 SET LOCAL app.tenant_id = '{tenant}'; SET LOCAL app.user_id = '{id}';
                 INSERT INTO service_templates (name, type, is_public, created_by) VALUES ('t', 'custom', false, '{id}');
                 INSERT INTO service_deployments (service_id, deployed_by) SELECT id, created_by FROM services;
                 INSERT INTO api_keys (name, key, user_id, tenant_id) VALUES ('k', '{id}', '{id}', '{tenant}');
                 INSERT INTO idempotency_keys (user_id, key, fingerprint, status, response)
                     VALUES ('{id}', 'k', '', 201, '{{}}');
                 COMMIT"
            );
            client.batch_execute(&rows).await.unwrap();
        }
        (ada, eve)
    }
}

#[tokio::test]
async fn a_statement_that_would_change_the_context_or_the_transaction_is_not_even_sent() {
    let fixture = Fixture::new(1).await;
    let (ada, eve) = (fixture.user("ada").await, fixture.user("eve").await);
    fixture.create(&eve, ServiceType::Custom).await;
    let foreign = eve.tenant.unwrap();
    let refused = [
        &format!("SET LOCAL app.tenant_id = '{foreign}'"),
        &format!("SELECT set_config('app.tenant_id', '{foreign}', true)"),
        &format!("SELECT pg_catalog.SET_CONFIG('app.tenant_id', '{foreign}', false)"),
        &format!(
            "WITH c AS (SELECT \"set_config\"('app.tenant_id', '{foreign}', true)) SELECT * FROM c"
        ),
        &format!("/* harmless */ -- really\n SET app.tenant_id = '{foreign}'"),
        &format!("/* /* nested */ */ SET app.tenant_id = '{foreign}'"),
        &format!("SELECT U&\"set\\005fconfig\"('app.tenant_id', '{foreign}', true)"),
        &format!("UPDATE pg_settings SET setting = '{foreign}' WHERE name = 'app.tenant_id'"),
        "set role nomad_services_system",
        "\n\tSET LOCAL ROLE NONE",
        "SET SESSION AUTHORIZATION postgres",
        "RESET ROLE",
        "DISCARD ALL",
        "BEGIN",
        "START TRANSACTION",
        "COMMIT",
        "commit and chain",
        "END",
        "ROLLBACK",
        "ABORT",
        "SAVEPOINT here",
        "ROLLBACK TO here",
        "RELEASE here",
        "PREPARE TRANSACTION 'later'",
        "PREPARE later AS SELECT 1",
        "EXECUTE later",
        "DO $$ BEGIN PERFORM 1; END $$",
        "CALL anything()",
    ];
    let transaction = fixture.database.tenant(scope(&ada)).await.unwrap();
    let count = "SELECT count(*) AS count FROM services";
    transaction.rows([statement(count)]).await.unwrap();
    let read = fixture.database.read(scope(&ada));
    let before = fixture.proxy.round_trips();
    for sql in refused {
        assert!(transaction.rows([statement(sql)]).await.is_err(), "{sql}");
    }
    assert_eq!(fixture.proxy.round_trips(), before);
    let [seen] = transaction.rows([statement(count)]).await.unwrap();
    assert_eq!(seen[0].get::<i64>("count").unwrap(), 0);
    drop(transaction);
    for sql in refused {
        assert!(read.fetch([statement(sql)]).await.is_err(), "{sql}");
    }
    let acting = Acting::product();
    let system = fixture.database.system(SystemPurpose::Retention, &acting);
    let system = system.await.unwrap();
    for sql in refused {
        assert!(system.rows([statement(sql)]).await.is_err(), "{sql}");
    }
}

#[tokio::test]
async fn several_statements_in_one_are_refused() {
    let fixture = Fixture::new(1).await;
    let (ada, eve) = (fixture.user("ada").await, fixture.user("eve").await);
    let foreign = eve.tenant.unwrap();
    let transaction = fixture.database.tenant(scope(&ada)).await.unwrap();
    let several = format!("SELECT 1; SET app.tenant_id = '{foreign}'");
    assert!(transaction.rows([statement(&several)]).await.is_err());
}

/// What a query without any predicate sees, and so every query of the product, whatever predicate it lacks.
#[tokio::test]
async fn a_whole_table_is_the_tenants_own_rows_in_every_table() {
    let fixture = Fixture::new(1).await;
    let (ada, eve) = fixture.two_tenants().await;
    let mut seen = Vec::new();
    for table in fixture.tables().await {
        let sql = format!("SELECT row_to_json(whole)::text AS row FROM (TABLE {table}) AS whole");
        let read = fixture.database.read(scope(&eve));
        let Ok((_, [rows])) = read.fetch([statement(&sql)]).await else {
            // Tables of the system role alone.
            continue;
        };
        for row in &rows {
            let row: String = row.get("row").unwrap();
            for foreign in [ada.id.to_string(), ada.tenant.unwrap().to_string()] {
                assert!(!row.contains(&foreign), "{table}: {row}");
            }
        }
        if !rows.is_empty() {
            seen.push(table);
        }
    }
    for table in [
        "api_keys",
        "audit_logs",
        "idempotency_keys",
        "refresh_tokens",
        "service_deployments",
        "service_templates",
        "services",
        "subscriptions",
        "tenants",
        "users",
    ] {
        assert!(seen.iter().any(|seen| seen == table), "{table} in {seen:?}");
    }
}

#[tokio::test]
async fn without_a_context_nothing_is_seen_or_written_and_no_cast_fails() {
    let fixture = Fixture::new(1).await;
    let (ada, _) = fixture.two_tenants().await;
    let (tenant, user) = (ada.tenant.unwrap(), ada.id);
    let writes = [
        format!("INSERT INTO services (name, type, tenant_id, created_by) VALUES ('n', 'devops', '{tenant}', '{user}')"),
        format!("INSERT INTO services (name, type, created_by) VALUES ('n', 'devops', '{user}')"),
        format!("INSERT INTO users (email, username, password, tenant_id) VALUES ('e', 'u', 'p', '{tenant}')"),
        format!("INSERT INTO api_keys (name, key, user_id, tenant_id) VALUES ('k', 'other', '{user}', '{tenant}')"),
        format!("INSERT INTO service_templates (name, type, created_by) VALUES ('t', 'custom', '{user}')"),
        format!(
            "INSERT INTO refresh_tokens (family_id, user_id, token_hash, expires_at)
             VALUES ('{user}', '{user}', 'other', CURRENT_TIMESTAMP)"
        ),
        "INSERT INTO service_deployments (service_id, deployed_by) SELECT id, created_by FROM services".to_owned(),
    ];
    let fresh = fixture.login().await;
    let used = fixture.login().await;
    used.batch_execute(&format!(
        "BEGIN; SET LOCAL app.tenant_id = '{tenant}'; SET LOCAL app.user_id = '{user}'; COMMIT"
    ))
    .await
    .unwrap();
    for (client, kind) in [(fresh, "fresh"), (used, "used")] {
        let role = client.batch_execute("SET ROLE nomad_services_app").await;
        role.unwrap();
        for table in fixture.tables().await {
            for sql in [
                format!("SELECT FROM {table}"),
                format!("DELETE FROM {table}"),
                format!("TRUNCATE {table}"),
            ] {
                match client.query(&sql, &[]).await {
                    Ok(rows) => assert_eq!(rows.len(), 0, "{kind}: {sql}"),
                    Err(refused) => assert_eq!(
                        refused.code(),
                        Some(&SqlState::INSUFFICIENT_PRIVILEGE),
                        "{kind}: {sql}: {refused}"
                    ),
                }
            }
        }
        for sql in &writes {
            match client.execute(sql, &[]).await {
                Ok(written) => assert_eq!(written, 0, "{kind}: {sql}"),
                Err(refused) => assert_eq!(
                    refused.code(),
                    Some(&SqlState::INSUFFICIENT_PRIVILEGE),
                    "{kind}: {sql}: {refused}"
                ),
            }
        }
    }
    assert_eq!(fixture.names(&ada).await.unwrap(), ["custom"]);
}

#[tokio::test]
async fn turning_row_level_security_off_is_an_error_in_every_table() {
    let fixture = Fixture::new(1).await;
    let client = fixture.login().await;
    let off = "SET ROLE nomad_services_app; SET row_security = off";
    client.batch_execute(off).await.unwrap();
    for table in fixture.tables().await {
        let refused = client.query(&format!("TABLE {table}"), &[]).await;
        let refused = refused.unwrap_err();
        let code = refused.code();
        assert_eq!(
            code,
            Some(&SqlState::INSUFFICIENT_PRIVILEGE),
            "{table}: {refused}"
        );
    }
}

/// The same calls in every run, each cut off after another number of steps.
#[tokio::test]
async fn whatever_is_cut_off_leaves_the_one_connection_without_a_context() {
    let fixture = Fixture::new(1).await;
    let (ada, eve) = fixture.two_tenants().await;
    for round in 0..240 {
        let steps = round / 4 % 12;
        match round % 4 {
            0 => drop(cut(fixture.names(&ada), steps).await),
            1 => drop(cut(fixture.create(&ada, ServiceType::Database), steps).await),
            2 => {
                let mut transaction = fixture.database.tenant(scope(&ada)).await.unwrap();
                drop(cut(transaction.lock_admission(), steps).await);
            }
            _ => {
                let work = async {
                    let acting = Acting::user(ada.id, ada.tenant, Default::default());
                    let system = fixture.database.system(SystemPurpose::Retention, &acting);
                    let system = system.await.unwrap();
                    let all = system.rows([statement("SELECT id FROM services")]);
                    all.await.unwrap();
                };
                let _ = cut(work, steps).await;
            }
        }
        assert_eq!(
            fixture.names(&eve).await.unwrap(),
            ["custom"],
            "round {round}"
        );
        if round % 4 == 1 {
            // Whether it was made depends on where it was cut off; in no other tenant, and at most once.
            let client = fixture.across_tenants().await;
            let remove = "DELETE FROM services WHERE type = 'database' RETURNING tenant_id";
            let made = client.query(remove, &[]).await.unwrap();
            assert!(made.len() <= 1, "round {round}");
            for row in made {
                assert_eq!(Some(domain::TenantId(row.get(0))), ada.tenant);
            }
        }
    }
    let standing = fixture.database.isolation().await.unwrap();
    assert_eq!(standing.findings, []);
    let mut states = sessions(&fixture).await;
    while states == ["active"] {
        states = sessions(&fixture).await;
    }
    assert_eq!(states, ["idle"]);
}

/// Drops `future` after so many steps, unless it has ended by then.
async fn cut<F: Future>(future: F, mut steps: usize) -> Option<F::Output> {
    let mut future = Box::pin(future);
    poll_fn(move |context| {
        if steps == 0 {
            return Poll::Ready(None);
        }
        steps -= 1;
        future.as_mut().poll(context).map(Some)
    })
    .await
}

async fn sessions(fixture: &Fixture) -> Vec<String> {
    let question = "SELECT state FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = 'nomad-services'";
    let rows = fixture.login().await.query(question, &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}
