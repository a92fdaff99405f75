//! Secret values of services and templates: written, shown as a marker, kept, revealed to those who may.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::app::{Person, TestApp, anonymous, answer};

const MARKER: &str = "**********";
const PASSWORD: &str = "/config/environment/PASSWORD";

fn config(password: &str) -> Value {
    json!({
        "image": "nginx:1", "environment": {"PASSWORD": password, "USER": "orders"},
        "custom_variables": {"TOKEN": "token-of-ada", "REGION": "eu"}, "sensitive": ["/custom_variables/TOKEN"],
    })
}

async fn reveal(person: &Person<'_>, service: &str, pointers: Value) -> (StatusCode, Value) {
    let path = format!("/services/{service}/reveal");
    person.post(&path, json!({"pointers": pointers})).await
}

async fn password(person: &Person<'_>, service: &str) -> Value {
    let (status, revealed) = reveal(person, service, json!([PASSWORD])).await;
    assert_eq!(status, StatusCode::OK, "{revealed}");
    revealed["values"][PASSWORD].clone()
}

#[actix_web::test]
async fn every_answer_shows_a_marker_in_place_of_each_secret() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    let body = json!({"name": "db", "type": "database", "config": config("hunter2")});
    let create = || {
        let request = ada.request(Method::POST, "/services").json(&body);
        request.header("idempotency-key", "one").send()
    };
    let (made, again) = (create().await, create().await);
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    let path = format!("/services/{}", made.json()["id"].as_str().unwrap());
    let read = ada.get(&path).await.1;
    let listed = ada.get("/services").await.1["services"][0].clone();
    for shown in [made.json(), again.json(), read, listed] {
        let config = &shown["config"];
        assert_eq!(
            config["environment"],
            json!({"PASSWORD": MARKER, "USER": MARKER})
        );
        assert_eq!(
            config["custom_variables"],
            json!({"TOKEN": MARKER, "REGION": "eu"})
        );
        assert_eq!(config["sensitive"], json!(["/custom_variables/TOKEN"]));
    }
    let kept = app
        .query("SELECT response::text FROM idempotency_keys", &[])
        .await;
    assert!(
        !kept.contains("hunter2") && !kept.contains("token-of-ada"),
        "{kept}"
    );
}

#[actix_web::test]
async fn what_was_read_and_is_put_back_leaves_the_secrets_as_they_are() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    let id = ada.define("database", config("hunter2")).await;
    let path = format!("/services/{id}");
    let (_, mut shown) = ada.get(&path).await;
    shown["name"] = json!("renamed");
    let (status, put) = ada.put(&path, shown.clone()).await;
    assert_eq!(
        (status, &put["config"]),
        (StatusCode::OK, &shown["config"]),
        "{put}"
    );
    assert_eq!(password(&ada, &id).await, "hunter2");

    // One is changed, the other is the marker.
    let mut config = shown["config"].clone();
    config["environment"]["PASSWORD"] = json!("hunter3");
    let patch = ada
        .request(Method::PATCH, &path)
        .json(&json!({"config": config}));
    let (status, patched) = answer(patch.header("if-match", "*")).await;
    assert_eq!(
        (status, &patched["config"]),
        (StatusCode::OK, &shown["config"]),
        "{patched}"
    );
    let token = "/config/custom_variables/TOKEN";
    let (_, revealed) = reveal(&ada, &id, json!([PASSWORD, token])).await;
    let values = json!({PASSWORD: "hunter3", token: "token-of-ada"});
    assert_eq!(revealed, json!({"values": values}));
}

#[actix_web::test]
async fn a_change_of_a_secret_alone_makes_older_copies_stale() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    let id = ada.define("database", config("hunter2")).await;
    let path = format!("/services/{id}");
    let tag = async || {
        let read = ada.request(Method::GET, &path).send().await;
        read.header("etag").unwrap().to_owned()
    };
    let change = async |password: &str, tag: &str| {
        let body = json!({"config": config(password)});
        let request = ada.request(Method::PATCH, &path).json(&body);
        answer(request.header("if-match", tag)).await.0
    };
    let read = tag().await;
    assert_eq!(change("hunter3", &read).await, StatusCode::OK);
    assert_ne!(tag().await, read);
    assert_eq!(
        change("hunter4", &read).await,
        StatusCode::PRECONDITION_FAILED
    );
    assert_eq!(password(&ada, &id).await, "hunter3");
}

#[actix_web::test]
async fn a_marker_that_stands_for_nothing_and_what_looks_encrypted_are_refused() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    let id = ada.define("database", config("hunter2")).await;
    let path = format!("/services/{id}");
    let sealed = json!({"$enc": {"v": 1, "kid": id, "n": "", "ct": ""}});
    for (place, value, pointer, code) in [
        (
            "/environment/NEW",
            json!(MARKER),
            "#/config/environment/NEW",
            "no_such_value",
        ),
        (
            "/image",
            sealed.clone(),
            "#/config/image/$enc",
            "reserved_name",
        ),
        (
            "/sensitive",
            json!([]),
            "#/config/custom_variables/TOKEN",
            "still_secret",
        ),
        (
            "/sensitive",
            json!(["/custom_variables/TOKEN", "/nothing"]),
            "#/config/sensitive/1",
            "no_such_value",
        ),
    ] {
        let (_, mut shown) = ada.get(&path).await;
        let (parent, name) = place.rsplit_once('/').unwrap();
        shown["config"].pointer_mut(parent).unwrap()[name] = value;
        let (status, problem) = ada.put(&path, shown).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{problem}");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
        assert_eq!(problem["errors"][0]["code"], code, "{problem}");
    }
    let new = json!({"name": "new", "type": "custom", "config": config(MARKER)});
    let (status, problem) = ada.post("/services", new).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{problem}");
    assert_eq!(
        problem["errors"][0]["pointer"],
        "#/config/environment/PASSWORD"
    );
    assert_eq!(password(&ada, &id).await, "hunter2");
}

#[actix_web::test]
async fn secrets_are_revealed_to_the_tenants_administrator_alone() {
    let app = TestApp::new().await;
    let (ada, eve) = (app.register("ada").await, app.register("eve").await);
    let root = app.administrator("root").await;
    let id = ada.define("database", config("hunter2")).await;
    assert_eq!(password(&ada, &id).await, "hunter2");

    let foreign = reveal(&eve, &id, json!([PASSWORD])).await;
    let nowhere = uuid::Uuid::new_v4().to_string();
    let unknown = reveal(&eve, &nowhere, json!([PASSWORD])).await;
    assert_eq!(
        (foreign.0, unknown.0),
        (StatusCode::NOT_FOUND, StatusCode::NOT_FOUND)
    );
    assert_eq!(
        anonymous(foreign.1)["detail"],
        anonymous(unknown.1)["detail"]
    );
    assert_eq!(
        reveal(&root, &id, json!([PASSWORD])).await.0,
        StatusCode::FORBIDDEN
    );

    let trail = "SELECT string_agg(action || ' ' || resource || ' ' || details, ';') \
         FROM audit_logs WHERE action = 'service.reveal'";
    let trail = app.query(trail, &[]).await;
    assert!(
        trail.starts_with(&format!("service.reveal services/{id} ")),
        "{trail}"
    );
    assert!(
        trail.contains(PASSWORD) && !trail.contains("hunter2"),
        "{trail}"
    );
    assert!(
        !trail.contains(';'),
        "who was refused has seen nothing: {trail}"
    );

    let demote = "UPDATE users SET role = 'user' WHERE username = 'ada'";
    app.execute(demote, &[]).await;
    let (status, problem) = reveal(&ada, &id, json!([PASSWORD])).await;
    assert_eq!(
        (status, &problem["code"]),
        (StatusCode::FORBIDDEN, &json!("forbidden"))
    );
    assert_eq!(ada.get(&format!("/services/{id}")).await.0, StatusCode::OK);
}

#[actix_web::test]
async fn only_secret_values_are_revealed_and_every_other_pointer_is_named() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    let id = ada.define("database", config("hunter2")).await;
    let pointers = json!([
        PASSWORD,
        "/config/image",
        "/config/environment/NOTHING",
        "/name",
        ""
    ]);
    let (status, problem) = reveal(&ada, &id, pointers).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let found = problem["errors"].as_array().unwrap().iter();
    let found: Vec<_> = found
        .map(|error| error["pointer"].as_str().unwrap())
        .collect();
    assert_eq!(
        found,
        [
            "#/pointers/1",
            "#/pointers/2",
            "#/pointers/3",
            "#/pointers/4"
        ]
    );
    assert!(!problem.to_string().contains("hunter2"), "{problem}");
    for refused in [
        json!({}),
        json!({"pointers": []}),
        json!({"pointers": vec![PASSWORD; 101]}),
        json!({"pointers": [PASSWORD, PASSWORD]}),
        json!({"pointers": [1]}),
        json!({"pointers": [PASSWORD], "reason": "curious"}),
    ] {
        let (status, problem) = ada.post(&format!("/services/{id}/reveal"), refused).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{problem}");
    }
}

#[actix_web::test]
async fn a_tampered_value_is_an_error_of_its_own_and_can_be_replaced() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    let id = ada.define("database", config("hunter2")).await;
    let tamper = "UPDATE services SET config = jsonb_set(config, '{environment,PASSWORD}', config #> '{environment,USER}')";
    app.execute(tamper, &[]).await;
    let (status, problem) = reveal(&ada, &id, json!([PASSWORD])).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(problem["code"], "decryption_failed");
    let start = answer(ada.request(Method::POST, &format!("/services/{id}/start"))).await;
    assert_eq!(start.1["code"], "decryption_failed");

    // Reading needs no secret, and a new value takes the place of the broken one.
    let path = format!("/services/{id}");
    let (status, mut shown) = ada.get(&path).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        ada.put(&path, shown.clone()).await.1["code"],
        "decryption_failed"
    );
    shown["config"]["environment"]["PASSWORD"] = json!("hunter3");
    assert_eq!(ada.put(&path, shown).await.0, StatusCode::OK);
    assert_eq!(password(&ada, &id).await, "hunter3");
}

#[actix_web::test]
async fn a_service_with_secrets_starts_with_their_values() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    let id = ada.define("database", config("hunter2")).await;
    let deployment = ada.deploy(&id, "start").await;
    assert_eq!(deployment["status"], "completed", "{deployment}");
    let url = format!("{}/v1/job/service-{id}", app.simulator.url());
    let job: Value = reqwest::get(url).await.unwrap().json().await.unwrap();
    let environment = &job["TaskGroups"][0]["Tasks"][0]["Env"];
    assert_eq!(environment["PASSWORD"], "hunter2");
}

#[actix_web::test]
async fn templates_show_what_is_to_be_filled_in_and_no_secrets() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    let insert = "INSERT INTO service_templates (name, type, config, created_by) \
         SELECT 't', 'database', $1, id FROM users WHERE username = 'ada'";
    let mut config = config("hunter2");
    config["environment"]["DATABASE"] = json!("{{DB_NAME}}");
    app.execute(insert, &[&config]).await;
    let (_, list) = ada.get("/templates").await;
    let id = list["templates"][0]["id"].as_str().unwrap();
    let (_, read) = ada.get(&format!("/templates/{id}")).await;
    for shown in [&list["templates"][0], &read] {
        let environment = json!({"PASSWORD": MARKER, "USER": MARKER, "DATABASE": "{{DB_NAME}}"});
        assert_eq!(shown["config"]["environment"], environment);
        assert_eq!(
            shown["config"]["custom_variables"],
            json!({"TOKEN": MARKER, "REGION": "eu"})
        );
    }
}
