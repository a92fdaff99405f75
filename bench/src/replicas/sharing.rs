//! Four replicas that share what is to be sealed, deployed and removed: how much each did, and whether anything was done twice.

use std::{collections::BTreeMap, time::Duration};

use serde_json::Value;
use tokio::time::{Instant, sleep};
use tokio_postgres::Client as Postgres;

use super::{Common, Replica, load::Caller};
use crate::{
    Result,
    client::Client,
    member::{Member, service},
};

const REPLICAS: usize = 4;

/// How long all of it may take.
const DEADLINE: Duration = Duration::from_secs(600);

/// Five is what a free plan allows.
const TYPES: [&str; 5] = [
    "database",
    "web_server",
    "message_queue",
    "monitoring",
    "devops",
];

/// Answers that are too old to be given again.
const EXPIRED: i64 = 2_000;

const ADD_EXPIRED: &str = "INSERT INTO idempotency_keys (user_id, key, fingerprint, status, response, created_at) \
    SELECT gen_random_uuid(), number::text, '', 201, '{}', CURRENT_TIMESTAMP - INTERVAL '25 hours' \
    FROM generate_series(1, $1::bigint) AS number";

const LEFT: &str = "SELECT COUNT(*) FROM idempotency_keys WHERE created_at < CURRENT_TIMESTAMP - INTERVAL '24 hours'";

/// Rows of the trail that come in one transaction, and how many there are of those.
const ADD_ROWS: &str = "INSERT INTO audit_logs (user_id, tenant_id, action, resource, details) \
    SELECT '00000000-0000-0000-0000-000000000001', tenants.id, 'service.update', 'services/' || gen_random_uuid(), '{}' \
    FROM tenants, generate_series(1, 5)";
const TIMES: usize = 40;

/// Who did what, written down by the database itself. A row is sealed by whoever inserts its leaf, a deployment is ended by
/// whoever ends its task.
const WRITE_DOWN: &str = "
CREATE SCHEMA bench;
CREATE TABLE bench.deeds (replica TEXT DEFAULT current_setting('application_name'), deed TEXT, thing TEXT);
CREATE FUNCTION bench.seal() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
    $$ BEGIN INSERT INTO bench.deeds (deed, thing) SELECT 'seal', audit_log_id FROM new; RETURN NULL; END $$;
CREATE TRIGGER bench AFTER INSERT ON audit_leaves REFERENCING NEW TABLE AS new FOR EACH STATEMENT EXECUTE FUNCTION bench.seal();
CREATE FUNCTION bench.deploy() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
    $$ BEGIN INSERT INTO bench.deeds (deed, thing) VALUES ('deploy', new.id); RETURN NULL; END $$;
CREATE TRIGGER bench AFTER UPDATE ON deployment_tasks FOR EACH ROW
    WHEN (old.finished_at IS NULL AND new.finished_at IS NOT NULL) EXECUTE FUNCTION bench.deploy();";

const DEEDS: &str = "SELECT replica, COUNT(*) FROM bench.deeds WHERE deed = $1 GROUP BY replica";

pub async fn run(tenants: u16) -> Result<()> {
    let common = Common::prepare().await?;
    let postgres = common.database.superuser().await?;
    Replica::start(&common, 0).await?.server.stop().await?;
    postgres.execute(ADD_EXPIRED, &[&EXPIRED]).await?;
    // Each removes what has expired when it starts.
    let starting = (1..=REPLICAS).map(|number| Replica::start(&common, number));
    let replicas = futures::future::try_join_all(starting).await?;
    until_none(&postgres, "SELECT COUNT(*) FROM audit_pending").await?;
    // No replica starts on a database where somebody else looks on.
    postgres.batch_execute(WRITE_DOWN).await?;
    let sealed = count(&postgres, "SELECT COUNT(*) FROM audit_logs").await?;

    let services = deploy(&replicas, tenants).await?;
    for _ in 0..TIMES {
        postgres.execute(ADD_ROWS, &[]).await?;
        sleep(Duration::from_millis(50)).await;
    }
    until_none(
        &postgres,
        "SELECT COUNT(*) FROM deployment_tasks WHERE finished_at IS NULL",
    )
    .await?;
    until_none(&postgres, "SELECT COUNT(*) FROM audit_pending").await?;
    until_none(&postgres, LEFT).await?;
    let rows = count(&postgres, "SELECT COUNT(*) FROM audit_logs").await? - sealed;
    let registrations = registrations(&common).await?;

    println!(
        "Four replicas on one database, {tenants} tenants with {} services each.\n",
        TYPES.len()
    );
    print!("{:<28}", "");
    for replica in &replicas {
        print!("{:>11}", replica.name);
    }
    println!("{:>9}{:>12}{:>8}", "sum", "there were", "twice");
    let mut wrong = Vec::new();
    for (what, deed, expected) in [
        ("rows of the trail sealed", "seal", rows),
        ("deployments brought to end", "deploy", services),
    ] {
        let done = deeds(&postgres, deed).await?;
        let distinct = "SELECT COUNT(DISTINCT thing) FROM bench.deeds WHERE deed = $1";
        let distinct: i64 = postgres.query_one(distinct, &[&deed]).await?.get(0);
        let sum = print_done(what, &replicas, |name| {
            done.get(name).copied().unwrap_or_default()
        });
        println!("{sum:>9}{expected:>12}{:>8}", sum - distinct);
        if sum != expected || sum != distinct {
            wrong.push(what);
        }
    }
    let what = "expired answers removed";
    let removed: BTreeMap<_, _> = replicas
        .iter()
        .map(|replica| Ok((replica.name.as_str(), replica.removed()?)))
        .collect::<Result<_>>()?;
    let sum = print_done(what, &replicas, |name| removed[name]);
    println!("{sum:>9}{EXPIRED:>12}{:>8}", sum - EXPIRED);
    if sum != EXPIRED {
        wrong.push(what);
    }
    let what = "jobs registered in Nomad";
    let twice = registrations - services;
    println!("{what:<28}{registrations:>53}{services:>12}{twice:>8}");
    if registrations != services {
        wrong.push(what);
    }
    for replica in replicas {
        for complaint in replica.said(|line| line["level"] == "WARN" || line["level"] == "ERROR")? {
            println!("{}: {complaint}", replica.name);
        }
        replica.server.stop().await?;
    }
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(format!("not as often as it should be: {}", wrong.join(", ")).into()),
    }
}

/// Has every tenant start five services, each asked of another replica. How many.
async fn deploy(replicas: &[Replica], tenants: u16) -> Result<i64> {
    let mut callers: Vec<_> = replicas
        .iter()
        .map(|replica| Caller::new(replica.address))
        .collect();
    let mut client = Client::connect(replicas[0].address).await?;
    let mut started = 0;
    for number in 0..tenants {
        let member = Member::register(&mut client, format!("tenant{number}")).await?;
        for of in TYPES {
            let made = client
                .post("/services", Some(&member.token), &service(of))
                .await?;
            let path = format!(
                "/api/v1/services/{}/start",
                made["id"].as_str().unwrap_or_default()
            );
            let turn = started % callers.len();
            let answer = callers[turn]
                .ask("POST", &path, Some(&member.token), None)
                .await?;
            if !answer.status.is_success() {
                return Err(format!(
                    "a start was answered with {}: {}",
                    answer.status, answer.body
                )
                .into());
            }
            started += 1;
        }
    }
    Ok(i64::try_from(started)?)
}

/// How often jobs were registered with Nomad: each time makes a version.
async fn registrations(common: &Common) -> Result<i64> {
    let address = common.simulator.url();
    let address = address.trim_start_matches("http://").parse()?;
    let mut nomad = Caller::new(address);
    let jobs = nomad
        .ask("GET", "/v1/jobs?namespace=*", None, None)
        .await?
        .body;
    let mut registrations = 0;
    for job in jobs.as_array().ok_or("the jobs are no list")? {
        let text = |name: &str| job[name].as_str().unwrap_or_default();
        let path = format!(
            "/v1/job/{}/versions?namespace={}",
            text("ID"),
            text("Namespace")
        );
        let versions = nomad.ask("GET", &path, None, None).await?.body;
        registrations += versions["Versions"].as_array().map_or(0, Vec::<Value>::len);
    }
    Ok(i64::try_from(registrations)?)
}

/// How often each replica did it, by its name.
async fn deeds(postgres: &Postgres, deed: &str) -> Result<BTreeMap<String, i64>> {
    let rows = postgres.query(DEEDS, &[&deed]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// Begins a line with what each replica did, and answers with the sum.
fn print_done(what: &str, replicas: &[Replica], done: impl Fn(&str) -> i64) -> i64 {
    let done = replicas.iter().map(|replica| done(&replica.name));
    print!("{what:<28}");
    done.inspect(|count| print!("{count:>11}")).sum()
}

impl Replica {
    /// How many expired answers it has removed, as it says.
    fn removed(&self) -> Result<i64> {
        let said = self.said(|line| line["what"] == "answers")?;
        Ok(said.iter().filter_map(|line| line["count"].as_i64()).sum())
    }
}

async fn count(postgres: &Postgres, question: &str) -> Result<i64> {
    Ok(postgres.query_one(question, &[]).await?.get(0))
}

async fn until_none(postgres: &Postgres, question: &str) -> Result<()> {
    let deadline = Instant::now() + DEADLINE;
    while count(postgres, question).await? > 0 {
        if Instant::now() > deadline {
            return Err(format!("still not none: {question}").into());
        }
        sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}
