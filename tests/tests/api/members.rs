use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::app::{Person, TestApp, answer};

fn path(person: &Person<'_>) -> String {
    format!("/users/{}", person.id())
}

fn code(answer: &(StatusCode, Value)) -> (u16, &str) {
    (
        answer.0.as_u16(),
        answer.1["code"].as_str().unwrap_or_default(),
    )
}

#[actix_web::test]
async fn an_administrator_lists_reads_and_changes_members_and_a_user_does_not() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    let grace = app.member(&ada, "grace", "user").await;
    app.register("eve").await;
    let (_, list) = ada.get("/users?limit=1").await;
    assert_eq!(
        (&list["total"], &list["users"][0]["username"]),
        (&json!(2), &json!("grace"))
    );
    let cursor = list["next_cursor"].as_str().unwrap();
    let (_, rest) = ada.get(&format!("/users?cursor={cursor}")).await;
    assert_eq!(rest["users"][0]["username"], "ada");

    for denied in [
        grace.get("/users").await,
        grace.get(&path(&ada)).await,
        grace
            .patch(&path(&grace), json!({"role": "tenant_admin"}))
            .await,
        grace.delete(&path(&ada)).await,
    ] {
        assert_eq!(code(&denied), (403, "forbidden"));
    }
    let (status, promoted) = ada
        .patch(&path(&grace), json!({"role": "tenant_admin"}))
        .await;
    assert_eq!(
        (status, &promoted["role"]),
        (StatusCode::OK, &json!("tenant_admin"))
    );
    // It counts from the next request on, with the same token.
    assert_eq!(grace.get("/users").await.0, StatusCode::OK);
    assert_eq!(
        grace.patch(&path(&ada), json!({"role": "user"})).await.0,
        StatusCode::OK
    );
    assert_eq!(ada.get("/users").await.0, StatusCode::FORBIDDEN);
}

#[actix_web::test]
async fn a_change_needs_the_version_it_changes_and_only_changes_what_it_may() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    let grace = app.member(&ada, "grace", "user").await;
    let patch = |body: Value| ada.request(Method::PATCH, &path(&grace)).json(&body);
    let unconditional = patch(json!({"is_active": false})).send().await;
    assert_eq!(unconditional.status, StatusCode::PRECONDITION_REQUIRED);
    let read = ada.request(Method::GET, &path(&grace)).send().await;
    let etag = read.header("etag").unwrap().to_owned();
    let mut whole = read.json();
    whole["role"] = json!("tenant_admin");
    let changed = patch(whole).header("if-match", &etag).send().await;
    assert_eq!(changed.status, StatusCode::OK);
    let stale = patch(json!({"role": "user"}))
        .header("if-match", &etag)
        .send()
        .await;
    assert_eq!(stale.status, StatusCode::PRECONDITION_FAILED);
    for (body, pointer) in [
        (json!({"email": "eve@example.com"}), "#/email"),
        (json!({"tenant_id": null}), "#/tenant_id"),
        (json!({"password": "battery staple correct"}), "#/password"),
        (json!({"role": "admin"}), "#/role"),
        (json!({"is_active": "no"}), "#/is_active"),
    ] {
        let (status, problem) = ada.patch(&path(&grace), body).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(problem["errors"][0]["pointer"], pointer);
    }
}

#[actix_web::test]
async fn who_is_deactivated_has_no_session_and_no_key_and_gets_none_back() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    let grace = app.member(&ada, "grace", "tenant_admin").await;
    let key = grace.key(&["read"]).await;
    let key = key["key"].as_str().unwrap();
    assert_eq!(app.key_reads(key, "/services").await, StatusCode::OK);
    assert_eq!(
        ada.patch(&path(&grace), json!({"is_active": false}))
            .await
            .0,
        StatusCode::OK
    );
    assert_eq!(grace.get("/services").await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(
        app.key_reads(key, "/services").await,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        ada.patch(&path(&grace), json!({"is_active": true})).await.0,
        StatusCode::OK
    );
    assert_eq!(grace.get("/services").await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(
        app.key_reads(key, "/services").await,
        StatusCode::UNAUTHORIZED
    );
    let again = app.login("grace").await;
    assert_eq!(again.get("/services").await.0, StatusCode::OK);
}

#[actix_web::test]
async fn who_is_removed_is_nobody_any_more_and_the_audit_still_has_an_id() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    let grace = app.member(&ada, "grace", "user").await;
    assert_eq!(ada.delete(&path(&grace)).await.0, StatusCode::NO_CONTENT);
    assert_eq!(grace.get("/services").await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(code(&ada.get(&path(&grace)).await), (404, "not_found"));
    assert_eq!(code(&ada.delete(&path(&grace)).await), (404, "not_found"));
    let (_, list) = ada.get("/users").await;
    assert_eq!(list["total"], 1);
    let id: uuid::Uuid = grace.id().parse().unwrap();
    let left = app
        .query(
            "SELECT concat_ws(' ', is_active, password, first_name, email LIKE '%grace%', username LIKE '%grace%') \
             FROM users WHERE id = $1",
            &[&id],
        )
        .await;
    assert_eq!(left, "f ! f f");
    // The address and the name are free again.
    app.member(&ada, "grace", "user").await;
    assert!(
        app.audited(&format!("users/{id}"))
            .await
            .contains("user.update")
    );
}

#[actix_web::test]
async fn the_last_active_administrator_stays_one() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    let grace = app.member(&ada, "grace", "tenant_admin").await;
    let deactivated = ada.patch(&path(&grace), json!({"is_active": false})).await;
    assert_eq!(deactivated.0, StatusCode::OK);
    for refused in [
        ada.patch(&path(&ada), json!({"role": "user"})).await,
        ada.patch(&path(&ada), json!({"is_active": false})).await,
        ada.delete(&path(&ada)).await,
    ] {
        assert_eq!(code(&refused), (409, "last_administrator"));
    }
    let active = ada.patch(&path(&grace), json!({"is_active": true})).await;
    assert_eq!(active.0, StatusCode::OK);
    assert_eq!(code(&ada.delete(&path(&ada)).await), (409, "own_account"));
    assert_eq!(
        ada.patch(&path(&ada), json!({"role": "user"})).await.0,
        StatusCode::OK
    );
}

/// Both have begun before either is done, which a lock of ours makes sure of.
#[actix_web::test]
async fn two_administrators_who_demote_each_other_at_once_leave_one() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    let grace = app.member(&ada, "grace", "tenant_admin").await;
    let replica = app.replica(&[]).await;
    let mut client = app.database_client().await;
    let lock = client.transaction().await.unwrap();
    lock.execute("SELECT FROM tenants FOR UPDATE", &[])
        .await
        .unwrap();
    let demote = |app: &TestApp, by: &Person<'_>, whom: &Person<'_>| {
        let request = app.request(Method::PATCH, &path(whom));
        let request = request.header("authorization", format!("Bearer {}", by.token));
        answer(
            request
                .header("if-match", "*")
                .json(&json!({"role": "user"})),
        )
    };
    let release = async {
        app.waiting_for_locks(2).await;
        lock.commit().await.unwrap();
    };
    let (first, second, ()) = futures::join!(
        demote(&app, &ada, &grace),
        demote(&replica, &grace, &ada),
        release
    );
    let mut outcomes = [code(&first), code(&second)];
    outcomes.sort_unstable();
    assert_eq!(outcomes, [(200, ""), (403, "forbidden")]);
    let left = "SELECT string_agg(role, ' ' ORDER BY role) FROM users WHERE tenant_id IS NOT NULL";
    assert_eq!(app.query(left, &[]).await, "tenant_admin user");
}

#[actix_web::test]
async fn a_platform_administrator_leaves_a_tenant_its_last_active_administrator_too() {
    let app = TestApp::new().await;
    let (ada, root) = (app.register("ada").await, app.administrator("root").await);
    let grace = app.member(&ada, "grace", "tenant_admin").await;
    let standing = |person: &Person<'_>, verb: &str| format!("/admin{}/{verb}", path(person));
    let deactivated = root.put(&standing(&grace, "deactivate"), json!({})).await;
    assert_eq!(deactivated.0, StatusCode::OK);
    for refused in [
        root.put(&standing(&ada, "deactivate"), json!({})).await,
        root.put(&standing(&ada, "role"), json!({"role": "user"}))
            .await,
    ] {
        assert_eq!(code(&refused), (409, "last_administrator"));
    }
    let role = json!({"role": "tenant_admin"});
    let same = root.put(&standing(&ada, "role"), role).await;
    assert_eq!(same.0, StatusCode::OK);
}

/// The tenant's own administrator on one replica, the platform's on another: both have begun before either is done.
#[actix_web::test]
async fn a_platform_administrator_and_a_tenants_own_who_take_rights_at_once_leave_one() {
    let app = TestApp::new().await;
    let (ada, root) = (app.register("ada").await, app.administrator("root").await);
    let grace = app.member(&ada, "grace", "tenant_admin").await;
    let replica = app.replica(&[]).await;
    let mut client = app.database_client().await;
    let lock = client.transaction().await.unwrap();
    lock.execute("SELECT FROM tenants FOR UPDATE", &[])
        .await
        .unwrap();
    let demote = ada.request(Method::PATCH, &path(&grace));
    let demote = demote
        .header("if-match", "*")
        .json(&json!({"role": "user"}));
    let deactivate = format!("/admin{}/deactivate", path(&ada));
    let deactivate = replica.request(Method::PUT, &deactivate);
    let deactivate = deactivate.header("authorization", format!("Bearer {}", root.token));
    let release = async {
        app.waiting_for_locks(2).await;
        lock.commit().await.unwrap();
    };
    let (demoted, deactivated, ()) = futures::join!(answer(demote), answer(deactivate), release);
    assert!(
        demoted.0 != StatusCode::OK || code(&deactivated) == (409, "last_administrator"),
        "{demoted:?} {deactivated:?}"
    );
    let left = "SELECT COUNT(*)::text FROM users WHERE role = 'tenant_admin' AND is_active AND tenant_id IS NOT NULL";
    assert_eq!(app.query(left, &[]).await, "1");
}

#[actix_web::test]
async fn the_last_active_platform_administrator_stays_one_also_when_two_deactivate_each_other() {
    let app = TestApp::new().await;
    let (root, toor) = (
        app.administrator("root").await,
        app.administrator("toor").await,
    );
    let mut client = app.database_client().await;
    let lock = client.transaction().await.unwrap();
    lock.execute("SELECT FROM users WHERE role = 'admin' FOR UPDATE", &[])
        .await
        .unwrap();
    let deactivate = |by: &Person<'_>, whom: &Person<'_>| {
        let path = format!("/admin/users/{}/deactivate", whom.id());
        answer(by.request(Method::PUT, &path))
    };
    let release = async {
        app.waiting_for_locks(2).await;
        lock.commit().await.unwrap();
    };
    let (first, second, ()) =
        futures::join!(deactivate(&root, &toor), deactivate(&toor, &root), release);
    let mut statuses = [first.0.as_u16(), second.0.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 401]);
    let winner = if first.0 == StatusCode::OK {
        &root
    } else {
        &toor
    };
    let own = format!("/admin/users/{}/deactivate", winner.id());
    let refused = winner.put(&own, json!({})).await;
    assert_eq!(code(&refused), (409, "last_administrator"));
}
