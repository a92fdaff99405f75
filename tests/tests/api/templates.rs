//! What services can be made from: public templates, and those of one's own tenant.

use reqwest::StatusCode;
use serde_json::json;

use crate::app::{TestApp, anonymous};

const INSERT: &str = "INSERT INTO service_templates (name, type, category, tags, config, is_public, created_by) \
     SELECT $1::text, 'database', 'sql', ARRAY['fast', $1::text], '{\"image\": \"postgres:17\"}', $2, id FROM users WHERE username = $3";

#[actix_web::test]
async fn public_templates_are_everybodys_and_others_stay_in_their_tenant() {
    let app = TestApp::new().await;
    let (ada, bob) = (app.register("ada").await, app.register("bob").await);
    app.execute(INSERT, &[&"public", &true, &"ada"]).await;
    app.execute(INSERT, &[&"private", &false, &"ada"]).await;

    let (_, own) = ada.get("/templates").await;
    assert_eq!(own["total"], 2);
    let (_, seen) = bob.get("/templates").await;
    assert_eq!(
        (&seen["total"], &seen["templates"][0]["name"]),
        (&json!(1), &json!("public"))
    );

    let id = |name: &str| {
        let all = own["templates"].as_array().unwrap();
        let found = all.iter().find(|template| template["name"] == name);
        found.unwrap()["id"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        bob.get(&format!("/templates/{}", id("public"))).await.0,
        StatusCode::OK
    );
    let foreign = bob.get(&format!("/templates/{}", id("private"))).await;
    let unknown = bob
        .get(&format!("/templates/{}", uuid::Uuid::new_v4()))
        .await;
    assert_eq!(foreign.0, StatusCode::NOT_FOUND);
    assert_eq!(anonymous(foreign.1), anonymous(unknown.1));
}

#[actix_web::test]
async fn templates_are_found_by_category_type_tag_and_text() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    app.execute(INSERT, &[&"postgres", &true, &"ada"]).await;
    app.execute(INSERT, &[&"maria", &true, &"ada"]).await;
    for (query, total) in [
        ("category=sql", 2),
        ("category=cache", 0),
        ("type=database", 2),
        ("type=custom", 0),
        ("tag=fast", 2),
        ("tag=maria", 1),
        ("q=POST", 1),
        ("limit=1", 2),
    ] {
        let (_, page) = ada.get(&format!("/templates?{query}")).await;
        assert_eq!(page["total"], total, "{query}");
    }
}
