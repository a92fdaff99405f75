//! What each operation costs at the database, in the sessions of a warm server: how often it waits for an answer, and how many
//! statements it sends. The table `round_trips.txt` has both; who makes an operation dearer, or cheaper, changes it there.

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use domain::Role;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    app::{Answer, PASSWORD, Person, Request, TestApp, service},
    isolation::{
        document::{Operation, Values, operations},
        operations::{Who, who_may},
        victim::World,
    },
    wire::{Cost, Wire},
};

const TABLE: &str = include_str!("round_trips.txt");

/// The harm of what keeps the tenant's people from signing in again.
const LOCKS_OUT: u8 = 4;

/// What each operation has cost, by its name.
type Costs = BTreeMap<String, Cost>;

#[actix_web::test]
async fn no_operation_costs_more_round_trips_or_statements_than_are_written_down() {
    let (app, wire) = TestApp::watched().await;
    let costs = costs(&app, &wire).await;
    let mut table = String::new();
    for (name, cost) in &costs {
        let _ = writeln!(table, "{name}: {cost}");
    }
    assert_eq!(table, TABLE, "tests/api/round_trips.txt should be\n{table}");

    let round_trips = |name: &str| costs[name].round_trips;
    for read in ["GET /services", "GET /services/{id}", "GET /audit-logs"] {
        assert_eq!(round_trips(read), 1, "{read}");
    }
    assert_eq!(round_trips("POST /services"), 2);
    assert_eq!(round_trips("POST /services with an Idempotency-Key"), 3);
}

#[actix_web::test]
async fn a_statement_is_prepared_once_in_a_session() {
    let (app, wire) = TestApp::watched().await;
    let ada = app.register("ada").await;
    ada.service("database").await;
    assert_eq!(ada.get("/services").await.0, StatusCode::OK);
    let prepared = wire.prepared();
    for _ in 0..5 {
        assert_eq!(ada.get("/services").await.0, StatusCode::OK);
    }
    assert_eq!(wire.prepared(), prepared);
}

/// Plays every operation of the description until it succeeds. One that needs what another makes is tried again after that.
async fn costs(app: &TestApp, wire: &Wire) -> Costs {
    let mut world = World::new(app).await;
    let mut costs = Costs::new();
    let vera = world.person(Role::TenantAdmin);
    let created = vera
        .request(Method::POST, "/services")
        .header("idempotency-key", "once")
        .json(&service("victim-monitoring", "monitoring"));
    let (created, cost_with_key) = heard(wire, created).await;
    assert_eq!(created.status, StatusCode::CREATED, "{created:?}");
    let name = "POST /services with an Idempotency-Key";
    costs.insert(name.to_owned(), cost_with_key);
    give_secrets(vera).await;

    let (mut left, last): (Vec<_>, Vec<_>) = operations(app)
        .await
        .into_iter()
        .partition(|operation| operation.harm().0 < LOCKS_OUT);
    for more in [last, Vec::new()] {
        // Of a suspended tenant nobody changes a password.
        left.sort_by_key(|operation| (operation.path.ends_with("/suspend"), operation.harm()));
        while !left.is_empty() {
            let before = left.len();
            let mut refused = Vec::new();
            let mut failed = Vec::new();
            for operation in left {
                match cost(&operation, app, &mut world, wire).await {
                    Ok(cost) => {
                        costs.insert(operation.name(), cost);
                    }
                    Err(answers) => {
                        refused.push(format!("{operation}: {answers:?}"));
                        failed.push(operation);
                    }
                }
            }
            left = failed;
            assert!(
                left.len() < before,
                "nobody succeeds: {}",
                refused.join("\n")
            );
        }
        left = more;
    }
    costs
}

/// What an operation costs that succeeds with one of the tenant's ids; otherwise what it was answered with.
async fn cost(
    operation: &Operation,
    app: &TestApp,
    world: &mut World<'_>,
    wire: &Wire,
) -> Result<Cost, Vec<(StatusCode, Value)>> {
    let who = who_may(operation);
    let role = match who {
        Who::PlatformAdmins => Role::Admin,
        _ => Role::TenantAdmin,
    };
    let field = field(operation, app, world).await;
    if operation.path.contains("/audit-logs") {
        sealed(app).await;
    }
    let mut refused = Vec::new();
    for values in Values::own(operation, &world.victims_rows().await) {
        let field = field.clone();
        let values = Values { field, ..values };
        let ask = async |person: &Person<'_>| {
            let request = match who {
                Who::Anyone => operation.request(app, &values),
                _ => operation.request_of(person, &values),
            };
            heard(wire, request).await
        };
        let (mut answer, mut cost) = ask(world.person(role)).await;
        if answer.status == StatusCode::UNAUTHORIZED && who != Who::Anyone {
            // The operation before has ended the session.
            world.sign_in_again(role).await;
            (answer, cost) = ask(world.person(role)).await;
        }
        if !succeeded(operation, &answer) {
            refused.push((answer.status, answer.json()));
            continue;
        }
        if answer.status == StatusCode::ACCEPTED {
            let id = answer.json()["deployment"]["id"].clone();
            world.person(role).ended(id.as_str().expect("an id")).await;
        }
        return Ok(cost);
    }
    Err(refused)
}

/// The answer to a request, and what it has cost.
async fn heard(wire: &Wire, request: Request) -> (Answer, Cost) {
    let id = Uuid::new_v4().to_string();
    wire.listen_for(&id);
    let answer = request.header("x-request-id", &id).send().await;
    (answer, wire.cost())
}

/// A start of what runs already is answered as well, and costs less.
fn succeeded(operation: &Operation, answer: &Answer) -> bool {
    let deploys = ["/start", "/stop", "/restart"];
    match deploys.iter().any(|end| operation.path.ends_with(end)) {
        true => answer.status == StatusCode::ACCEPTED,
        false => answer.status.is_success(),
    }
}

/// What the example of the operation's body can't know.
async fn field(operation: &Operation, app: &TestApp, world: &World<'_>) -> Option<(String, Value)> {
    let vera = world.person(Role::TenantAdmin);
    let (name, value) = match operation.name().as_str() {
        "POST /auth/login" => ("username", json!("victim-vera")),
        "POST /auth/refresh" | "POST /auth/logout" => {
            let person = app.login("victim-vera").await;
            ("refresh_token", json!(person.refresh_token))
        }
        "PUT /users/me" => ("email", json!("victim-vera@example.com")),
        "POST /users/me/password" => ("current_password", json!(PASSWORD)),
        "POST /invitations/accept" => {
            let invitation = json!({"email": "hopper@example.com", "role": "user"});
            let (status, invitation) = vera.post("/invitations", invitation).await;
            assert_eq!(status, StatusCode::CREATED, "{invitation}");
            ("token", invitation["token"].clone())
        }
        "POST /services" => ("type", json!("message_queue")),
        "PUT /services/{id}" => ("name", json!("victim-replaced")),
        "POST /services/{id}/reveal" => ("pointers", json!(["/config/environment/PASSWORD"])),
        _ => return None,
    };
    Some((name.to_owned(), value))
}

/// Gives each service a value that can be revealed.
async fn give_secrets(person: &Person<'_>) {
    let (_, list) = person.get("/services").await;
    for service in list["services"].as_array().expect("services") {
        let path = format!("/services/{}", service["id"].as_str().expect("an id"));
        let config = json!({"image": "nginx:1", "environment": {"PASSWORD": "of the victim"}});
        let (status, changed) = person.patch(&path, json!({"config": config})).await;
        assert_eq!(status, StatusCode::OK, "{changed}");
    }
}

/// Waits until every row of the audit trail is sealed.
async fn sealed(app: &TestApp) {
    for _ in 0..600 {
        let waiting = app.query("SELECT COUNT(*)::text FROM audit_pending", &[]);
        if waiting.await == "0" {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("rows of the audit trail stay unsealed");
}
