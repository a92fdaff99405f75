use std::collections::BTreeMap;

use futures::future::join_all;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::app::{TestApp, anonymous, answer, service};

#[actix_web::test]
async fn a_service_is_defined_read_listed_and_removed() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    let made = ada.service("database").await;
    assert_eq!(made["status"], "stopped");
    let path = format!("/services/{}", made["id"].as_str().unwrap());
    assert_eq!(ada.get(&path).await, (StatusCode::OK, made.clone()));
    let (_, list) = ada.get("/services").await;
    assert_eq!(
        list,
        json!({"services": [made], "total": 1, "total_is_exact": true, "next_cursor": null})
    );
    let removed = answer(ada.request(Method::DELETE, &path)).await;
    assert_eq!(removed.0, StatusCode::NO_CONTENT);
    assert_eq!(ada.get(&path).await.0, StatusCode::NOT_FOUND);
}

#[actix_web::test]
async fn another_tenants_service_is_answered_like_one_that_does_not_exist() {
    let app = TestApp::new().await;
    let (ada, eve) = (app.register("ada").await, app.register("eve").await);
    let path = format!(
        "/services/{}",
        ada.service("database").await["id"].as_str().unwrap()
    );
    let nowhere = format!("/services/{}", uuid::Uuid::new_v4());
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let ask = |path: &str| {
            let request = eve.request(method.clone(), path);
            answer(match method {
                Method::PUT => request.json(&service("db", "database")),
                _ => request,
            })
        };
        let (foreign, unknown) = (ask(&path).await, ask(&nowhere).await);
        assert_eq!(
            (foreign.0, unknown.0),
            (StatusCode::NOT_FOUND, StatusCode::NOT_FOUND)
        );
        assert_eq!(anonymous(foreign.1), anonymous(unknown.1));
    }
    assert_eq!(eve.get("/services").await.1["total"], 0);
    assert_eq!(ada.get(&path).await.0, StatusCode::OK);
}

#[actix_web::test]
async fn one_service_of_each_type_and_no_name_twice() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    ada.service("database").await;
    for (name, service_type, code) in [
        ("database", "database", "type_taken"),
        ("database", "custom", "name_taken"),
    ] {
        let (status, problem) = ada.post("/services", service(name, service_type)).await;
        assert_eq!(
            (status, &problem["code"]),
            (StatusCode::CONFLICT, &json!(code))
        );
    }
}

#[actix_web::test]
async fn fifty_creates_at_once_leave_exactly_what_the_plan_allows() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    let types = [
        "database",
        "web_server",
        "message_queue",
        "monitoring",
        "devops",
        "custom",
    ];
    let requests = (0..50).map(|number| {
        let service_type = types[number % types.len()];
        ada.post(
            "/services",
            service(&format!("service-{number}"), service_type),
        )
    });
    let mut outcomes = BTreeMap::<String, usize>::new();
    for (status, body) in join_all(requests).await {
        let outcome = if status == StatusCode::CREATED {
            "created"
        } else {
            body["code"].as_str().unwrap()
        };
        if outcome == "limit_exceeded" {
            assert_eq!(
                (&body["dimension"], &body["limit"], &body["used"]),
                (&json!("services"), &json!(5), &json!(5))
            );
        }
        *outcomes.entry(outcome.to_owned()).or_default() += 1;
    }
    assert_eq!(outcomes["created"], 5, "{outcomes:?}");
    assert_eq!(outcomes.values().sum::<usize>(), 50, "{outcomes:?}");
    assert!(
        outcomes
            .keys()
            .all(|code| ["created", "type_taken", "limit_exceeded"].contains(&code.as_str())),
        "{outcomes:?}"
    );
    assert_eq!(ada.get("/services").await.1["total"], 5);
}

#[actix_web::test]
async fn pages_of_a_list_meet_without_gap_or_repetition() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    for service_type in ["database", "web_server", "monitoring"] {
        ada.service(service_type).await;
    }
    let (mut names, mut path) = (Vec::new(), "/services?limit=2".to_owned());
    loop {
        let (_, page) = ada.get(&path).await;
        assert_eq!(page["total"], 3);
        for service in page["services"].as_array().unwrap() {
            names.push(service["name"].as_str().unwrap().to_owned());
        }
        let Some(cursor) = page["next_cursor"].as_str() else {
            break;
        };
        path = format!("/services?limit=2&cursor={cursor}");
    }
    assert_eq!(names, ["monitoring", "web_server", "database"]);
}

#[actix_web::test]
async fn a_stale_change_is_refused_and_a_patch_says_what_it_changes() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    let path = format!(
        "/services/{}",
        ada.service("database").await["id"].as_str().unwrap()
    );
    let response = ada.request(Method::GET, &path).send().await;
    let tag = response.header("etag").unwrap().to_owned();
    let patch = |tag: Option<&str>| {
        let request = ada
            .request(Method::PATCH, &path)
            .json(&json!({"description": "mine"}));
        answer(match tag {
            Some(tag) => request.header("if-match", tag),
            None => request,
        })
    };
    assert_eq!(patch(None).await.0, StatusCode::PRECONDITION_REQUIRED);
    assert_eq!(patch(Some(&tag)).await.1["description"], "mine");
    assert_eq!(patch(Some(&tag)).await.0, StatusCode::PRECONDITION_FAILED);
}

#[actix_web::test]
async fn what_was_read_can_be_put_back() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    let mut made = ada.service("database").await;
    let path = format!("/services/{}", made["id"].as_str().unwrap());
    made["name"] = json!("renamed");
    let (status, changed) = ada.put(&path, made).await;
    assert_eq!(
        (status, &changed["name"]),
        (StatusCode::OK, &json!("renamed")),
        "{changed}"
    );
}

#[actix_web::test]
async fn nobody_is_served_without_a_token() {
    let app = TestApp::new().await;
    let (status, problem) = answer(app.request(Method::GET, "/services")).await;
    assert_eq!(
        (status, &problem["code"]),
        (StatusCode::UNAUTHORIZED, &json!("unauthenticated"))
    );
}
