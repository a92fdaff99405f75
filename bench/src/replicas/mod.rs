//! Several replicas on one database: two behind a load balancer while one is stopped and started again, and four that share what
//! is to be sealed, deployed and removed.

mod balancer;
mod load;
mod sharing;

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    time::{Duration, Instant},
};

use embedded_postgres::Durability;
use nomad_sim::Simulator;
use secrecy::ExposeSecret;
use serde_json::Value;
use tokio::time::sleep;

use self::{balancer::Balancer, load::Load};
use crate::{Result, database::Database, server::Server};

/// Has two replicas behind haproxy serve while one is stopped and started again, and four share what is to be done.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// How many clients ask at once, at most 64.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=64))]
    clients: u16,
    /// How long both replicas serve before one is stopped, and again after each start, in seconds.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// How many tenants the four replicas work for, each with five services.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=200))]
    tenants: u16,
}

/// A database and a simulated Nomad that the replicas share. They end with this.
struct Common {
    database: Database,
    simulator: Simulator,
}

impl Common {
    async fn prepare() -> Result<Self> {
        let simulation = nomad_sim::Settings {
            speed: 100.0,
            ..nomad_sim::Settings::default()
        };
        Ok(Self {
            database: Database::start(Durability::Throwaway).await?,
            simulator: Simulator::start(simulation)?,
        })
    }
}

/// One of several servers on one database. PostgreSQL knows it by its name.
struct Replica {
    name: String,
    address: SocketAddr,
    folder: PathBuf,
    server: Server,
}

impl Replica {
    async fn start(common: &Common, number: usize) -> Result<Self> {
        let name = format!("replica-{number}");
        let folder = common.database.folder.path().join(&name);
        fs::create_dir(&folder)?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let server = serve(common, &name, address, &folder).await?;
        Ok(Self {
            name,
            address,
            folder,
            server,
        })
    }

    /// Stops it as an orchestrator does, leaves it away for `pause`, and starts it again.
    async fn restart(self, common: &Common, pause: Duration) -> Result<Self> {
        let Self {
            name,
            address,
            folder,
            server,
        } = self;
        let asked = Instant::now();
        server.stop().await?;
        println!(
            "{name}: SIGTERM, ended {:.1} s later",
            asked.elapsed().as_secs_f64()
        );
        sleep(pause).await;
        let server = serve(common, &name, address, &folder).await?;
        println!("{name}: serves again");
        Ok(Self {
            name,
            address,
            folder,
            server,
        })
    }

    /// The lines of its log that are wanted, since it was started.
    fn said(&self, is_wanted: impl Fn(&Value) -> bool) -> Result<Vec<Value>> {
        let said = fs::read_to_string(self.folder.join("server.log"))?;
        let lines = said
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok());
        Ok(lines.filter(is_wanted).collect())
    }
}

async fn serve(
    common: &Common,
    name: &str,
    address: SocketAddr,
    folder: &std::path::Path,
) -> Result<Server> {
    let url = common.database.url();
    let url = format!("{}?application_name={name}", url.expose_secret());
    let nomad = common.simulator.url();
    let more = [
        ("NOMAD_ADDR", nomad.as_str()),
        // So that it says what it removes.
        ("LOG_LEVEL", "debug"),
        // Four looks of the balancer's.
        ("NOMAD_SERVICES__SERVER__DRAIN_DELAY", "2s"),
        ("NOMAD_SERVICES__AUDIT__SEAL_INTERVAL", "100ms"),
        ("NOMAD_SERVICES__DEPLOYMENTS__POLL_INTERVAL", "100ms"),
    ];
    Server::start_at(address, &url.into(), folder, &more).await
}

pub async fn run(options: &Options) -> Result<()> {
    behind_a_balancer(options).await?;
    sharing::run(options.tenants).await
}

async fn behind_a_balancer(options: &Options) -> Result<()> {
    let common = Common::prepare().await?;
    let mut replicas = vec![
        Replica::start(&common, 1).await?,
        Replica::start(&common, 2).await?,
    ];
    let addresses: Vec<_> = replicas.iter().map(|replica| replica.address).collect();
    let balancer = Balancer::before(&addresses, common.database.folder.path()).await?;
    println!(
        "Two replicas behind haproxy, which asks each for /readyz every half second. {} clients create, list, read and delete \
         services and read the audit trail.\n",
        options.clients
    );
    let load = Load::begin(balancer.address, options.clients).await?;
    let pause = Duration::from_secs(options.seconds);
    for _ in 0..2 {
        sleep(pause).await;
        let first = replicas.remove(0);
        replicas.push(first.restart(&common, pause).await?);
    }
    sleep(pause).await;
    let served = load.end().await?;
    println!("\n{served}");
    for replica in replicas {
        replica.server.stop().await?;
    }
    match served.errors.first() {
        None => Ok(()),
        Some(error) => Err(format!("{} requests failed: {error}", served.errors.len()).into()),
    }
}
