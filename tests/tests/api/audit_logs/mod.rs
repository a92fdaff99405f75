//! The audit trail as its tenant's administrator sees it: listed, exported, and proved to be whole by whoever reads the
//! standards, with nothing of the product.

mod standard;

use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use transparency_log::{VerifierKeys, verify::Verification};
use uuid::Uuid;

use self::standard::{Node, consistent, hash, included, node, nodes};
use crate::app::{Answer, Person, TestApp, anonymous};

pub const SOON: (&str, &str) = ("NOMAD_SERVICES__AUDIT__SEAL_INTERVAL", "100ms");

/// The log's name, size and root.
fn head(note: &str) -> (String, u64, Node) {
    let mut lines = note.lines();
    let mut next = || lines.next().unwrap().to_owned();
    let (origin, size, root) = (next(), next().parse().unwrap(), next());
    (origin, size, node(&json!(root)))
}

async fn text(person: &Person<'_>, path: &str) -> String {
    let answer = person.request(Method::GET, path).send().await;
    assert_eq!(answer.status, StatusCode::OK, "{path}: {answer:?}");
    String::from_utf8(answer.bytes.to_vec()).unwrap()
}

/// Waits until nothing waits to be sealed.
pub async fn sealed(app: &TestApp) {
    let client = app.database_client().await;
    let waiting = "SELECT COUNT(*) FROM audit_pending";
    while client
        .query_one(waiting, &[])
        .await
        .unwrap()
        .get::<_, i64>(0)
        > 0
    {
        tokio::task::yield_now().await;
    }
}

#[actix_web::test]
async fn an_administrator_of_the_tenant_finds_what_was_done() {
    let app = TestApp::new().await;
    let (ada, eve) = (app.register("ada").await, app.register("eve").await);
    let service = ada.service("database").await;
    let resource = format!("services/{}", service["id"].as_str().unwrap());
    let (status, page) = ada.get(&format!("/audit-logs?resource={resource}")).await;
    assert_eq!(status, StatusCode::OK, "{page}");
    let row = &page["audit_logs"][0];
    assert_eq!(
        (&row["action"], &row["user_id"]),
        (&json!("service.create"), &ada.user["id"])
    );
    assert_eq!(row["tenant_id"], ada.user["tenant_id"]);

    let path = format!("/audit-logs/{}", row["id"].as_str().unwrap());
    let answer = ada.request(Method::GET, &path).send().await;
    assert_eq!(&answer.json(), row);
    assert!(answer.header("etag").is_some());
    let foreign = eve.get(&path).await;
    let unknown = eve.get(&format!("/audit-logs/{}", Uuid::new_v4())).await;
    assert_eq!(foreign.0, StatusCode::NOT_FOUND);
    assert_eq!(anonymous(foreign.1), anonymous(unknown.1));
}

#[actix_web::test]
async fn rows_are_found_by_user_action_resource_and_time_page_by_page() {
    let app = TestApp::new().await;
    let ada = app.register("ada").await;
    for kind in ["database", "web_server", "custom"] {
        ada.service(kind).await;
    }
    let (_, all) = ada.get("/audit-logs?action=service.create").await;
    let times: Vec<_> = all["audit_logs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["created_at"].as_str().unwrap())
        .collect();
    let user = ada.id();
    for (query, total) in [
        (format!("user_id={user}&action=service.create"), 3),
        (format!("user_id={}", Uuid::new_v4()), 0),
        ("action=service.delete".to_owned(), 0),
        ("resource=services".to_owned(), 0),
        (format!("action=service.create&from={}", times[1]), 2),
        (format!("action=service.create&to={}", times[1]), 1),
        (
            format!("action=service.create&from={}&to={}", times[2], times[0]),
            2,
        ),
    ] {
        let (status, page) = ada.get(&format!("/audit-logs?{query}")).await;
        assert_eq!(
            (status, &page["total"]),
            (StatusCode::OK, &json!(total)),
            "{query}: {page}"
        );
    }

    let (_, whole) = ada.get("/audit-logs?limit=200").await;
    let (mut paged, mut cursor) = (Vec::new(), String::new());
    loop {
        let (_, page) = ada.get(&format!("/audit-logs?limit=2{cursor}")).await;
        paged.extend(page["audit_logs"].as_array().unwrap().clone());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(json!(paged), whole["audit_logs"]);
}

#[actix_web::test]
async fn a_parameter_that_can_not_be_is_named() {
    let app = TestApp::with(&[SOON]).await;
    let ada = app.register("ada").await;
    sealed(&app).await;
    let (_, page) = ada.get("/audit-logs").await;
    let id = page["audit_logs"][0]["id"].as_str().unwrap();
    for (path, parameter) in [
        ("?user_id=ada", "user_id"),
        ("?from=yesterday", "from"),
        ("?to=2026-11-24", "to"),
        ("?to=-9999-01-01T00:00:00Z", "to"),
        ("/export?user_id=1", "user_id"),
        ("/checkpoint?tree_size=0", "tree_size"),
        ("/checkpoint?tree_size=18446744073709551615", "tree_size"),
        ("/consistency?to=1", "from"),
        ("/consistency?from=1", "to"),
        ("/consistency?from=0&to=1", "from"),
        ("/consistency?from=2&to=1", "from"),
        ("/consistency?from=1&to=9007199254740991", "to"),
        (
            &format!("/{id}/proof?tree_size=9007199254740991"),
            "tree_size",
        ),
    ] {
        let (status, problem) = ada.get(&format!("/audit-logs{path}")).await;
        assert_eq!(
            status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{path}: {problem}"
        );
        assert_eq!(
            problem["errors"][0]["pointer"],
            format!("#/{parameter}"),
            "{path}"
        );
    }
    let (status, _) = ada
        .get("/audit-logs/checkpoint?tree_size=9007199254740991")
        .await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[actix_web::test]
async fn every_exported_row_is_proved_under_the_signed_head() {
    let app = TestApp::with(&[SOON]).await;
    let ada = app.register("ada").await;
    for kind in ["database", "web_server"] {
        ada.service(kind).await;
    }
    sealed(&app).await;
    let note = text(&ada, "/audit-logs/checkpoint").await;
    let (origin, size, root) = head(&note);
    assert_eq!(
        origin,
        format!("nomad-services/{}", ada.user["tenant_id"].as_str().unwrap())
    );
    assert!(
        text(&ada, "/audit-logs/verifier-key")
            .await
            .starts_with(&format!("{origin}+"))
    );

    let export = text(&ada, "/audit-logs/export").await;
    let lines: Vec<Value> = export
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len() as u64, size);
    for (index, line) in (0..).zip(&lines) {
        assert_eq!(line["index"], index);
        let id = line["row"]["id"].as_str().unwrap();
        assert_eq!(ada.get(&format!("/audit-logs/{id}")).await.1, line["row"]);
        let leaf = STANDARD.decode(line["leaf"].as_str().unwrap()).unwrap();
        let leaf = hash(&[&[0], &leaf]);
        for tree_size in [index + 1, size] {
            let path = format!("/audit-logs/{id}/proof?tree_size={tree_size}");
            let (status, proof) = ada.get(&path).await;
            assert_eq!(status, StatusCode::OK, "{proof}");
            assert_eq!(
                (&proof["leaf_index"], &proof["tree_size"]),
                (&json!(index), &json!(tree_size))
            );
            assert_eq!(node(&proof["leaf_hash"]), leaf);
            if tree_size == size {
                assert!(
                    included(index, size, leaf, &nodes(&proof["hashes"]), root),
                    "{proof}"
                );
            }
        }
    }
}

#[actix_web::test]
async fn the_log_is_proved_to_have_only_grown() {
    let app = TestApp::with(&[SOON]).await;
    let ada = app.register("ada").await;
    let mut heads = Vec::new();
    for kind in ["database", "web_server", "custom"] {
        ada.service(kind).await;
        sealed(&app).await;
        heads.push(head(&text(&ada, "/audit-logs/checkpoint").await));
    }
    for (earlier, (_, from, first)) in heads.iter().enumerate() {
        for (_, to, second) in &heads[earlier..] {
            let path = format!("/audit-logs/consistency?from={from}&to={to}");
            let (status, proof) = ada.get(&path).await;
            assert_eq!(status, StatusCode::OK, "{proof}");
            assert_eq!((&proof["from"], &proof["to"]), (&json!(from), &json!(to)));
            assert!(
                consistent(*from, *to, *first, *second, &nodes(&proof["hashes"])),
                "{path}"
            );
        }
        let again = text(&ada, &format!("/audit-logs/checkpoint?tree_size={from}")).await;
        assert_eq!(
            head(&again).2,
            *first,
            "what was signed once can be had again"
        );
    }
}

#[actix_web::test]
async fn an_export_of_many_pages_is_whole_and_verifies() {
    const ROWS: i32 = 1234;
    let app = TestApp::with(&[SOON]).await;
    let ada = app.register("ada").await;
    let insert = "INSERT INTO audit_logs (user_id, tenant_id, action, resource, details)
        SELECT id, tenant_id, 'note.' || number, 'r', E'\\u00e9\\n\\u0001' FROM users, generate_series(1, $1) AS number
        WHERE username = 'ada'";
    let owner = app.owner_client().await;
    // The owner sees no row of users, and so has to be let in.
    owner
        .batch_execute("ALTER TABLE users NO FORCE ROW LEVEL SECURITY")
        .await
        .unwrap();
    owner.execute(insert, &[&ROWS]).await.unwrap();
    sealed(&app).await;
    let note = text(&ada, "/audit-logs/checkpoint").await;
    let keys: VerifierKeys = text(&ada, "/audit-logs/verifier-key")
        .await
        .parse()
        .unwrap();
    let mut verification = Verification::new(vec![keys.open(&note).unwrap()]).unwrap();
    for line in text(&ada, "/audit-logs/export").await.lines() {
        verification.line(line).unwrap();
    }
    let verified = verification.finish().unwrap();
    assert!(verified.rows >= u64::try_from(ROWS).unwrap());

    let some = text(&ada, "/audit-logs/export?action=note.1000").await;
    assert_eq!(some.lines().count(), 1);
}

#[actix_web::test]
async fn a_row_that_is_not_sealed_yet_can_be_asked_for_again() {
    let app = TestApp::with(&[SOON]).await;
    // No head can be written meanwhile.
    let owner = app.owner_client().await;
    let hold = "BEGIN; LOCK TABLE audit_checkpoints IN SHARE MODE";
    owner.batch_execute(hold).await.unwrap();
    let ada = app.register("ada").await;
    let (_, page) = ada.get("/audit-logs").await;
    let id = page["audit_logs"][0]["id"].as_str().unwrap();
    let wait = |answer: Answer| {
        assert_eq!(answer.status, StatusCode::CONFLICT);
        assert_eq!(answer.json()["code"], "not_sealed");
        answer.header("retry-after").unwrap().to_owned()
    };
    for path in [
        format!("/audit-logs/{id}/proof"),
        "/audit-logs/checkpoint".to_owned(),
    ] {
        let answer = ada.request(Method::GET, &path).send().await;
        assert_eq!(wait(answer), "1", "{path}");
    }
    assert_eq!(text(&ada, "/audit-logs/export").await, "");
    owner.batch_execute("ROLLBACK").await.unwrap();
    sealed(&app).await;
    let (status, _) = ada.get(&format!("/audit-logs/{id}/proof")).await;
    assert_eq!(status, StatusCode::OK);
}

#[actix_web::test]
async fn an_export_comes_in_the_form_that_is_asked_for() {
    let app = TestApp::with(&[SOON]).await;
    let ada = app.register("ada").await;
    sealed(&app).await;
    let export = |accept: &'static str| {
        let request = ada.request(Method::GET, "/audit-logs/export");
        request.header("accept", accept).send()
    };
    let table = export("text/csv").await;
    assert_eq!(
        table.header("content-type"),
        Some("text/csv; charset=utf-8")
    );
    let table = String::from_utf8(table.bytes.to_vec()).unwrap();
    let lines = export("application/x-ndjson").await;
    assert_eq!(lines.header("content-type"), Some("application/x-ndjson"));
    let lines = String::from_utf8(lines.bytes.to_vec()).unwrap();
    assert_eq!(table.lines().count(), lines.lines().count() + 1);
    assert!(table.starts_with("index,id,created_at,user_id,"), "{table}");
    assert_eq!(export("image/png").await.status, StatusCode::NOT_ACCEPTABLE);
}

#[actix_web::test]
async fn nobody_but_the_tenants_administrators_reads_the_trail() {
    let app = TestApp::new().await;
    let (ada, root) = (app.register("ada").await, app.administrator("root").await);
    let (_, page) = ada.get("/audit-logs").await;
    let id = page["audit_logs"][0]["id"].as_str().unwrap().to_owned();
    app.member(&ada, "grace", "tenant_admin").await;
    let path = format!("/admin/users/{}/role", ada.id());
    assert_eq!(
        root.put(&path, json!({"role": "user"})).await.0,
        StatusCode::OK
    );
    for path in [
        String::new(),
        format!("/{id}"),
        format!("/{}", Uuid::new_v4()),
        format!("/{id}/proof"),
        "/export".to_owned(),
        "/checkpoint".to_owned(),
        "/consistency?from=1&to=1".to_owned(),
        "/verifier-key".to_owned(),
    ] {
        let (status, problem) = ada.get(&format!("/audit-logs{path}")).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{path}: {problem}");
    }
}

#[actix_web::test]
async fn a_new_key_in_the_file_signs_while_the_server_runs() {
    const OLD: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    const NEW: &str = "AQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys");
    std::fs::write(&file, OLD).unwrap();
    let path = file.to_str().unwrap();
    let app = TestApp::with(&[SOON, ("AUDIT_SIGNING_KEY_FILE", path)]).await;
    let ada = app.register("ada").await;
    sealed(&app).await;
    let before = text(&ada, "/audit-logs/verifier-key").await;
    std::fs::write(&file, format!("{NEW}\n{OLD}")).unwrap();
    let after = loop {
        let keys = text(&ada, "/audit-logs/verifier-key").await;
        if keys != before {
            break keys;
        }
    };
    assert!(after.ends_with(&before), "{after}");
    let newest: VerifierKeys = after.lines().next().unwrap().parse().unwrap();
    while newest
        .open(&text(&ada, "/audit-logs/checkpoint").await)
        .is_err()
    {
        tokio::task::yield_now().await;
    }
}
