//! The attack of another tenant's administrator, who knows every id of the victim and puts it wherever an id can stand.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    fmt,
};

use domain::Role;
use reqwest::{StatusCode, header::CONTENT_LENGTH};
use serde_json::json;
use uuid::Uuid;

use super::{
    document::{Operation, Values},
    operations::who_may,
    victim::{MARK, Rows, World},
};
use crate::app::{Answer, Request};

/// What belongs to the moment, the connection or the thread of an answer; the last is a set, in an order of each thread.
const OF_THE_MOMENT: [&str; 4] = [
    "date",
    "x-request-id",
    "connection",
    "access-control-expose-headers",
];

const TENANT_PARAMETER: &str = "tenant_id";

/// Where an operation did not do what it should have done.
pub struct Finding {
    operation: String,
    sent: Sent,
    what: String,
}

/// What was put into the request.
#[derive(Clone, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Sent(String);

impl Sent {
    pub fn of(values: &Values) -> Self {
        let mut parts = vec![values.path.join(" ")];
        parts.extend(
            values
                .query
                .iter()
                .map(|(name, value)| format!("?{name}={value}")),
        );
        parts.extend(
            values
                .field
                .iter()
                .map(|(name, value)| format!("{{{name}: {value}}}")),
        );
        Self(parts.join(" "))
    }
}

impl Finding {
    pub fn of(operation: &Operation, sent: &Sent, what: String) -> Self {
        Self {
            operation: operation.name(),
            sent: sent.clone(),
            what,
        }
    }

    /// A row of the victim that is not as it was before.
    pub fn in_table(table: &str, what: String) -> Self {
        Self {
            operation: format!("table {table}"),
            sent: Sent::default(),
            what,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} [{}]: {}",
            self.operation, self.sent.0, self.what
        )
    }
}

/// What `operation` tells the attacker about the victim's `ids` that it does not tell about unknown ones.
pub async fn foreign_ids(
    operation: &Operation,
    world: &World<'_>,
    victim: &Rows,
    ids: &[String],
) -> Vec<Finding> {
    let unknown = Uuid::new_v4().to_string();
    let mut attempts = Vec::new();
    for id in ids {
        let both = |make: &dyn Fn(&str) -> Values| Attempt {
            foreign: make(id),
            unknown: make(&unknown),
            id: id.clone(),
        };
        if operation.takes_id() {
            attempts.push(both(&|id| in_path(operation, id, id)));
        }
        if operation.ids_in_path() > 1 {
            attempts.push(both(&|id| in_path(operation, &world.attackers.tenant, id)));
        }
        if !operation.takes_id() {
            let mut parameters = operation.texts_in_query();
            if *id == victim.tenant {
                parameters.push(TENANT_PARAMETER.to_owned());
            }
            for parameter in parameters {
                attempts.push(both(&|id| Values {
                    query: Some((parameter.clone(), id.to_owned())),
                    ..Values::default()
                }));
            }
        }
    }
    let path = own_path(operation, world, &unknown).await;
    for field in operation.ids_in_body() {
        for id in victim.principal_ids() {
            let make = |id: &str| Values {
                path: path.clone(),
                field: Some((field.clone(), json!(id))),
                query: None,
            };
            attempts.push(Attempt {
                foreign: make(&id),
                unknown: make(&unknown),
                id,
            });
        }
    }

    let secrets = victim.secrets();
    let mut findings = Vec::new();
    let mut answers_to_unknown = BTreeMap::new();
    for attempt in attempts {
        let ask = async |values: &Values, id: &str| {
            let request = operation.request_of(&world.eve, values);
            seen(request, id).await
        };
        let foreign = ask(&attempt.foreign, &attempt.id).await;
        let sent = Sent::of(&attempt.foreign);
        findings.extend(leaks(operation, &sent, &secrets, &foreign));
        let as_unknown = match answers_to_unknown.entry(Sent::of(&attempt.unknown)) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(ask(&attempt.unknown, &unknown).await),
        };
        if foreign != *as_unknown {
            let what = format!("is answered with\n{foreign}\nand an unknown id with\n{as_unknown}");
            findings.push(Finding::of(operation, &sent, what));
        }
    }
    findings.extend(lists(operation, world, &secrets).await);
    findings
}

/// One request with a foreign id, and the same with an unknown one.
struct Attempt {
    foreign: Values,
    unknown: Values,
    id: String,
}

fn in_path(operation: &Operation, first: &str, id: &str) -> Values {
    let mut path = vec![first.to_owned(); operation.ids_in_path() - 1];
    path.push(id.to_owned());
    Values {
        path,
        ..Values::default()
    }
}

/// Own ids that reach the point at which the body is looked at, as far as there are any.
async fn own_path(operation: &Operation, world: &World<'_>, unknown: &str) -> Vec<String> {
    let candidates = Values::own(operation, &world.attackers);
    let field = operation.ids_in_body().into_iter().next();
    for candidate in &candidates {
        let values = Values {
            field: field.clone().map(|field| (field, json!(unknown))),
            ..candidate.clone()
        };
        if field.is_none() {
            break;
        }
        let answer = operation.request_of(&world.eve, &values).send().await;
        if answer.status != StatusCode::NOT_FOUND {
            return candidate.path.clone();
        }
    }
    candidates.into_iter().next().unwrap_or_default().path
}

/// Lists as they are, from where the victim's own page ends, and by what only the victim's rows say.
async fn lists(operation: &Operation, world: &World<'_>, secrets: &[String]) -> Vec<Finding> {
    let parameters = operation.texts_in_query();
    if operation.takes_id() || !parameters.iter().any(|name| name == "cursor") {
        return Vec::new();
    }
    let query = |name: &str, value: &str| Values {
        query: Some((name.to_owned(), value.to_owned())),
        ..Values::default()
    };
    let mut sent = vec![Values::default()];
    if who_may(operation).allows(Role::TenantAdmin) {
        let first_page =
            operation.request_of(world.person(Role::TenantAdmin), &query("limit", "1"));
        let cursor = first_page.send().await.json()["next_cursor"].clone();
        sent.extend(cursor.as_str().map(|cursor| query("cursor", cursor)));
    }
    if parameters.iter().any(|name| name == "q") {
        sent.push(query("q", MARK));
    }
    let mut findings = Vec::new();
    for values in sent {
        let request = operation.request_of(&world.eve, &values);
        let answer = seen(request, MARK).await;
        findings.extend(leaks(operation, &Sent::of(&values), secrets, &answer));
    }
    findings
}

/// An answer as text, without what belongs to its moment, and with the id that was sent by another name.
async fn seen(request: Request, id: &str) -> String {
    let answer = request.send().await;
    let own = answer.header("x-request-id").unwrap_or_default().to_owned();
    text(&answer).replace(id, "<id>").replace(&own, "<request>")
}

fn text(answer: &Answer) -> String {
    let body = String::from_utf8_lossy(&answer.bytes).into_owned();
    let has_ages = body.contains(AGES);
    let headers = answer.headers.iter();
    let mut lines: Vec<_> = headers
        .filter(|(name, _)| !OF_THE_MOMENT.contains(&name.as_str()))
        // As long as the ages in it have digits.
        .filter(|(name, _)| *name != CONTENT_LENGTH || !has_ages)
        .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())))
        .collect();
    lines.sort();
    format!(
        "{}\n{}\n\n{}",
        answer.status,
        lines.join("\n"),
        without_ages(body)
    )
}

/// How long ago something was is of the moment, too: a number of seconds that `/readyz` tells.
const AGES: &str = r#""seconds_ago":"#;

fn without_ages(body: String) -> String {
    match body.split_once(AGES) {
        Some((before, _)) => before.to_owned(),
        None => body,
    }
}

fn leaks(operation: &Operation, sent: &Sent, secrets: &[String], answer: &str) -> Vec<Finding> {
    let leaked = secrets.iter().filter(|secret| answer.contains(*secret));
    leaked
        .map(|secret| Finding::of(operation, sent, format!("shows {secret} in\n{answer}")))
        .collect()
}
