//! The audit trail is only ever added to, by whichever role, and every row of it waits to be sealed.

use embedded_postgres::test_database::TestDatabase;
use tokio_postgres::{Client, error::SqlState};

use crate::{connect, migrated};

const TENANT: &str = "aaaaaaaa-0000-4000-8000-000000000000";

/// What holds the trail and its seals.
const TABLES: [&str; 6] = [
    "audit_logs",
    "audit_pending",
    "audit_leaves",
    "audit_hashes",
    "audit_checkpoints",
    "audit_archives",
];

#[tokio::test]
async fn nobody_changes_removes_or_empties_it_not_even_its_owner() {
    let database = with_sealed_rows().await;
    for role in [
        Some("nomad_services_app"),
        Some("nomad_services_system"),
        None,
    ] {
        let client = connected_as(&database, role).await;
        client
            .batch_execute(&format!("SET app.tenant_id = '{TENANT}'"))
            .await
            .unwrap();
        for table in TABLES {
            let mut statements = vec![
                format!("UPDATE {table} SET tenant_id = tenant_id"),
                format!("TRUNCATE {table} CASCADE"),
            ];
            // What is sealed need not wait any more: see below.
            if table != "audit_pending" {
                statements.push(format!("DELETE FROM {table}"));
            }
            for statement in statements {
                let refused = refusal(&client, &statement).await;
                assert_eq!(
                    refused,
                    SqlState::INSUFFICIENT_PRIVILEGE,
                    "{role:?}: {statement}"
                );
            }
        }
    }
}

#[tokio::test]
async fn what_archiving_sets_lets_nobody_remove_what_was_not_archived() {
    let database = with_sealed_rows().await;
    let owner = connected_as(&database, None).await;
    owner
        .batch_execute("SET app.archiving = 'on'")
        .await
        .unwrap();
    let refused = refusal(&owner, "DELETE FROM audit_logs").await;
    assert_eq!(refused, SqlState::INSUFFICIENT_PRIVILEGE);
    assert_eq!(trail(&database).await, ["a", "b", "c", "d", "e"]);
}

#[tokio::test]
async fn a_row_waits_until_it_is_sealed_and_one_that_was_rolled_back_never_waited() {
    let database = with_sealed_rows().await;
    let owner = connected_as(&database, None).await;
    let row = |action: &str| {
        format!(
            "INSERT INTO audit_logs (user_id, tenant_id, action, resource)
             VALUES ('{TENANT}', '{TENANT}', '{action}', 'r')"
        )
    };
    let system = connected_as(&database, Some("nomad_services_system")).await;
    let waiting =
        "SELECT action FROM audit_pending JOIN audit_logs ON id = audit_log_id ORDER BY action";
    owner
        .batch_execute(&format!("BEGIN; {}; ROLLBACK; {}", row("f"), row("g")))
        .await
        .unwrap();
    assert_eq!(texts(&system, waiting).await, ["e", "g"]);
    let refused = refusal(&system, "DELETE FROM audit_pending").await;
    assert_eq!(
        refused,
        SqlState::INSUFFICIENT_PRIVILEGE,
        "what is not sealed"
    );
    let invented = format!("INSERT INTO audit_pending VALUES ('{TENANT}', '{TENANT}')");
    assert_eq!(
        refusal(&system, &invented).await,
        SqlState::INSUFFICIENT_PRIVILEGE
    );
    let timeless = row("h")
        .replace("resource)", "resource, created_at)")
        .replace("'r')", "'r', NULL)");
    assert_eq!(refusal(&owner, &timeless).await, SqlState::CHECK_VIOLATION);
}

#[tokio::test]
async fn archiving_takes_the_oldest_sealed_rows_and_says_so_in_the_trail() {
    let database = with_sealed_rows().await;
    let archive =
        |before: &str| format!("SELECT archived_rows FROM archive_audit_logs('{before}')");
    for role in ["nomad_services_app", "nomad_services_system"] {
        let client = connected_as(&database, Some(role)).await;
        let refused = refusal(&client, &archive("2026-03-01")).await;
        assert_eq!(refused, SqlState::INSUFFICIENT_PRIVILEGE, "{role}");
    }
    let owner = connected_as(&database, None).await;
    let none = owner.query(&archive("2026-01-01"), &[]).await.unwrap();
    assert_eq!(none.len(), 0, "nothing is that old");

    // The third is younger, so the fourth stays although it is as old as the first two; the fifth is not sealed.
    let archived = owner.query_one(&archive("2026-03-01"), &[]).await.unwrap();
    assert_eq!(archived.get::<_, i64>(0), 2);
    assert_eq!(trail(&database).await, ["audit_log.archive", "c", "d", "e"]);
    let system = connected_as(&database, Some("nomad_services_system")).await;
    let details =
        "SELECT details::jsonb ->> 'end_index' FROM audit_logs WHERE action = 'audit_log.archive'";
    assert_eq!(texts(&system, details).await, ["2"]);
    let places = "SELECT leaf_index::text FROM audit_leaves ORDER BY leaf_index";
    assert_eq!(texts(&system, places).await, ["0", "1", "2", "3"]);

    let none = owner.query(&archive("2026-03-01"), &[]).await.unwrap();
    assert_eq!(none.len(), 0, "it is gone already");
    let archived = owner.query_one(&archive("2026-12-01"), &[]).await.unwrap();
    assert_eq!(archived.get::<_, i64>(0), 2, "all that is sealed");
}

/// A tenant with five rows, of which four are sealed; their hashes are none, which the database can't tell.
async fn with_sealed_rows() -> TestDatabase {
    let database = migrated().await;
    let system = connected_as(&database, Some("nomad_services_system")).await;
    system
        .batch_execute(&format!(
            "INSERT INTO tenants (id, name, slug) VALUES ('{TENANT}', '', '');
             INSERT INTO users (id, email, username, password, tenant_id) VALUES ('{TENANT}', '', '', '', '{TENANT}')"
        ))
        .await
        .unwrap();
    // What made the tenant is not what these tests are about.
    let owner = connected_as(&database, None).await;
    owner
        .batch_execute(&format!(
            "ALTER TABLE audit_logs DISABLE TRIGGER audit_refuse_delete;
             SET app.archiving = 'on';
             DELETE FROM audit_logs;
             ALTER TABLE audit_logs ENABLE TRIGGER audit_refuse_delete;
             ALTER TABLE audit_pending DISABLE TRIGGER audit_refuse_delete;
             SET ROLE nomad_services_system;
             DELETE FROM audit_pending;
             RESET ROLE;
             ALTER TABLE audit_pending ENABLE TRIGGER audit_refuse_delete;
             INSERT INTO audit_logs (user_id, tenant_id, action, resource, created_at)
             VALUES ('{TENANT}', '{TENANT}', 'a', 'r', '2026-02-01'), ('{TENANT}', '{TENANT}', 'b', 'r', '2026-02-01'),
                 ('{TENANT}', '{TENANT}', 'c', 'r', '2026-04-01'), ('{TENANT}', '{TENANT}', 'd', 'r', '2026-02-01'),
                 ('{TENANT}', '{TENANT}', 'e', 'r', '2026-02-01')"
        ))
        .await
        .unwrap();
    system
        .batch_execute(&format!(
            "INSERT INTO audit_leaves (tenant_id, leaf_index, audit_log_id)
             SELECT tenant_id, row_number() OVER (ORDER BY action) - 1, id FROM audit_logs WHERE action < 'e';
             INSERT INTO audit_hashes (tenant_id, position, hash) VALUES ('{TENANT}', 0, sha256(''));
             INSERT INTO audit_checkpoints (tenant_id, tree_size, note, key_id) VALUES ('{TENANT}', 4, '', '');
             DELETE FROM audit_pending USING audit_leaves WHERE audit_pending.audit_log_id = audit_leaves.audit_log_id"
        ))
        .await
        .unwrap();
    database
}

async fn trail(database: &TestDatabase) -> Vec<String> {
    let system = connected_as(database, Some("nomad_services_system")).await;
    texts(&system, "SELECT action FROM audit_logs ORDER BY action").await
}

async fn texts(client: &Client, query: &str) -> Vec<String> {
    let rows = client.query(query, &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

async fn connected_as(database: &TestDatabase, role: Option<&str>) -> Client {
    let client = connect(&database.url()).await;
    if let Some(role) = role {
        client
            .batch_execute(&format!("SET ROLE {role}"))
            .await
            .unwrap();
    }
    client
}

async fn refusal(client: &Client, statement: &str) -> SqlState {
    let refused = client.batch_execute(statement).await;
    assert!(refused.is_err(), "{statement} is not refused");
    refused.unwrap_err().code().cloned().unwrap()
}
