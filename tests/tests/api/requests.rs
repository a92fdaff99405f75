//! What holds for every request: its bounds, its methods, its preconditions, and how a refusal reads.

#![expect(clippy::expect_used, reason = "a test that can't go on has failed")]

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::app::{Answer, Person, TestApp, anonymous, answer, service};

const JSON: &str = "application/json";

async fn create(person: &Person<'_>, content_type: &str, body: impl Into<reqwest::Body>) -> Answer {
    let request = person.request(Method::POST, "/services");
    request.text(content_type, body).send().await
}

fn code(answer: &Answer) -> String {
    let problem = answer.json();
    let field = &problem["errors"][0]["code"];
    field
        .as_str()
        .or(problem["code"].as_str())
        .expect("a code")
        .to_owned()
}

#[actix_web::test]
async fn a_body_that_is_no_json_or_not_called_so_is_refused() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    for (content_type, body, status, expected) in [
        (
            JSON,
            "{\"name\": ",
            StatusCode::BAD_REQUEST,
            "malformed_json",
        ),
        (JSON, "", StatusCode::BAD_REQUEST, "malformed_json"),
        (
            "application/x-www-form-urlencoded",
            "name=db",
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
        ),
        (JSON, "[]", StatusCode::UNPROCESSABLE_ENTITY, "wrong_type"),
    ] {
        let refused = create(&ada, content_type, body).await;
        assert_eq!(
            (refused.status, code(&refused).as_str()),
            (status, expected)
        );
    }
}

#[actix_web::test]
async fn a_body_beyond_the_bounds_is_refused_with_the_bound() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    let fields: Vec<_> = (0..1_001)
        .map(|number| format!("\"f{number}\":1"))
        .collect();
    let cases = [
        (
            r#"{"name": "a", "name": "b"}"#.to_owned(),
            "duplicate_field",
            "",
        ),
        (
            format!("{{\"name\": {}1{}}}", "[".repeat(32), "]".repeat(32)),
            "too_deep",
            "32",
        ),
        (
            format!("{{{}}}", fields.join(",")),
            "too_many_fields",
            "1000",
        ),
        (
            format!("{{\"description\": \"{}\"}}", "x".repeat(65_537)),
            "too_long",
            "65536",
        ),
        ("{\"name\": \"a\\u0000\"}".to_owned(), "nul", "NUL"),
    ];
    for (body, expected, bound) in cases {
        let refused = create(&ada, JSON, body).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(code(&refused), expected);
        let detail = refused.json()["errors"][0]["detail"].clone();
        assert!(detail.as_str().unwrap().contains(bound), "{detail}");
    }
    let refused = create(&ada, JSON, " ".repeat(512 * 1024 + 1)).await;
    assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(code(&refused), "body_too_large");
}

#[actix_web::test]
async fn fields_nobody_knows_are_refused_wherever_they_stand() {
    let app = TestApp::new().await;
    for (path, body) in [
        (
            "/auth/login",
            json!({"username": "ada", "password": "x", "remember": true}),
        ),
        (
            "/auth/refresh",
            json!({"refresh_token": "x", "user": "ada"}),
        ),
        ("/auth/logout", json!({"refresh_token": "x", "user": "ada"})),
    ] {
        let (status, problem) = app.post(path, body).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(problem["errors"][0]["code"], "unknown_field");
    }
}

#[actix_web::test]
async fn a_parameter_nobody_knows_is_answered_with_those_there_are() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    let (status, problem) = ada.get("/services?page=2&type=custom&type=custom").await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(
        problem["errors"],
        json!([
            {
                "pointer": "#/page", "code": "unknown_parameter",
                "detail": "is not a parameter; these are: limit, cursor, total, type, status, q"
            },
            {"pointer": "#/type", "code": "repeated", "detail": "stands in the query more than once"}
        ])
    );
    let (status, problem) = ada.get("/users/me?verbose=1").await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(problem["errors"][0]["code"], "unknown_parameter");
}

#[actix_web::test]
async fn a_limit_outside_1_to_200_a_cursor_we_never_gave_and_another_count_are_refused() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    for (query, pointer) in [
        ("limit=0", "#/limit"),
        ("limit=201", "#/limit"),
        ("limit=all", "#/limit"),
        ("cursor=MTIz", "#/cursor"),
        ("cursor=%00", "#/cursor"),
        ("total=1000", "#/total"),
        ("total=", "#/total"),
        ("type=cache", "#/type"),
        ("status=lost", "#/status"),
    ] {
        let (status, problem) = ada.get(&format!("/services?{query}")).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{query}");
        assert_eq!(problem["errors"][0]["pointer"], pointer);
    }
    assert_eq!(ada.get("/services?limit=200").await.0, StatusCode::OK);
}

#[actix_web::test]
async fn a_method_a_path_does_not_have_is_answered_with_those_it_has() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    let refused = ada.request(Method::DELETE, "/services").send().await;
    assert_eq!(refused.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(refused.header("allow"), Some("GET, HEAD, OPTIONS, POST"));
    let asked = app.request(Method::OPTIONS, "/auth/login").send().await;
    assert_eq!(asked.status, StatusCode::NO_CONTENT);
    assert_eq!(asked.header("allow"), Some("OPTIONS, POST"));
    let unknown = answer(app.request(Method::GET, "/nothing")).await;
    assert_eq!(unknown.0, StatusCode::NOT_FOUND);
}

#[actix_web::test]
async fn head_is_get_without_the_body() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    let whole = ada.request(Method::GET, "/users/me").send().await;
    let head = ada.request(Method::HEAD, "/users/me").send().await;
    assert_eq!((head.status, head.bytes.len()), (StatusCode::OK, 0));
    assert_eq!(head.header("etag"), whole.header("etag"));
    assert_eq!(
        head.header("content-length"),
        whole.header("content-length")
    );
}

#[actix_web::test]
async fn an_id_of_the_wrong_form_names_nothing() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    let (status, problem) = ada.get("/services/first").await;
    assert_eq!(
        (status, &problem["code"]),
        (StatusCode::NOT_FOUND, &json!("not_found"))
    );
}

#[actix_web::test]
async fn a_change_of_a_user_is_refused_where_it_is_stale() {
    let app = TestApp::new().await;
    let (ada, root) = (app.register("ada").await, app.administrator("root").await);
    let own = ada.request(Method::GET, "/users/me").send().await;
    let tag = own.header("etag").unwrap().to_owned();
    let change = |person: &Person<'_>, path: &str, body: Value| {
        let request = person.request(Method::PUT, path).json(&body);
        answer(request.header("if-match", tag.clone()))
    };
    let named = change(&ada, "/users/me", json!({"first_name": "Ada"})).await;
    assert_eq!(named.0, StatusCode::OK);
    let stale = change(&ada, "/users/me", json!({"first_name": "Eve"})).await;
    assert_eq!(stale.0, StatusCode::PRECONDITION_FAILED);
    let role = format!("/admin/users/{}/role", ada.id());
    let stale = change(&root, &role, json!({"role": "user"})).await;
    assert_eq!(stale.0, StatusCode::PRECONDITION_FAILED);
    assert_eq!(ada.get("/users/me").await.1["role"], "tenant_admin");
}

#[actix_web::test]
async fn a_problem_says_where_it_happened_and_in_which_request() {
    let app = TestApp::new().await;
    let request = app.request(Method::GET, "/services");
    let refused = request.header("x-request-id", "my.request-1").send().await;
    assert_eq!(
        refused.header("content-type"),
        Some("application/problem+json")
    );
    assert_eq!(refused.header("x-request-id"), Some("my.request-1"));
    let problem = refused.json();
    assert_eq!(problem["instance"], "/api/v1/services");
    assert_eq!(problem["request_id"], "my.request-1");
    assert_eq!(
        anonymous(problem),
        json!({
            "type": "urn:nomad-services:problem:unauthenticated", "title": "Unauthorized", "status": 401,
            "code": "unauthenticated", "detail": "sign in and send the access token",
            "error": "sign in and send the access token"
        })
    );
}

#[actix_web::test]
async fn the_description_is_served_with_a_page_that_fetches_nothing_from_elsewhere() {
    let app = TestApp::new().await;
    let described = app.request(Method::GET, "/openapi.json").send().await;
    let document = serde_json::to_value(nomad_services::openapi::document()).unwrap();
    assert_eq!(described.json(), document);
    assert_eq!(document["openapi"], "3.1.0");
    let page = app.at_root(Method::GET, "/docs/").send().await;
    assert_eq!(page.status, StatusCode::OK);
    let page = String::from_utf8(page.bytes.to_vec()).unwrap();
    assert!(page.contains("swagger-ui"), "{page}");
    for elsewhere in ["src=\"http", "href=\"http", "src=\"//", "href=\"//"] {
        assert!(!page.contains(elsewhere), "{page}");
    }
}

#[actix_web::test]
async fn a_service_is_put_back_as_it_was_read_with_everything_a_configuration_can_hold() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    let mut whole = service("db", "database");
    whole["config"] = json!({
        "image": "postgres:17", "ports": [5432], "environment": {"POSTGRES_DB": "orders"},
        "volumes": ["/data:/var/lib/postgresql/data"],
        "resources": {"cpu": 500, "memory": 512, "disk": 1024},
        "health_check": {
            "enabled": true, "path": "/health", "interval": "30s", "timeout": "5s", "retries": 3
        },
        "custom_variables": {"region": "eu"}
    });
    let (status, made) = ada.post("/services", whole).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let path = format!("/services/{}", made["id"].as_str().unwrap());
    let (status, put) = ada.put(&path, made.clone()).await;
    assert_eq!((status, &put["config"]), (StatusCode::OK, &made["config"]));
}
