//! Every operation of the API's description, tried by everybody who may not: without a token, from another tenant, with
//! too small a role, as a platform administrator. Who may do what stands in one table, `operations.rs`; the requests are
//! made from the description. A new operation that the table does not name fails the first test.

mod aborts;
mod attack;
pub mod document;
mod interference;
pub mod operations;
mod start;
pub mod victim;

use std::collections::BTreeSet;

use domain::Role;
use reqwest::StatusCode;

use self::{
    attack::{Finding, Sent, foreign_ids},
    document::{Operation, Values, operations},
    operations::{OPERATIONS, Who, who_may},
    victim::{Rows, World},
};
use crate::app::TestApp;

#[actix_web::test]
async fn the_table_names_exactly_the_operations_of_the_description() {
    let app = TestApp::new().await;
    let described: BTreeSet<_> = operations(&app).await.iter().map(Operation::name).collect();
    let named: BTreeSet<_> = OPERATIONS
        .iter()
        .map(|(name, _)| (*name).to_owned())
        .collect();
    let missing: Vec<_> = described.difference(&named).collect();
    let gone: Vec<_> = named.difference(&described).collect();
    assert!(
        missing.is_empty() && gone.is_empty(),
        "isolation/operations.rs lacks {missing:?} and names {gone:?}, which the API does not have"
    );
    assert_eq!(OPERATIONS.len(), named.len(), "an operation stands twice");
}

#[actix_web::test]
async fn without_signing_in_there_is_nothing_but_what_is_public() {
    let app = TestApp::new().await;
    for operation in operations(&app).await {
        let answer = operation.request(&app, &Values::unknown()).send().await;
        let refused = answer.status == StatusCode::UNAUTHORIZED;
        match who_may(&operation) {
            // Signing in is public, and refuses who is not known.
            Who::Anyone => assert_ne!(answer.status, StatusCode::FORBIDDEN, "{operation}"),
            _ => assert!(refused, "{operation} answers {}", answer.status),
        }
        if who_may(&operation) != Who::Anyone {
            let forged = operation.request(&app, &Values::unknown());
            let forged = forged.header("authorization", "Bearer x.y.z").send().await;
            assert_eq!(forged.status, StatusCode::UNAUTHORIZED, "{operation}");
        }
    }
}

#[actix_web::test]
async fn another_tenants_ids_are_answered_like_unknown_ones_and_none_of_its_rows_changes() {
    let app = TestApp::hasty().await;
    let world = World::new(&app).await;
    let before = world.victims_rows().await;
    let ids = before.ids();
    let mut findings = Vec::new();
    let mut operations = operations(&app).await;
    // The attacker's own trail names the ids that were tried and refused, so it is read before that.
    operations.sort_by_key(Operation::takes_id);
    for operation in operations {
        findings.extend(foreign_ids(&operation, &world, &before, &ids).await);
    }
    findings.extend(before.differences(&world.victims_rows().await));
    assert!(findings.is_empty(), "{}", report(&findings));
}

#[actix_web::test]
async fn the_suite_notices_a_hole() {
    let app = TestApp::hasty().await;
    let world = World::new(&app).await;
    let before = world.victims_rows().await;
    let hole =
        "CREATE POLICY hole ON services TO nomad_services_app USING (true) WITH CHECK (true)";
    app.owner_client()
        .await
        .batch_execute(hole)
        .await
        .expect("a hole");
    let mut found = BTreeSet::new();
    for operation in operations(&app).await {
        let wanted = [
            "GET /services",
            "GET /services/{id}",
            "PATCH /services/{id}",
        ];
        if wanted.contains(&operation.name().as_str()) {
            let findings = foreign_ids(&operation, &world, &before, &before.ids()).await;
            found.extend((!findings.is_empty()).then(|| operation.name()));
        }
    }
    assert_eq!(found.len(), 3, "{found:?}");
    app.execute("UPDATE services SET description = 'mine'", &[])
        .await;
    let changed = before.differences(&world.victims_rows().await);
    assert!(!changed.is_empty(), "a change of the victim's rows");
}

#[actix_web::test]
async fn who_lacks_the_right_is_refused_and_changes_nothing() {
    let app = TestApp::hasty().await;
    let world = World::new(&app).await;
    let before = world.victims_rows().await;
    let mut findings = Vec::new();
    for operation in operations(&app).await {
        let who = who_may(&operation);
        for role in Role::ALL.iter().filter(|role| !who.allows(**role)) {
            let person = world.person(*role);
            for values in Values::own(&operation, &before) {
                let answer = operation.request_of(person, &values).send().await;
                let refused = match answer.status {
                    StatusCode::FORBIDDEN => true,
                    StatusCode::NOT_FOUND => operation.takes_id() || *role == Role::Admin,
                    _ => false,
                };
                if !refused {
                    let what = format!("a {role} is answered with {}", answer.status);
                    findings.push(Finding::of(&operation, &Sent::of(&values), what));
                }
            }
        }
    }
    let after = world.victims_rows().await.without_refusals();
    findings.extend(before.differences(&after));
    assert!(findings.is_empty(), "{}", report(&findings));
}

/// Without this, the refusals above would prove nothing: they might be those of a request that nobody can make.
#[actix_web::test]
async fn who_has_the_right_gets_through_with_ids_of_its_own() {
    let mut findings = Vec::new();
    for role in [Role::User, Role::TenantAdmin, Role::Admin] {
        let mut app = TestApp::hasty().await;
        let mut world = World::new(&app).await;
        let own = world.victims_rows().await;
        let mut operations = operations(&app).await;
        operations.retain(|operation| {
            let who = who_may(operation);
            // A platform administrator's own sessions are no rows of the victim's.
            let has_none = role == Role::Admin && operation.path.contains("/sessions/{id}");
            who != Who::Anyone && who.allows(role) && !has_none
        });
        // What removes comes last, so that there is something left to read and change.
        operations.sort_by_key(Operation::harm);
        for operation in &operations {
            let answers = get_through(operation, &mut world, role, &own).await;
            if answers.iter().all(|status| REFUSED.contains(status)) {
                let what = format!("a {role} who may is answered with {answers:?} for every id");
                findings.push(Finding::of(operation, &Sent::default(), what));
            }
        }
        app.stop().await;
    }
    assert!(findings.is_empty(), "{}", report(&findings));
}

const REFUSED: [StatusCode; 3] = [
    StatusCode::UNAUTHORIZED,
    StatusCode::FORBIDDEN,
    StatusCode::NOT_FOUND,
];

/// The answers for one id after the other, up to the first that is no refusal.
async fn get_through(
    operation: &Operation,
    world: &mut World<'_>,
    role: Role,
    own: &Rows,
) -> BTreeSet<StatusCode> {
    let mut answers = BTreeSet::new();
    for values in Values::own(operation, own) {
        let request = operation.request_of(world.person(role), &values);
        let mut status = request.send().await.status;
        if status == StatusCode::UNAUTHORIZED {
            // The operation before has ended the session.
            world.sign_in_again(role).await;
            let again = operation.request_of(world.person(role), &values);
            status = again.send().await.status;
        }
        answers.insert(status);
        if !REFUSED.contains(&status) {
            break;
        }
    }
    answers
}

fn report(findings: &[Finding]) -> String {
    let lines = findings.iter().map(ToString::to_string);
    lines.collect::<Vec<_>>().join("\n")
}
