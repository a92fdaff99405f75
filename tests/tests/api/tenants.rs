use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::app::{PASSWORD, Person, TestApp, anonymous, answer};

fn path(of: &Person<'_>) -> String {
    format!("/admin/tenants/{}", of.user["tenant_id"].as_str().unwrap())
}

async fn act(root: &Person<'_>, on: &Person<'_>, action: &str) -> (StatusCode, Value) {
    answer(root.request(Method::POST, &format!("{}/{action}", path(on)))).await
}

#[actix_web::test]
async fn a_platform_administrator_lists_and_reads_tenants_and_nobody_else_does() {
    let app = TestApp::new().await;
    let (ada, root) = (app.register("ada").await, app.administrator("root").await);
    let (_, list) = root.get("/admin/tenants?limit=1").await;
    // Whoever runs the platform registered first, and left a tenant behind.
    assert_eq!(
        (&list["total"], &list["tenants"][0]["name"]),
        (&json!(2), &json!("root"))
    );
    let cursor = list["next_cursor"].as_str().unwrap();
    let (_, rest) = root.get(&format!("/admin/tenants?cursor={cursor}")).await;
    assert_eq!(rest["tenants"][0]["slug"], "ada");
    let (status, tenant) = root.get(&path(&ada)).await;
    assert_eq!(
        (status, &tenant["plan"], &tenant["max_services"]),
        (StatusCode::OK, &json!("free"), &json!(5))
    );
    let unknown = "/admin/tenants/3b241101-e2bb-4255-8caf-4136c566a962";
    assert_eq!(root.get(unknown).await.0, StatusCode::NOT_FOUND);
    for denied in [
        ada.get("/admin/tenants").await.0,
        ada.get(&path(&ada)).await.0,
        act(&ada, &ada, "suspend").await.0,
    ] {
        assert_eq!(denied, StatusCode::FORBIDDEN);
    }
}

#[actix_web::test]
async fn a_suspended_tenant_is_refused_everywhere_at_the_next_request_until_it_is_resumed() {
    let app = TestApp::new().await;
    let replica = app.replica(&[]).await;
    let (ada, root) = (app.register("ada").await, app.administrator("root").await);
    let key = ada.key(&["read"]).await;
    let key = key["key"].as_str().unwrap();
    let sign_in = |password: &str| {
        let body = json!({"username": "ada", "password": password});
        let request = app.request(Method::POST, "/auth/login").json(&body);
        answer(request)
    };
    let reads = async |server: &TestApp| {
        let request = server.request(Method::GET, "/services");
        let token = format!("Bearer {}", ada.token);
        let status = request.header("authorization", token).send().await.status;
        (status, server.key_reads(key, "/services").await)
    };
    let (open, closed) = (StatusCode::OK, StatusCode::UNAUTHORIZED);
    for server in [&app, &replica] {
        assert_eq!(reads(server).await, (open, open));
    }
    let (status, tenant) = act(&root, &ada, "suspend").await;
    assert_eq!((status, &tenant["is_active"]), (open, &json!(false)));
    for server in [&app, &replica] {
        assert_eq!(reads(server).await, (closed, closed));
    }
    let (right, wrong) = (sign_in(PASSWORD).await, sign_in("a wrong guess").await);
    assert_eq!((right.0, wrong.0), (closed, closed));
    assert_eq!(anonymous(right.1), anonymous(wrong.1));
    let refresh = || app.post("/auth/refresh", json!({"refresh_token": ada.refresh_token}));
    assert_eq!(refresh().await.0, closed);

    assert_eq!(act(&root, &ada, "resume").await.1["is_active"], true);
    assert_eq!(reads(&replica).await, (open, open));
    assert_eq!(refresh().await.0, open);
    assert_eq!(sign_in(PASSWORD).await.0, open);
    // The tenant's own trail shows it.
    let trail = "SELECT string_agg(action, ' ' ORDER BY created_at, action) FROM audit_logs \
         WHERE action IN ('tenant.suspend', 'tenant.resume') AND tenant_id::text = $1 AND user_id::text = $2";
    let tenant = ada.user["tenant_id"].as_str().unwrap();
    assert_eq!(
        app.query(trail, &[&tenant, &root.id()]).await,
        "tenant.suspend tenant.resume"
    );
}

#[actix_web::test]
async fn a_suspension_that_is_sent_again_with_its_key_takes_effect_once() {
    let app = TestApp::new().await;
    let (ada, root) = (app.register("ada").await, app.administrator("root").await);
    let suspend = || {
        let request = root.request(Method::POST, &format!("{}/suspend", path(&ada)));
        request.header("idempotency-key", "once").send()
    };
    assert_eq!(suspend().await.json()["is_active"], false);
    assert_eq!(act(&root, &ada, "resume").await.1["is_active"], true);
    let again = suspend().await;
    assert_eq!(
        (
            again.header("idempotent-replayed"),
            again.json()["is_active"].clone()
        ),
        (Some("true"), json!(false))
    );
    assert_eq!(root.get(&path(&ada)).await.1["is_active"], true);
}

#[actix_web::test]
async fn an_administrator_reads_and_changes_their_own_tenant_and_a_user_does_not() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    let grace = app.member(&ada, "grace", "user").await;
    assert_eq!(grace.get("/tenant").await.0, StatusCode::FORBIDDEN);
    assert_eq!(
        grace.patch("/tenant", json!({"name": "mine"})).await.0,
        StatusCode::FORBIDDEN
    );
    let change = json!({"name": "Analytical Engines", "domain": "Engines.Example.com", "description": "We weave."});
    let (status, tenant) = ada.patch("/tenant", change).await;
    assert_eq!(status, StatusCode::OK, "{tenant}");
    assert_eq!(
        (&tenant["name"], &tenant["domain"], &tenant["slug"]),
        (
            &json!("Analytical Engines"),
            &json!("engines.example.com"),
            &json!("ada")
        )
    );
    assert_eq!(ada.get("/tenant").await.1, tenant);
    let eve = app.register("eve").await;
    let (status, problem) = eve
        .patch("/tenant", json!({"domain": "engines.example.com"}))
        .await;
    assert_eq!(
        (status, &problem["code"]),
        (StatusCode::CONFLICT, &json!("domain_taken"))
    );
    for (body, pointer) in [
        (json!({"plan": "enterprise"}), "#/plan"),
        (json!({"max_services": 100}), "#/max_services"),
        (json!({"is_active": false}), "#/is_active"),
        (json!({"domain": "not a host"}), "#/domain"),
    ] {
        let (status, problem) = ada.patch("/tenant", body).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(problem["errors"][0]["pointer"], pointer);
    }
    assert_eq!(
        ada.patch("/tenant", json!({"domain": null})).await.1["domain"],
        Value::Null
    );
}

#[actix_web::test]
async fn of_two_changes_of_the_same_version_at_once_one_wins() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    let read = ada.request(Method::GET, "/tenant").send().await;
    let etag = read.header("etag").unwrap().to_owned();
    let change = |name: &str| {
        let request = ada.request(Method::PATCH, "/tenant");
        let request = request
            .header("if-match", &etag)
            .json(&json!({"name": name}));
        request.send()
    };
    let (first, second) = futures::join!(change("Engines"), change("Looms"));
    let mut statuses = [first.status.as_u16(), second.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412]);
}
