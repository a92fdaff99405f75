//! Who asks: a tenant with six services, and a tenant for each client.

use std::{
    fs,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::future::try_join_all;
use serde_json::{Value, json};
use tokio::sync::Barrier;

use crate::{
    Result, argon,
    client::Client,
    ground::Ground,
    recording::{PREFIX, Recording},
    worker::{Operation, Worker},
};

const PASSWORD: &str = "correct horse battery";
const TYPES: [&str; 6] = [
    "database",
    "web_server",
    "message_queue",
    "monitoring",
    "devops",
    "custom",
];

/// Takes a tenant's services away; not through row-level security, so it is the same whoever asks.
const FORGET: &str = "CREATE FUNCTION bench_forget(uuid) RETURNS void LANGUAGE sql SECURITY DEFINER \
    AS 'DELETE FROM services WHERE tenant_id = $1'; \
    CREATE TABLE bench_clients (number INT PRIMARY KEY, tenant TEXT, owner TEXT, \
        service TEXT DEFAULT uuid_generate_v4()::text); \
    GRANT SELECT ON bench_clients TO PUBLIC";

/// The id of the service that a tenant made last, which the server chose.
const CREATED: &str = "SELECT split_part(resource, '/', 2) FROM audit_logs \
    WHERE tenant_id::text = $1 AND action = 'service.create' ORDER BY created_at DESC LIMIT 1";

/// Somebody with a tenant of their own.
pub struct Member {
    name: String,
    user: String,
    pub tenant: String,
    pub token: String,
}

pub struct Stage {
    pub ground: Ground,
    /// The first has six services, the others none.
    members: Vec<Member>,
    service: String,
}

impl Stage {
    /// Starts everything, for at most this many clients.
    pub async fn set(clients: usize) -> Result<Self> {
        let ground = Ground::prepare(&[]).await?;
        let mut client = Client::connect(ground.address).await?;
        let mut members = Vec::new();
        for number in 0..=clients {
            members.push(Member::register(&mut client, format!("member{number}")).await?);
        }
        let mut services = Vec::new();
        for service_type in TYPES {
            services.push(
                client
                    .post("/services", Some(&members[0].token), &service(service_type))
                    .await?,
            );
        }
        let id = services[0]["id"]
            .as_str()
            .ok_or("a service has an id")?
            .to_owned();
        let stage = Self {
            ground,
            members,
            service: id,
        };
        let superuser = stage.ground.superuser().await?;
        superuser.batch_execute(FORGET).await?;
        for (number, member) in stage.members.iter().skip(1).enumerate() {
            let insert = "INSERT INTO bench_clients (number, tenant, owner) VALUES ($1, $2, $3)";
            superuser
                .execute(
                    insert,
                    &[&i32::try_from(number)?, &member.tenant, &member.user],
                )
                .await?;
        }
        Ok(stage)
    }

    /// What the server sends to PostgreSQL for one such request; nothing where signing in is measured.
    pub async fn record(&self, operation: Operation) -> Result<Option<Recording>> {
        if operation == Operation::Login {
            return Ok(None);
        }
        let superuser = self.ground.superuser().await?;
        let set = async |all: &str| -> Result<()> {
            for sql in [
                format!("ALTER SYSTEM SET log_line_prefix = '{PREFIX}'"),
                format!("ALTER SYSTEM SET log_statement = '{all}'"),
                "SELECT pg_reload_conf()".to_owned(),
            ] {
                superuser.batch_execute(&sql).await?;
            }
            Ok(())
        };
        set("all").await?;
        // A session learns of it with some delay; the first request after that prepares what it needs.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let mut worker = self.worker(operation, 0).await?;
        worker.work().await?;
        let log = fs::canonicalize(self.ground.folder.path())?.join("log");
        let before = tokio::fs::read(&log).await?.len();
        worker.work().await?;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let after = tokio::fs::read(&log).await?;
        set("none").await?;
        let member = self.member(operation, 0);
        let tenant = &member.tenant;
        let sent = String::from_utf8_lossy(&after[before..]);
        let recording = Recording::read(&sent, &format!("'app.tenant_id', '{tenant}'"))?;
        if operation != Operation::Create {
            return Ok(Some(recording));
        }
        let created: String = superuser.query_one(CREATED, &[tenant]).await?.get(0);
        let recording = recording
            .then(format!("SELECT bench_forget('{tenant}')"))
            .own(tenant, "tenant")
            .own(&member.user, "owner")
            .own(&created, "service");
        Ok(Some(recording))
    }

    /// Requests per second of this many clients.
    pub async fn requests(
        &self,
        operation: Operation,
        clients: usize,
        time: Duration,
    ) -> Result<f64> {
        let barrier = Arc::new(Barrier::new(clients));
        let workers =
            try_join_all((0..clients).map(|number| self.worker(operation, number))).await?;
        let tasks = workers.into_iter().map(|mut worker| {
            let barrier = barrier.clone();
            tokio::spawn(async move {
                let warm = worker.work().await;
                barrier.wait().await;
                warm?;
                let (mut done, started) = (0_u32, Instant::now());
                while started.elapsed() < time {
                    worker.work().await?;
                    done += 1;
                }
                Ok::<_, Box<dyn std::error::Error + Send + Sync>>(
                    f64::from(done) / started.elapsed().as_secs_f64(),
                )
            })
        });
        let mut sum = 0.0;
        for rate in try_join_all(tasks).await? {
            sum += rate?;
        }
        Ok(sum)
    }

    /// Verifications of a member's password per second, on as many threads as the server would use for these clients.
    pub async fn argon2(&self, clients: usize, time: Duration) -> Result<f64> {
        let threads = clients.min(std::thread::available_parallelism()?.get());
        let sql = "SELECT password FROM users WHERE username = $1";
        let row = self
            .ground
            .superuser()
            .await?
            .query_one(sql, &[&self.members[0].name])
            .await?;
        let stored: String = row.get(0);
        tokio::task::spawn_blocking(move || argon::rate(PASSWORD, &stored, threads, time)).await?
    }

    fn member(&self, operation: Operation, number: usize) -> &Member {
        match operation {
            Operation::List | Operation::Read => &self.members[0],
            Operation::Create | Operation::Login => &self.members[number + 1],
        }
    }

    async fn worker(&self, operation: Operation, number: usize) -> Result<Worker> {
        let member = self.member(operation, number);
        let (method, path, body) = match operation {
            Operation::List => ("GET", "/services".to_owned(), Bytes::new()),
            Operation::Read => ("GET", format!("/services/{}", self.service), Bytes::new()),
            Operation::Create => ("POST", "/services".to_owned(), bytes(&service(TYPES[0]))?),
            Operation::Login => {
                let body = json!({"username": member.name, "password": PASSWORD});
                ("POST", "/auth/login".to_owned(), bytes(&body)?)
            }
        };
        let token = (operation != Operation::Login).then(|| member.token.clone());
        let forget = match operation {
            Operation::Create => Some((
                self.ground.application().await?,
                format!("SELECT bench_forget('{}')", member.tenant),
            )),
            _ => None,
        };
        Ok(Worker {
            client: Client::connect(self.ground.address).await?,
            method,
            path,
            token,
            body,
            forget,
        })
    }
}

impl Member {
    pub async fn register(client: &mut Client, name: String) -> Result<Self> {
        let email = format!("{name}@example.com");
        let body = json!({"username": name, "email": email, "password": PASSWORD});
        client.post("/auth/register", None, &body).await?;
        let body = json!({"username": name, "password": PASSWORD});
        let session = client.post("/auth/login", None, &body).await?;
        let text = |value: &Value| {
            value
                .as_str()
                .map(str::to_owned)
                .ok_or("an answer lacks a text")
        };
        Ok(Self {
            user: text(&session["user"]["id"])?,
            tenant: text(&session["user"]["tenant_id"])?,
            token: text(&session["token"])?,
            name,
        })
    }
}

pub fn service(service_type: &str) -> Value {
    let resources = json!({"cpu": 100, "memory": 64, "disk": 64});
    json!({"name": service_type, "type": service_type, "config": {
        "image": "postgres:17", "ports": [5432], "environment": {"POSTGRES_DB": "orders"},
        "volumes": ["data:/var/lib/postgresql/data"], "resources": resources
    }})
}

fn bytes(body: &Value) -> Result<Bytes> {
    Ok(serde_json::to_vec(body)?.into())
}
