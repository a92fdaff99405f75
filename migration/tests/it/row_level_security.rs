//! What each role may see and do, table by table.

use embedded_postgres::test_database::TestDatabase;
use tokio_postgres::{Client, error::SqlState};

use crate::{connect, migrated};

const ALPHA: &str = "aaaaaaaa-0000-4000-8000-000000000000";
const BETA: &str = "bbbbbbbb-0000-4000-8000-000000000000";

const TABLES: [&str; 12] = [
    "tenants",
    "users",
    "services",
    "service_deployments",
    "service_templates",
    "audit_logs",
    "api_keys",
    "subscriptions",
    "deployment_tasks",
    "refresh_tokens",
    "idempotency_keys",
    "tenant_keys",
];

#[tokio::test]
async fn without_a_context_the_app_role_sees_nothing() {
    let database = with_two_tenants().await;
    let app = connected_as(&database, "nomad_services_app").await;
    assert_eq!(
        visible(&app).await,
        [0; TABLES.len()],
        "on a fresh connection"
    );

    app.batch_execute(&format!(
        "BEGIN; SET LOCAL app.tenant_id = '{ALPHA}'; COMMIT"
    ))
    .await
    .unwrap();
    assert_eq!(
        visible(&app).await,
        [0; TABLES.len()],
        "on one that had a context before"
    );
}

#[tokio::test]
async fn not_even_the_owner_sees_a_row() {
    let database = with_two_tenants().await;
    let owner = connect(&database.url()).await;
    assert_eq!(visible(&owner).await, [0; TABLES.len()]);
}

#[tokio::test]
async fn a_tenant_sees_its_own_rows_in_every_table_and_no_others() {
    let database = with_two_tenants().await;
    let app = connected_as(&database, "nomad_services_app").await;
    enter(&app, ALPHA).await;
    assert_eq!(visible(&app).await, [1; TABLES.len()]);
    let name: String = app
        .query_one("SELECT name FROM tenants", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(name, ALPHA);
}

#[tokio::test]
async fn the_system_role_sees_all_tenants() {
    let database = with_two_tenants().await;
    let system = connected_as(&database, "nomad_services_system").await;
    assert_eq!(visible(&system).await, [2; TABLES.len()]);
}

#[tokio::test]
async fn a_public_template_is_read_by_everybody_and_changed_by_its_own_tenant() {
    let database = with_two_tenants().await;
    let system = connected_as(&database, "nomad_services_system").await;
    system
        .batch_execute("UPDATE service_templates SET is_public = true")
        .await
        .unwrap();
    let app = connected_as(&database, "nomad_services_app").await;
    enter(&app, ALPHA).await;
    let read = app
        .query("SELECT FROM service_templates", &[])
        .await
        .unwrap();
    assert_eq!(read.len(), 2);
    let changed = app
        .execute("UPDATE service_templates SET description = 'mine'", &[])
        .await
        .unwrap();
    assert_eq!(changed, 1);
}

#[tokio::test]
async fn a_row_for_another_tenant_is_refused() {
    let database = with_two_tenants().await;
    let app = connected_as(&database, "nomad_services_app").await;
    enter(&app, ALPHA).await;
    for foreign in [
        format!(
            "INSERT INTO users (email, username, password, tenant_id) VALUES ('e', 'u', 'p', '{BETA}')"
        ),
        format!(
            "INSERT INTO services (name, type, tenant_id, created_by) VALUES ('s', 'custom', '{BETA}', '{ALPHA}')"
        ),
        format!(
            "INSERT INTO service_deployments (service_id, deployed_by) VALUES ('{BETA}', '{ALPHA}')"
        ),
        format!(
            "INSERT INTO service_templates (name, type, created_by) VALUES ('t', 'custom', '{BETA}')"
        ),
        format!(
            "INSERT INTO audit_logs (user_id, tenant_id, action, resource) VALUES ('{ALPHA}', '{BETA}', 'a', 'r')"
        ),
        format!(
            "INSERT INTO api_keys (name, key, user_id, tenant_id) VALUES ('k', 'k', '{ALPHA}', '{BETA}')"
        ),
        format!(
            "INSERT INTO tenant_keys (tenant_id, version, wrapped, wrapped_by) VALUES ('{BETA}', 2, '', '')"
        ),
        "INSERT INTO tenant_keys (version, wrapped, wrapped_by) VALUES (1, '', '')".to_owned(),
    ] {
        assert_eq!(
            refusal(&app, &foreign).await,
            SqlState::INSUFFICIENT_PRIVILEGE,
            "{foreign}"
        );
    }
}

#[tokio::test]
async fn a_row_that_points_at_another_tenants_row_is_refused_to_every_role() {
    let database = with_two_tenants().await;
    let app = connected_as(&database, "nomad_services_app").await;
    enter(&app, ALPHA).await;
    let system = connected_as(&database, "nomad_services_system").await;
    for foreign in [
        format!("UPDATE services SET created_by = '{BETA}' WHERE id = '{ALPHA}'"),
        format!("UPDATE services SET tenant_id = '{BETA}' WHERE id = '{ALPHA}'"),
        format!("UPDATE users SET tenant_id = '{BETA}' WHERE id = '{ALPHA}'"),
        format!("UPDATE service_deployments SET deployed_by = '{BETA}' WHERE service_id = '{ALPHA}'"),
        format!("UPDATE api_keys SET user_id = '{BETA}' WHERE user_id = '{ALPHA}'"),
        format!("UPDATE subscriptions SET tenant_id = '{BETA}' WHERE tenant_id = '{ALPHA}'"),
        format!("UPDATE deployment_tasks SET service_id = '{BETA}', finished_at = CURRENT_TIMESTAMP WHERE tenant_id = '{ALPHA}'"),
        format!(
            "UPDATE deployment_tasks SET deployment_id = (SELECT id FROM service_deployments WHERE service_id = '{BETA}')
             WHERE tenant_id = '{ALPHA}'"
        ),
    ] {
        let refused = refusal(&system, &foreign).await;
        assert_eq!(refused, SqlState::FOREIGN_KEY_VIOLATION, "{foreign}");
    }
    for foreign in [
        format!("UPDATE services SET created_by = '{BETA}'"),
        format!("UPDATE services SET tenant_id = '{BETA}'"),
        format!(
            "INSERT INTO service_deployments (service_id, deployed_by) VALUES ('{ALPHA}', '{BETA}')"
        ),
        format!(
            "INSERT INTO api_keys (name, key, user_id, tenant_id) VALUES ('k', 'k', '{BETA}', '{ALPHA}')"
        ),
    ] {
        let refused = refusal(&app, &foreign).await;
        assert_eq!(refused, SqlState::FOREIGN_KEY_VIOLATION, "{foreign}");
    }
}

#[tokio::test]
async fn what_the_platform_decides_no_member_changes_in_its_own_tenant() {
    let database = with_two_tenants().await;
    let app = connected_as(&database, "nomad_services_app").await;
    enter(&app, ALPHA).await;
    for decided in [
        format!("UPDATE users SET role = 'admin' WHERE id = '{ALPHA}'"),
        "UPDATE users SET role = NULL".to_owned(),
        format!(
            "INSERT INTO users (email, username, password, role, tenant_id) VALUES ('e', 'u', 'p', 'admin', '{ALPHA}')"
        ),
        "UPDATE tenants SET plan = 'enterprise'".to_owned(),
        "UPDATE tenants SET max_services = 1000".to_owned(),
        "UPDATE tenants SET is_active = true".to_owned(),
        "UPDATE subscriptions SET plan = 'enterprise'".to_owned(),
        // The context is another one by the time the row is checked.
        format!(
            "UPDATE refresh_tokens SET user_id = set_config('app.user_id', '{BETA}', true)::uuid"
        ),
        format!(
            "INSERT INTO refresh_tokens (family_id, user_id, token_hash, expires_at)
             VALUES ('{ALPHA}', '{ALPHA}', 'known', CURRENT_TIMESTAMP)"
        ),
    ] {
        let refused = refusal(&app, &decided).await;
        assert_eq!(refused, SqlState::INSUFFICIENT_PRIVILEGE, "{decided}");
    }
    for own in [
        "UPDATE users SET role = 'tenant_admin'",
        "UPDATE users SET role = 'user', is_active = false",
        "UPDATE tenants SET name = 'a', description = 'b', domain = 'c', updated_at = CURRENT_TIMESTAMP",
    ] {
        assert_eq!(app.execute(own, &[]).await.unwrap(), 1, "{own}");
    }
    let system = connected_as(&database, "nomad_services_system").await;
    let handed_over =
        format!("UPDATE refresh_tokens SET user_id = '{BETA}' WHERE user_id = '{ALPHA}'");
    let refused = refusal(&system, &handed_over).await;
    assert_eq!(refused, SqlState::FOREIGN_KEY_VIOLATION);
}

#[tokio::test]
async fn no_role_empties_a_table_or_rewrites_the_audit_trail() {
    let database = with_two_tenants().await;
    for role in ["nomad_services_app", "nomad_services_system"] {
        let client = connected_as(&database, role).await;
        let truncations = TABLES.map(|table| format!("TRUNCATE {table} CASCADE"));
        let rewrites = [
            "UPDATE audit_logs SET action = ''",
            "DELETE FROM audit_logs",
        ];
        for statement in truncations.into_iter().chain(rewrites.map(str::to_owned)) {
            let refused = refusal(&client, &statement).await;
            assert_eq!(
                refused,
                SqlState::INSUFFICIENT_PRIVILEGE,
                "{role}: {statement}"
            );
        }
    }
}

#[tokio::test]
async fn the_runtime_roles_hold_no_power_beyond_their_grants() {
    let database = migrated().await;
    let powerful = connect(&database.url())
        .await
        .query(
            "SELECT FROM pg_roles
             WHERE rolname IN ('nomad_services_app', 'nomad_services_system', 'nomad_services_switch')
               AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolcanlogin)
             UNION ALL
             SELECT FROM pg_auth_members
             WHERE member::regrole::text IN ('nomad_services_app', 'nomad_services_system')
             UNION ALL
             SELECT FROM pg_class WHERE relowner::regrole::text LIKE 'nomad\\_services\\_%'",
            &[],
        )
        .await
        .unwrap();
    assert_eq!(powerful.len(), 0);
}

/// Two tenants, each with one row in every table; a tenant's, its user's and its service's id are the same, for brevity.
async fn with_two_tenants() -> TestDatabase {
    let database = migrated().await;
    let system = connected_as(&database, "nomad_services_system").await;
    for id in [ALPHA, BETA] {
        system
            .batch_execute(&format!(
                "BEGIN;
                 INSERT INTO tenants (id, name, slug) VALUES ('{id}', '{id}', '{id}');
                 INSERT INTO users (id, email, username, password, tenant_id) VALUES ('{id}', '{id}', '{id}', '', '{id}');
                 INSERT INTO service_templates (name, type, is_public, created_by) VALUES ('', 'custom', false, '{id}');
                 INSERT INTO subscriptions (tenant_id, plan) VALUES ('{id}', 'free');
                 INSERT INTO refresh_tokens (family_id, user_id, token_hash, expires_at)
                     VALUES ('{id}', '{id}', '{id}', CURRENT_TIMESTAMP);
                 INSERT INTO idempotency_keys (user_id, key, fingerprint, status, response) VALUES ('{id}', '', '', 201, '{{}}');
                 INSERT INTO tenant_keys (tenant_id, version, wrapped, wrapped_by) VALUES ('{id}', 1, '', '');
                 SET LOCAL ROLE nomad_services_app;
                 SET LOCAL app.tenant_id = '{id}';
                 INSERT INTO services (id, name, type, tenant_id, created_by) VALUES ('{id}', '', 'custom', '{id}', '{id}');
                 INSERT INTO service_deployments (service_id, deployed_by) VALUES ('{id}', '{id}');
                 INSERT INTO api_keys (name, key, user_id, tenant_id) VALUES ('', '{id}', '{id}', '{id}');
                 INSERT INTO deployment_tasks (tenant_id, service_id, action, nomad_namespace, nomad_job_id, phase, deadline_at)
                     VALUES ('{id}', '{id}', 'start', '', '', '{{}}', CURRENT_TIMESTAMP);
                 COMMIT"
            ))
            .await
            .unwrap();
    }
    database
}

async fn connected_as(database: &TestDatabase, role: &str) -> Client {
    let client = connect(&database.url()).await;
    client
        .batch_execute(&format!("SET ROLE {role}"))
        .await
        .unwrap();
    client
}

/// Gives the session the context of a tenant and of its one user.
async fn enter(client: &Client, tenant: &str) {
    client
        .batch_execute(&format!(
            "SET app.tenant_id = '{tenant}'; SET app.user_id = '{tenant}'"
        ))
        .await
        .unwrap();
}

/// How many rows of each table the client sees; of the users and of the audit trail, which has several rows for each
/// tenant, those of how many tenants.
async fn visible(client: &Client) -> [usize; TABLES.len()] {
    let mut counts = [0; TABLES.len()];
    for (count, table) in counts.iter_mut().zip(TABLES) {
        let query = match table {
            "users" | "audit_logs" => {
                format!("SELECT DISTINCT tenant_id FROM {table} WHERE tenant_id IS NOT NULL")
            }
            table => format!("TABLE {table}"),
        };
        let rows = client.query(&query, &[]).await.unwrap();
        *count = rows.len();
    }
    counts
}

async fn refusal(client: &Client, statement: &str) -> SqlState {
    let error = client.batch_execute(statement).await.unwrap_err();
    error.code().cloned().unwrap()
}
