//! The calls of clients in the field, each as such a client makes it: they know no ETag, no cursor and no idempotency key.

#![expect(clippy::expect_used, reason = "a test that can't go on has failed")]

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::app::{Answer, Request, TestApp};

/// The names of an answer's fields, in order.
fn fields(value: &Value) -> Vec<&str> {
    let object = value.as_object().expect("an object");
    object.keys().map(String::as_str).collect()
}

const USER: [&str; 10] = [
    "created_at",
    "email",
    "first_name",
    "id",
    "is_active",
    "last_name",
    "role",
    "tenant_id",
    "updated_at",
    "username",
];
const SERVICE: [&str; 10] = [
    "config",
    "created_at",
    "created_by",
    "description",
    "id",
    "name",
    "status",
    "tenant_id",
    "type",
    "updated_at",
];

/// A script that holds a token, as they do.
struct Script<'app> {
    app: &'app TestApp,
    token: String,
}

impl Script<'_> {
    fn call(&self, method: Method, path: &str) -> Request {
        let authorization = format!("Bearer {}", self.token);
        let request = self.app.request(method, path);
        request.header("authorization", authorization)
    }

    async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path).send().await
    }
}

async fn signed_in(app: &TestApp) -> (Script<'_>, Value) {
    let registration = json!({
        "username": "ada", "email": "ada@example.com", "password": "correct horse battery",
        "first_name": "Ada", "last_name": "Lovelace"
    });
    let (status, registered) = app.post("/auth/register", registration).await;
    assert_eq!(status, StatusCode::CREATED);
    assert_eq!(fields(&registered), ["message", "user"]);
    assert_eq!(fields(&registered["user"]), USER);
    let login = json!({"username": "ada", "password": "correct horse battery"});
    let (status, session) = app.post("/auth/login", login).await;
    assert_eq!(status, StatusCode::OK);
    let token = session["token"].as_str().expect("a token").to_owned();
    (Script { app, token }, session)
}

#[actix_web::test]
async fn register_login_refresh_and_logout() {
    let app = TestApp::new().await;
    let (_, session) = signed_in(&app).await;
    let names = ["expires_at", "refresh_token", "token", "user"];
    assert_eq!(fields(&session), names);
    assert_eq!(fields(&session["user"]), USER);

    let held = json!({"refresh_token": session["refresh_token"]});
    let (status, next) = app.post("/auth/refresh", held).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(fields(&next), names);

    let held = json!({"refresh_token": next["refresh_token"]});
    let (status, nothing) = app.post("/auth/logout", held.clone()).await;
    assert_eq!((status, nothing), (StatusCode::NO_CONTENT, Value::Null));
    let (status, problem) = app.post("/auth/refresh", held).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert_eq!(problem["error"], problem["detail"]);
}

#[actix_web::test]
async fn the_own_profile_is_read_and_put() {
    let app = TestApp::new().await;
    let (script, _) = signed_in(&app).await;
    let me = script.get("/users/me").await.json();
    assert_eq!(fields(&me), USER);
    let change = json!({"first_name": "Ada", "last_name": "King", "email": "king@example.com"});
    let put = script.call(Method::PUT, "/users/me").json(&change);
    let changed = put.send().await;
    assert_eq!(changed.status, StatusCode::OK);
    let changed = changed.json();
    assert_eq!(fields(&changed), USER);
    assert_eq!(changed["last_name"], "King");
    assert_eq!(changed["email"], "king@example.com");
}

#[actix_web::test]
async fn services_are_made_listed_read_put_and_deleted() {
    let app = TestApp::new().await;
    let (script, _) = signed_in(&app).await;
    let new = json!({
        "name": "orders", "type": "database", "description": "where orders are kept",
        "config": {"image": "postgres:13", "ports": [5432]}
    });
    let made = script
        .call(Method::POST, "/services")
        .json(&new)
        .send()
        .await;
    assert_eq!(made.status, StatusCode::CREATED);
    let service = made.json();
    assert_eq!(fields(&service), SERVICE);
    for name in ["name", "type", "description", "config"] {
        assert_eq!(service[name], new[name], "{name}");
    }
    let path = format!("/services/{}", service["id"].as_str().unwrap());
    assert_eq!(
        made.header("location"),
        Some(format!("/api/v1{path}").as_str())
    );
    assert!(made.header("etag").is_some());

    for query in ["", "?limit=10&type=database&status=stopped&q=ORD"] {
        let list = script.get(&format!("/services{query}")).await.json();
        let expected =
            json!({"services": [service], "total": 1, "total_is_exact": true, "next_cursor": null});
        assert_eq!(list, expected);
    }
    let none = script.get("/services?q=nothing").await.json();
    assert_eq!(
        none,
        json!({"services": [], "total": 0, "total_is_exact": true, "next_cursor": null})
    );

    let mut read = script.get(&path).await.json();
    assert_eq!(read, service);
    read["description"] = json!("changed");
    let put = script.call(Method::PUT, &path).json(&read).send().await;
    assert_eq!(put.status, StatusCode::OK);
    assert_eq!(put.json()["description"], "changed");
    assert_eq!(fields(&put.json()), SERVICE);

    let deleted = script.call(Method::DELETE, &path).send().await;
    assert_eq!(
        (deleted.status, deleted.bytes.len()),
        (StatusCode::NO_CONTENT, 0)
    );
    assert_eq!(script.get(&path).await.status, StatusCode::NOT_FOUND);
}

#[actix_web::test]
async fn a_configuration_is_taken_as_they_write_it() {
    let app = TestApp::new().await;
    let (script, _) = signed_in(&app).await;
    let new = json!({
        "name": "search", "type": "database", "config": {
            "image": "elasticsearch:8.15.0", "ports": [9200.0],
            "environment": {"discovery.type": "single-node"},
            "volumes": ["/data:/usr/share/elasticsearch/data:rw"],
            "resources": {"cpu": 500.0, "memory": 1024.0},
            "health_check": {"interval": "1m30s", "timeout": "1m0s", "retries": 3.0},
            "sensitive": ["/volumes/0"]
        }
    });
    let post = script.call(Method::POST, "/services").json(&new);
    let made = post.send().await;
    assert_eq!(made.status, StatusCode::CREATED);
    let config = &made.json()["config"];
    assert_eq!(config["ports"], json!([9200]));
    assert_eq!(config["resources"], json!({"cpu": 500, "memory": 1024}));
    let check = json!({"interval": "1m30s", "timeout": "1m0s", "retries": 3});
    assert_eq!(config["health_check"], check);

    let pointers = ["/config/environment/discovery.type", "/config/volumes/0"];
    let path = format!("/services/{}/reveal", made.json()["id"].as_str().unwrap());
    let reveal = script
        .call(Method::POST, &path)
        .json(&json!({"pointers": pointers}));
    let revealed = reveal.send().await.json();
    assert_eq!(revealed["values"][pointers[0]], "single-node");
    assert_eq!(
        revealed["values"][pointers[1]],
        "/data:/usr/share/elasticsearch/data:rw"
    );
}

#[actix_web::test]
async fn an_image_with_capital_letters_is_told_that_they_are_the_mistake() {
    let app = TestApp::new().await;
    let (script, _) = signed_in(&app).await;
    let new = json!({"name": "web", "type": "web_server", "config": {"image": "Nginx:1.27"}});
    let post = script.call(Method::POST, "/services").json(&new);
    let refused = post.send().await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    let problem = &refused.json()["errors"][0];
    assert_eq!(problem["pointer"], "#/config/image");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("capital letters"), "{detail}");
}

#[actix_web::test]
async fn an_administrator_lists_users_and_decides_about_them() {
    let app = TestApp::new().await;
    let (_, session) = signed_in(&app).await;
    let token = app.administrator("root").await.token;
    let root = Script { app: &app, token };
    let list = root.get("/admin/users?limit=1&offset=1").await.json();
    assert_eq!(
        fields(&list),
        ["next_cursor", "total", "total_is_exact", "users"]
    );
    assert_eq!(
        (&list["total"], &list["users"][0]["username"]),
        (&json!(2), &json!("ada"))
    );
    assert_eq!(fields(&list["users"][0]), USER);

    let ada = app.login("ada").await;
    app.member(&ada, "grace", "tenant_admin").await;
    let user = format!("/admin/users/{}", session["user"]["id"].as_str().unwrap());
    let role = root.call(Method::PUT, &format!("{user}/role"));
    let changed = role.json(&json!({"role": "user"})).send().await.json();
    assert_eq!(
        (fields(&changed), &changed["role"]),
        (USER.to_vec(), &json!("user"))
    );
    for (verb, active) in [("deactivate", false), ("activate", true)] {
        let path = format!("{user}/{verb}");
        let changed = root.call(Method::PUT, &path).send().await.json();
        assert_eq!(fields(&changed), USER);
        assert_eq!(changed["is_active"], active);
    }
}

#[actix_web::test]
async fn health_stands_at_the_root() {
    let app = TestApp::new().await;
    let health = app.at_root(Method::GET, "/health").send().await;
    let expected = json!({"status": "healthy", "version": env!("CARGO_PKG_VERSION")});
    assert_eq!((health.status, health.json()), (StatusCode::OK, expected));
}
