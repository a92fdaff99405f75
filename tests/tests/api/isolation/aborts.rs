//! Two tenants share one database connection, and their clients go away whenever it pleases them: in the middle of a
//! request, while it is carried out, in the middle of the answer. Nobody is answered with what is another's, nothing is
//! written into the other tenant, and the connection is there afterwards, outside of any transaction.

use futures::future::join_all;
use reqwest::StatusCode;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::app::{Person, TestApp};

const REQUESTS: usize = 10_000;
const CLIENTS: usize = 16;

/// Requests and what becomes of them are the same in every run.
const SEED: u64 = 0x6973_6f6c_6174_6521;

/// One tenant, as its clients know it.
#[derive(Clone)]
struct Tenant {
    /// Stands in every text of its rows.
    name: &'static str,
    token: String,
    service: String,
    others_service: String,
}

/// What is sent, and what a client may be told.
struct Call {
    bytes: Vec<u8>,
    allowed: &'static [StatusCode],
}

/// Where a client goes away.
#[derive(Clone, Copy, Debug)]
enum End {
    Never,
    InTheRequest,
    AfterTheRequest,
    InTheAnswer,
}

/// Numbers that look random (splitmix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

#[actix_web::test]
async fn ten_thousand_requests_of_two_tenants_over_one_connection_leak_nothing_whoever_hangs_up() {
    let app = TestApp::with(&[
        ("NOMAD_SERVICES__DATABASE__MAX_OPEN", "1"),
        ("NOMAD_SERVICES__DATABASE__MAX_IDLE", "1"),
    ])
    .await;
    let (ada, eve) = (app.register("lovelace").await, app.register("polhem").await);
    let (of_ada, of_eve) = (service_of(&ada).await, service_of(&eve).await);
    let tenants = [
        Tenant {
            name: "lovelace",
            token: ada.token.clone(),
            service: of_ada.clone(),
            others_service: of_eve.clone(),
        },
        Tenant {
            name: "polhem",
            token: eve.token.clone(),
            service: of_eve,
            others_service: of_ada,
        },
    ];
    let address = app.address.trim_start_matches("http://");
    let clients = (0..CLIENTS).map(|number| {
        let dice = Dice(SEED ^ number as u64);
        client(address, &tenants, dice, REQUESTS / CLIENTS)
    });
    let answered: usize = join_all(clients).await.into_iter().sum();
    assert!(answered > REQUESTS / 3, "only {answered} were answered");

    for (person, tenant) in [(&ada, &tenants[0]), (&eve, &tenants[1])] {
        let (status, service) = person.get(&format!("/services/{}", tenant.service)).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(service["description"], tenant.name);
        let (_, list) = person.get("/services").await;
        assert_eq!(list["total"], 1);
    }
    assert_eq!(sessions(&app).await, ["idle"]);
}

async fn service_of(person: &Person<'_>) -> String {
    let name = person.user["username"].as_str().expect("a name");
    let body = json!({
        "name": name, "type": "custom", "description": name, "config": {"image": "nginx:1"}
    });
    let (status, service) = person.post("/services", body).await;
    assert_eq!(status, StatusCode::CREATED, "{service}");
    service["id"].as_str().expect("an id").to_owned()
}

/// Sends so many requests, and answers with how many of them were answered in full.
async fn client(address: &str, tenants: &[Tenant; 2], mut dice: Dice, requests: usize) -> usize {
    let mut open = None;
    let mut answered = 0;
    for _ in 0..requests {
        let own = usize::from(dice.below(2) == 1);
        let call = tenants[own].call(&mut dice);
        let end = match dice.below(10) {
            0..5 => End::Never,
            5..7 => End::InTheRequest,
            7 | 8 => End::AfterTheRequest,
            _ => End::InTheAnswer,
        };
        let mut stream = match open.take() {
            Some(stream) => stream,
            None => TcpStream::connect(address).await.expect("a connection"),
        };
        let part = match end {
            End::InTheRequest => 1 + dice.below(call.bytes.len() as u64 - 1),
            _ => call.bytes.len() as u64,
        };
        let part = usize::try_from(part).expect("a length");
        stream
            .write_all(&call.bytes[..part])
            .await
            .expect("a server that listens");
        match end {
            End::Never => {
                let (status, body) = read_answer(&mut stream).await;
                tenants[own].check(&tenants[1 - own], &call, status, &body);
                answered += 1;
                open = Some(stream);
            }
            End::InTheAnswer => {
                let mut some = [0; 40];
                let _ = stream.read(&mut some).await;
            }
            End::InTheRequest | End::AfterTheRequest => {}
        }
    }
    answered
}

impl Tenant {
    fn call(&self, dice: &mut Dice) -> Call {
        let own = format!("/services/{}", self.service);
        let foreign = format!("/services/{}", self.others_service);
        let change = json!({"description": self.name});
        let clash = json!({"name": self.name, "type": "custom", "config": {"image": "nginx:1"}});
        let (method, path, body, allowed): (_, _, _, &'static [StatusCode]) = match dice.below(8) {
            0 | 1 => ("GET", "/services", None, &[StatusCode::OK]),
            2 => ("GET", own.as_str(), None, &[StatusCode::OK]),
            3 => ("GET", "/users/me", None, &[StatusCode::OK]),
            4 => ("PATCH", own.as_str(), Some(change), &[StatusCode::OK]),
            5 => (
                "PATCH",
                foreign.as_str(),
                Some(change),
                &[StatusCode::NOT_FOUND],
            ),
            6 => ("GET", foreign.as_str(), None, &[StatusCode::NOT_FOUND]),
            _ => ("POST", "/services", Some(clash), &[StatusCode::CONFLICT]),
        };
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let content = match body.len() {
            0 => String::new(),
            length => format!("content-type: application/json\r\ncontent-length: {length}\r\n"),
        };
        let head = format!(
            "{method} /api/v1{path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\nif-match: *\r\n{content}\r\n",
            self.token
        );
        let if_match = "if-match: *\r\n";
        let head = if method == "PATCH" {
            head
        } else {
            head.replace(if_match, "")
        };
        Call {
            bytes: format!("{head}{body}").into_bytes(),
            allowed,
        }
    }

    fn check(&self, other: &Self, call: &Call, status: StatusCode, body: &str) {
        let asked = String::from_utf8_lossy(&call.bytes);
        let line = asked.lines().next().unwrap_or_default();
        assert!(call.allowed.contains(&status), "{line} → {status}: {body}");
        // A refusal names the path that was asked for, and so the other's id.
        let body = body.replace(line.split(' ').nth(1).unwrap_or_default(), "");
        for foreign in [other.name, other.service.as_str()] {
            assert!(!body.contains(foreign), "{line} of {} → {body}", self.name);
        }
        if status == StatusCode::OK {
            assert!(body.contains(self.name), "{line} of {} → {body}", self.name);
        }
    }
}

async fn read_answer(stream: &mut TcpStream) -> (StatusCode, String) {
    let mut received = Vec::new();
    loop {
        let read = stream.read_buf(&mut received).await.expect("an answer");
        assert!(
            read > 0,
            "the server hung up: {}",
            String::from_utf8_lossy(&received)
        );
        let text = String::from_utf8_lossy(&received);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.expect("a length").parse().expect("a number");
        if body.len() >= length {
            let status = head.split(' ').nth(1).expect("a status");
            let status = status.parse().expect("a status");
            return (status, body.to_owned());
        }
    }
}

/// What the server's sessions do once nobody waits for them any more.
async fn sessions(app: &TestApp) -> Vec<String> {
    let client = app.owner_client().await;
    let question = "SELECT state FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = 'nomad-services'";
    loop {
        let rows = client.query(question, &[]).await.expect("the sessions");
        let states: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        // The worker looks for work now and then.
        if !states.iter().any(|state| state == "active") {
            return states;
        }
    }
}
