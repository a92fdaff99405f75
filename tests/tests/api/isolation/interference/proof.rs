//! That the comparison finds what it is there for: holes that are made on purpose, and answers that are not the same.

use std::collections::BTreeSet;

use reqwest::{StatusCode, header::HeaderMap};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    difference,
    history::{Side, Step},
    names::{Names, settled},
    operations::{LEFT_OUT, OPERATIONS},
    shorten,
};
use crate::{
    app::Answer,
    isolation::operations::{self as isolation, Who},
};

#[test]
fn the_histories_have_every_operation_of_a_tenants_members_or_say_why_not() {
    let members = isolation::OPERATIONS
        .iter()
        .filter(|(_, who)| *who != Who::PlatformAdmins);
    let members: BTreeSet<_> = members.map(|(name, _)| *name).collect();
    let asked = OPERATIONS.iter().map(|operation| operation.name);
    let left_out = LEFT_OUT.iter().map(|(name, _)| *name);
    let named: BTreeSet<_> = asked.chain(left_out).collect();
    let missing: Vec<_> = members.difference(&named).collect();
    let gone: Vec<_> = named.difference(&members).collect();
    assert!(
        missing.is_empty() && gone.is_empty(),
        "interference/operations.rs lacks {missing:?} and names {gone:?}, which are none"
    );
    assert_eq!(
        OPERATIONS.len() + LEFT_OUT.len(),
        named.len(),
        "one stands twice"
    );
}

#[actix_web::test]
async fn a_policy_that_lets_rows_through_and_a_name_that_is_unique_for_all_are_found() {
    let define = |side| Step::plain(side, "POST /services", 0);
    for (hole, history) in [
        (
            "CREATE POLICY hole ON services TO nomad_services_app USING (true) WITH CHECK (true)",
            [
                define(Side::Ada),
                Step::plain(Side::Bob, "GET /services", 0),
            ],
        ),
        (
            "CREATE UNIQUE INDEX hole ON services (name)",
            [define(Side::Ada), define(Side::Bob)],
        ),
    ] {
        let found = difference(&history, hole).await.expect(hole);
        assert_eq!(found.side, Side::Bob, "{found}");
    }
}

#[actix_web::test]
async fn a_history_is_shortened_to_what_it_takes() {
    let shows = async |history: &[u32]| [3, 11].iter().all(|it| history.contains(it)).then_some(());
    let (shortest, ()) = shorten((0..40).collect(), (), shows).await;
    assert_eq!(shortest, [3, 11]);
}

fn answer(body: &Value) -> Answer {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", "application/json".parse().unwrap());
    let bytes = body.to_string();
    Answer {
        status: StatusCode::OK,
        headers,
        sent: bytes.len(),
        bytes: bytes.into(),
    }
}

/// What a tenant sees who is given these answers.
fn seen(bodies: &[Value]) -> Vec<String> {
    let mut names = Names::default();
    let answers = bodies.iter().map(answer);
    answers
        .map(|answer| names.answer(&answer, &settled(&answer)))
        .collect()
}

#[test]
fn other_ids_times_and_secrets_in_the_same_places_are_the_same() {
    let told = |time: &str| {
        let [one, two, token] = [(); 3].map(|()| Uuid::new_v4().to_string());
        let at = format!("2026-11-24T{time}");
        let service = json!({"id": one, "created_by": two, "created_at": at, "token": token});
        let row = |id: &str, details: &str| json!({"id": id, "action": "service.update", "created_at": at, "resource": format!("services/{id}"), "details": details});
        let rows = [row(&one, r#"{"name": "db"}"#), row(&two, "{}")];
        [service, json!({"audit_logs": rows, "next_cursor": token})]
    };
    let (one, mut next) = (told("20:00:00.123456Z"), told("21:00:00.5Z"));
    // Rows that one transaction wrote come in any order.
    next[1]["audit_logs"].as_array_mut().unwrap().reverse();
    assert_eq!(seen(&one), seen(&next));
}

#[test]
fn another_value_id_order_or_number_is_noticed() {
    let [one, two] = [(); 2].map(|()| Uuid::new_v4().to_string());
    let list = |ids: &[&str]| {
        let items: Vec<_> = ids
            .iter()
            .map(|id| json!({"id": id, "name": "db"}))
            .collect();
        json!({"services": items, "total": ids.len()})
    };
    let first = list(&[&one, &two]);
    let mut renamed = list(&[&one]);
    renamed["services"][0]["name"] = json!("web");
    let told = |second: Value| seen(&[first.clone(), second]);
    let expected = told(list(&[&one]));
    for second in [
        renamed,
        list(&[&two]),
        list(&[&one, &two]),
        list(&[&Uuid::new_v4().to_string()]),
        list(&[]),
    ] {
        assert_ne!(told(second.clone()), expected, "{second}");
    }
    assert_ne!(told(list(&[&one, &two])), told(list(&[&two, &one])));
    let mut refused = answer(&first);
    refused.status = StatusCode::FORBIDDEN;
    let mut names = Names::default();
    assert_ne!(names.answer(&refused, &settled(&refused)), expected[0]);
    let mut replayed = answer(&first);
    replayed
        .headers
        .insert("idempotent-replayed", "true".parse().unwrap());
    let mut names = Names::default();
    assert_ne!(names.answer(&replayed, &settled(&replayed)), expected[0]);
}

#[test]
fn an_id_that_the_tenant_has_from_elsewhere_is_told_from_its_own() {
    let (own, foreign) = (Uuid::new_v4().to_string(), Uuid::new_v4().to_string());
    let mut names = Names::default();
    names.add_foreign(&foreign);
    let mut show = |id: &str| {
        let answer = answer(&json!({"id": id}));
        names.answer(&answer, &settled(&answer))
    };
    assert_ne!(show(&own), show(&foreign));
}
