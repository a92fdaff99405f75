//! What a page of the audit trail costs a tenant with very many rows, beside one with few.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::sleep;
use tokio_postgres::Client as Postgres;

use crate::{Result, client::Client, ground::Ground, member::Member, readers::Readers};

/// Measures what a page of the audit trail costs a tenant with very many rows, beside one with few.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// How many rows the one tenant has.
    #[arg(long, default_value_t = 10_000_000, value_parser = clap::value_parser!(i64).range(1..=1_000_000_000))]
    many: i64,
    /// How many rows the other has.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(i64).range(1..=1_000_000_000))]
    few: i64,
    /// How many clients read at once, at most 64.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    clients: u16,
    /// How long each number is measured, in seconds.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// How often both are measured, one after the other; the medians are compared.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=99))]
    rounds: u64,
}

/// Nothing is sealed: what is read here was never queued.
const NEVER: (&str, &str) = ("NOMAD_SERVICES__AUDIT__SEAL_INTERVAL", "720h");

const PATH: &str = "/audit-logs?limit=20";

/// Without triggers, and without indexes until all is there.
const PREPARE: &str = "SET session_replication_role = replica; SET maintenance_work_mem = '1GB'";

const INDEXES: &str = "SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index \
    WHERE indrelid = 'audit_logs'::regclass AND NOT indisprimary";

const ROWS: &str = "INSERT INTO audit_logs (user_id, tenant_id, action, resource, details, ip_address, user_agent, created_at) \
    SELECT '00000000-0000-0000-0000-000000000001', $1::text::uuid, 'service.update', 'services/' || number % 1000, \
        '{\"changes\": {\"description\": {\"to\": \"where orders are kept\"}}, \"request_id\": \"7c1e\"}', \
        '192.0.2.17', 'curl/8.5.0', LOCALTIMESTAMP - number * INTERVAL '1 millisecond' \
    FROM generate_series(1, $2::bigint) AS number";

/// What says how many rows a sealed log has.
const HEAD: &str = "INSERT INTO audit_checkpoints (tenant_id, tree_size, note, key_id) VALUES ($1::text::uuid, $2, '', '')";

pub async fn run(options: &Options) -> Result<()> {
    let ground = Ground::prepare(&[NEVER]).await?;
    let mut client = Client::connect(ground.address).await?;
    let few = Member::register(&mut client, "few".to_owned()).await?;
    let many = Member::register(&mut client, "many".to_owned()).await?;
    let postgres = ground.superuser().await?;
    fill(&postgres, &[(&few, options.few), (&many, options.many)]).await?;
    println!(
        "The newest 20 rows of a tenant's audit trail, with their total; {} clients, {} rounds of {} s each.",
        options.clients, options.rounds, options.seconds
    );

    let mut measured: BTreeMap<i64, Vec<(f64, Duration)>> = BTreeMap::new();
    for _ in 0..options.rounds {
        for (member, rows) in [(&few, options.few), (&many, options.many)] {
            let readers =
                Readers::start(ground.address, PATH, &member.token, options.clients).await?;
            sleep(Duration::from_secs(options.seconds)).await;
            let seen = readers.finish().await?;
            measured
                .entry(rows)
                .or_default()
                .push((seen.rate, seen.p99));
        }
    }
    let mut costs = Vec::new();
    for (rows, mut rounds) in measured {
        rounds.sort_by(|one, other| one.0.total_cmp(&other.0));
        let Some((rate, p99)) = rounds.get(rounds.len() / 2) else {
            continue;
        };
        println!(
            "{rows:>12} rows {rate:>8.0} requests/s   p99 {:>6.2} ms",
            p99.as_secs_f64() * 1000.0
        );
        costs.push(1.0 / rate);
    }
    if let [few, many] = costs[..] {
        println!(
            "A page costs the one with more {:.2} times as much.",
            many / few
        );
    }
    ground.clear().await
}

async fn fill(postgres: &Postgres, tenants: &[(&Member, i64)]) -> Result<()> {
    postgres.batch_execute(PREPARE).await?;
    let indexes = postgres.query(INDEXES, &[]).await?;
    for index in &indexes {
        let name: String = index.get(0);
        postgres
            .batch_execute(&format!("DROP INDEX {name}"))
            .await?;
    }
    for (member, rows) in tenants {
        postgres.execute(ROWS, &[&member.tenant, rows]).await?;
        postgres.execute(HEAD, &[&member.tenant, rows]).await?;
    }
    for index in &indexes {
        postgres.batch_execute(index.get(1)).await?;
    }
    postgres.batch_execute("VACUUM ANALYZE audit_logs").await?;
    Ok(())
}
