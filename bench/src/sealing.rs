//! How long the sealer takes for a new row of each of many tenants, and what readers notice of it.

use std::time::{Duration, Instant};

use tokio::time::sleep;
use tokio_postgres::Client as Postgres;

use crate::{
    Result,
    client::Client,
    ground::Ground,
    member::{Member, service},
    readers::Readers,
    samples::{Seen, milliseconds},
};

/// Measures how long sealing a new row of each tenant takes, and what readers notice of it.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// How many tenants have a new row.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    tenants: u32,
    /// How many clients read a service, at most 64.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=64))]
    clients: u16,
    /// How long they read without a pass, in seconds.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
}

/// From one look of the server's at what waits to the next: what a pass seems longer by, at most.
const INTERVAL: (&str, &str) = ("NOMAD_SERVICES__AUDIT__SEAL_INTERVAL", "100ms");

/// From one look of ours at whether something waits to the next.
const LOOK: Duration = Duration::from_millis(50);

const TENANTS: &str = "INSERT INTO tenants (id, name, slug) \
    SELECT gen_random_uuid(), number::text, 'bench-' || number FROM generate_series(1, $1::bigint) AS number";

const ROWS: &str = "INSERT INTO audit_logs (user_id, tenant_id, action, resource, details, ip_address, user_agent) \
    SELECT '00000000-0000-0000-0000-000000000001', id, 'service.update', 'services/' || gen_random_uuid(), \
        '{\"changes\": {\"description\": {\"to\": \"where orders are kept\"}}, \"request_id\": \"7c1e\"}', \
        '192.0.2.17', 'curl/8.5.0' FROM tenants WHERE slug LIKE 'bench-%'";

pub async fn run(options: &Options) -> Result<()> {
    let ground = Ground::prepare(&[INTERVAL]).await?;
    let mut client = Client::connect(ground.address).await?;
    let member = Member::register(&mut client, "reader".to_owned()).await?;
    let made = client
        .post("/services", Some(&member.token), &service("database"))
        .await?;
    let id = made["id"].as_str().ok_or("a service has an id")?;
    let path = format!("/services/{id}");
    let mut postgres = ground.superuser().await?;
    postgres
        .execute(TENANTS, &[&i64::from(options.tenants)])
        .await?;
    sealed(&postgres).await?;
    postgres.batch_execute("VACUUM ANALYZE").await?;
    println!(
        "{} tenants with a new row each; {} clients read a service. Client, server and database share this machine.\n",
        options.tenants, options.clients
    );

    let alone = pass(&mut postgres, async || Ok(())).await?.0;
    print_pass("a pass", options, alone);
    let readers = || Readers::start(ground.address, &path, &member.token, options.clients);
    let before = readers().await?;
    sleep(Duration::from_secs(options.seconds)).await;
    let before = before.finish().await?;
    let (beside, meanwhile) = pass(&mut postgres, readers).await?;
    let meanwhile = meanwhile.finish().await?;
    print_pass("a pass beside readers", options, beside);
    print_seen("reads without a pass", &before);
    print_seen("reads beside a pass", &meanwhile);
    ground.clear().await
}

/// How long it takes until a new row of each tenant is sealed. What is to happen meanwhile begins before they are committed.
async fn pass<T>(
    postgres: &mut Postgres,
    meanwhile: impl AsyncFnOnce() -> Result<T>,
) -> Result<(Duration, T)> {
    let transaction = postgres.transaction().await?;
    transaction.execute(ROWS, &[]).await?;
    let meanwhile = meanwhile().await?;
    transaction.commit().await?;
    let begun = Instant::now();
    sealed(postgres).await?;
    Ok((begun.elapsed(), meanwhile))
}

/// Returns once nothing waits to be sealed.
async fn sealed(postgres: &Postgres) -> Result<()> {
    let waits = "SELECT EXISTS (SELECT FROM audit_pending)";
    while postgres.query_one(waits, &[]).await?.get(0) {
        sleep(LOOK).await;
    }
    Ok(())
}

fn print_pass(what: &str, options: &Options, took: Duration) {
    let rate = f64::from(options.tenants) / took.as_secs_f64();
    println!("{what:<24}{:>8.1} s {rate:>9.0} logs/s", took.as_secs_f64());
}

fn print_seen(what: &str, seen: &Seen) {
    println!(
        "{what:<24}{:>8.0} requests/s   median {:>6.2} ms   p99 {:>6.2} ms",
        seen.rate,
        milliseconds(seen.median),
        milliseconds(seen.p99)
    );
}
