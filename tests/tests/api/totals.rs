//! How many there are of something: counted up to a thousand, estimated above, counted whole on request.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::{
    app::{Person, TestApp},
    audit_logs::{SOON, sealed},
};

/// People who join a tenant: each leaves a row in its trail.
async fn join(app: &TestApp, person: &Person<'_>, count: i32) {
    let insert = "INSERT INTO users (email, username, password, tenant_id)
        SELECT name || '@example.com', name, '!', $1::text::uuid
        FROM (SELECT gen_random_uuid()::text FROM generate_series(1, $2)) AS people (name)";
    let tenant = person.user["tenant_id"].as_str().unwrap();
    assert_eq!(
        app.execute(insert, &[&tenant, &count]).await,
        u64::from(count.unsigned_abs())
    );
}

/// How many there are, and whether that is sure.
async fn total(person: &Person<'_>, path: &str) -> (u64, bool) {
    let (status, page) = person.get(path).await;
    assert_eq!(status, StatusCode::OK, "{page}");
    let exact = page["total_is_exact"].as_bool();
    (page["total"].as_u64().unwrap(), exact.unwrap())
}

#[actix_web::test]
async fn a_thousand_are_counted_and_one_more_only_on_request() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    join(&app, &ada, 999).await;
    assert_eq!(total(&ada, "/users?limit=1").await, (1000, true));
    assert_eq!(total(&ada, "/users?total=exact").await, (1000, true));
    join(&app, &ada, 1).await;
    assert_eq!(total(&ada, "/users?limit=1").await, (1001, false));
    join(&app, &ada, 500).await;
    let (least, exact) = total(&ada, "/users").await;
    assert!((1001..=1501).contains(&least) && !exact, "{least}");
    assert_eq!(total(&ada, "/users?total=exact").await, (1501, true));

    let root = app.administrator("root").await;
    for path in ["/admin/users", "/admin/users?limit=1&offset=1400"] {
        let (least, exact) = total(&root, path).await;
        assert!(least > 1000 && !exact, "{path}: {least}");
    }
    let (users, exact) = total(&root, "/admin/users?total=exact").await;
    assert!(users > 1501 && exact, "{users}");
    let (tenants, exact) = total(&root, "/admin/tenants").await;
    assert!((1..=1000).contains(&tenants) && exact, "{tenants}");
}

#[actix_web::test]
async fn a_page_in_the_middle_has_the_total_of_the_whole() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    join(&app, &ada, 1000).await;
    let mut path = "/users?limit=200".to_owned();
    let mut seen = 0;
    loop {
        let (_, page) = ada.get(&path).await;
        assert_eq!(
            (&page["total"], &page["total_is_exact"]),
            (&json!(1001), &json!(false))
        );
        seen += page["users"].as_array().map_or(0, Vec::len);
        let Some(cursor) = page["next_cursor"].as_str() else {
            break;
        };
        path = format!("/users?limit=200&cursor={cursor}");
    }
    assert_eq!(seen, 1001);
}

#[actix_web::test]
async fn a_long_audit_trail_is_as_long_as_its_sealed_log() {
    let app = TestApp::with(&[SOON]).await;
    let ada = app.register("ada").await;
    join(&app, &ada, 1500).await;
    sealed(&app).await;
    let (rows, exact) = total(&ada, "/audit-logs?limit=1&total=exact").await;
    assert!(rows > 1500 && exact, "{rows}");
    assert_eq!(total(&ada, "/audit-logs?limit=20").await, (rows, false));
    // Of some of it nothing is known but that there are no fewer.
    let joined = "/audit-logs?action=user.create";
    assert_eq!(total(&ada, joined).await, (1001, false));
    let (rows, exact) = total(&ada, &format!("{joined}&total=exact")).await;
    assert!(rows >= 1500 && exact, "{rows}");
}

#[actix_web::test]
async fn every_list_says_whether_its_total_is_exact() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    let service = ada.service("database").await;
    let deployments = format!("/services/{}/deployments", service["id"].as_str().unwrap());
    for path in [
        "/services",
        "/templates",
        "/users",
        "/users/me/sessions",
        "/invitations",
        "/api-keys",
        "/audit-logs",
        &deployments,
    ] {
        let (status, page) = ada.get(path).await;
        assert_eq!(
            (status, &page["total_is_exact"]),
            (StatusCode::OK, &Value::Bool(true)),
            "{path}: {page}"
        );
        let (_, counted) = ada.get(&format!("{path}?total=exact")).await;
        assert_eq!(counted["total"], page["total"], "{path}");
        let (status, problem) = ada.get(&format!("{path}?total=estimate")).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{path}");
        let refused = &problem["errors"][0];
        assert_eq!(
            (&refused["pointer"], &refused["code"]),
            (&json!("#/total"), &json!("invalid_parameter")),
            "{path}"
        );
    }
}
