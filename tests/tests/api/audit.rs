//! What the audit trail holds, whoever made the change and however.

use domain::Role;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::app::{TestApp, service};

/// The row of the system user, whose changes are nobody's who signed in.
const SYSTEM_USER: &str = "00000000-0000-0000-0000-000000000001";

struct Entry {
    user: String,
    tenant: Option<String>,
    user_agent: Option<String>,
    ip_address: Option<String>,
    details: Value,
}

/// The trail's rows of this action and resource, in the order in which they were written.
async fn trail(app: &TestApp, action: &str, resource: &str) -> Vec<Entry> {
    let question =
        "SELECT user_id::text, tenant_id::text, user_agent, ip_address, details FROM audit_logs
        WHERE action = $1 AND resource = $2 ORDER BY created_at, id";
    let client = app.database_client().await;
    let rows = client.query(question, &[&action, &resource]).await;
    let entry = |row: &tokio_postgres::Row| Entry {
        user: row.get(0),
        tenant: row.get(1),
        user_agent: row.get(2),
        ip_address: row.get(3),
        details: serde_json::from_str(row.get(4)).expect("JSON"),
    };
    rows.expect("rows").iter().map(entry).collect()
}

async fn size(app: &TestApp) -> String {
    app.query("SELECT COUNT(*)::text FROM audit_logs", &[])
        .await
}

#[actix_web::test]
async fn a_change_names_who_made_it_through_which_request_and_what_it_changed() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    let body = json!({"name": "shop", "type": "custom",
        "config": {"image": "nginx:1", "environment": {"PASSWORD": "unspeakable"}}});
    let create = ada
        .request(Method::POST, "/services")
        .header("x-request-id", "the-request")
        .header("user-agent", "a test")
        .json(&body);
    let created = create.send().await.json();
    let id = created["id"].as_str().expect("an id");
    let resource = format!("services/{id}");
    let entries = trail(&app, "service.create", &resource).await;
    let [entry] = entries.as_slice() else {
        panic!("{} rows", entries.len());
    };
    assert_eq!(entry.user, ada.id());
    assert_eq!(entry.tenant.as_deref(), ada.user["tenant_id"].as_str());
    assert_eq!(entry.user_agent.as_deref(), Some("a test"));
    assert_eq!(entry.ip_address.as_deref(), Some("127.0.0.1"));
    assert_eq!(entry.details["request_id"], "the-request");
    let config = &entry.details["changes"]["config"]["to"];
    assert_eq!(config["image"], "nginx:1");
    assert_eq!(config["environment"], json!({"PASSWORD": "**********"}));

    let change = json!({"description": "of shoes"});
    let change = ada
        .request(Method::PATCH, &format!("/services/{id}"))
        .header("if-match", "*")
        .json(&change);
    assert_eq!(change.send().await.status, StatusCode::OK);
    let entries = trail(&app, "service.update", &resource).await;
    assert_eq!(entries.len(), 1);
    let changes = json!({"description": {"to": "of shoes"}});
    assert_eq!(entries[0].details["changes"], changes);

    let delete = ada.request(Method::DELETE, &format!("/services/{id}"));
    assert_eq!(delete.send().await.status, StatusCode::NO_CONTENT);
    let entries = trail(&app, "service.delete", &resource).await;
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].details["changes"]["name"]["from"], "shop");
}

#[actix_web::test]
async fn what_plain_sql_changes_is_recorded_row_by_row_and_names_the_login() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    let mut resources = Vec::new();
    for kind in ["custom", "database"] {
        let (_, made) = ada.post("/services", service(kind, kind)).await;
        let id = made["id"].as_str().expect("an id");
        resources.push(format!("services/{id}"));
    }
    let clear = "UPDATE services SET config = jsonb_set(config, '{environment}', '{\"TOKEN\": \"unspeakable\"}')";
    assert_eq!(app.execute(clear, &[]).await, 2);
    for resource in &resources {
        let entries = trail(&app, "service.update", resource).await;
        assert_eq!(entries.len(), 1);
        assert_eq!(entries[0].user, SYSTEM_USER);
        assert_eq!(entries[0].tenant.as_deref(), ada.user["tenant_id"].as_str());
        assert_eq!(entries[0].details["database_login"], "nomad_services");
        let shown = entries[0].details.to_string();
        assert!(
            shown.contains("TOKEN") && !shown.contains("unspeakable"),
            "{shown}"
        );
    }

    let password = "UPDATE users SET password = 'unspeakable' WHERE username = 'ada'";
    app.execute(password, &[]).await;
    let entries = trail(&app, "user.update", &format!("users/{}", ada.id())).await;
    let changes = &entries.last().expect("a row").details["changes"];
    let marker = json!({"password": {"from": "**********", "to": "**********"}});
    assert_eq!(changes, &marker);
}

#[actix_web::test]
async fn what_a_configuration_marks_is_hidden_even_if_it_was_written_unencrypted() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    let (_, made) = ada.post("/services", service("shop", "custom")).await;
    let clear = "UPDATE services SET config = config || '{ \
        \"custom_variables\": {\"A\": \"unspeakable\", \"b/c\": \"unspeakable\", \"D\": \"shown\"}, \
        \"volumes\": [\"unspeakable\"], \
        \"sensitive\": [\"/custom_variables/A\", \"/config/custom_variables/b~1c\", \"/volumes/0\", \
            \"/volumes/x\", \"/nowhere/at/all\", \"\", 1, null, {}]}'";
    assert_eq!(app.execute(clear, &[]).await, 1);
    let id = made["id"].as_str().expect("an id");
    let entries = trail(&app, "service.update", &format!("services/{id}")).await;
    let changes = &entries[0].details["changes"];
    let variables = json!({"A": "**********", "b/c": "**********", "D": "shown"});
    assert_eq!(changes["config.custom_variables"]["to"], variables);
    assert_eq!(changes["config.volumes"]["to"], json!(["**********"]));
}

#[actix_web::test]
async fn an_event_says_nothing_else_about_who_caused_it_than_its_transaction_does() {
    let app = TestApp::new().await;
    let client = app.database_client().await;
    let forged = "SELECT FROM audit_event('service.read', 'services/x', '{ \
        \"database_login\": \"another\", \"request_id\": \"r\", \"reason\": \"r\", \"api_key_id\": \"k\", \"seen\": 1}')";
    client.batch_execute(forged).await.expect("an event");
    let entries = trail(&app, "service.read", "services/x").await;
    let expected = json!({"database_login": "nomad_services", "seen": 1});
    assert_eq!(entries[0].details, expected);
    let member = "SET ROLE nomad_services_app; SELECT FROM audit_event('a', 'b', '{}')";
    let refused = client.batch_execute(member).await.unwrap_err();
    let code = refused.code().expect("a refusal").code();
    assert_eq!(code, "42501", "{refused}");
}

#[actix_web::test]
async fn what_was_rolled_back_or_is_only_a_time_leaves_no_row() {
    let app = TestApp::new().await;
    app.register("ada").await;
    let before = size(&app).await;
    let client = app.database_client().await;
    client
        .batch_execute("BEGIN; UPDATE users SET first_name = 'Ada'; ROLLBACK")
        .await
        .expect("a rollback");
    let touch = "UPDATE users SET updated_at = CURRENT_TIMESTAMP";
    assert!(app.execute(touch, &[]).await > 0);
    assert_eq!(size(&app).await, before);
}

#[actix_web::test]
async fn sign_ins_refused_ones_and_what_a_role_may_not_do_are_events() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    let resource = format!("users/{}", ada.id());
    assert_eq!(trail(&app, "user.login", &resource).await.len(), 1);
    let wrong = json!({"username": "ada", "password": "not the right one"});
    assert_eq!(
        app.post("/auth/login", wrong).await.0,
        StatusCode::UNAUTHORIZED
    );
    let refused = trail(&app, "user.login_refused", &resource).await;
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].tenant.as_deref(), ada.user["tenant_id"].as_str());

    let demote = "UPDATE users SET role = $1::text WHERE username = 'ada'";
    app.execute(demote, &[&Role::User.as_str()]).await;
    assert_eq!(ada.get("/users").await.0, StatusCode::FORBIDDEN);
    let refused = trail(&app, "access.refused", "users").await;
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].user, ada.id());
}

#[actix_web::test]
async fn a_start_is_an_event_and_what_the_worker_does_is_the_systems() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    let id = ada.define("custom", json!({"image": "nginx:1"})).await;
    let deployment = ada.deploy(&id, "start").await;
    let started = trail(&app, "service.start", &format!("services/{id}")).await;
    assert_eq!(started.len(), 1);
    assert_eq!(started[0].user, ada.id());
    let deployment = deployment["id"].as_str().expect("an id");
    let updates = trail(
        &app,
        "deployment.update",
        &format!("deployments/{deployment}"),
    )
    .await;
    assert!(!updates.is_empty());
    for update in updates {
        assert_eq!(update.user, SYSTEM_USER);
        assert_eq!(update.tenant.as_deref(), ada.user["tenant_id"].as_str());
    }
}
