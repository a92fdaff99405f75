//! Where the scenarios run: the simulator within this process, or a real agent.

use std::{env, time::Duration};

use nomad::{Client, ClientSettings};
use nomad_services::server::agent::{self, DevelopmentAgent};
use nomad_sim::Simulator;

/// How much faster than a real cluster the simulated one is.
const SPEED: f64 = 5.0;

/// A Nomad, which ends with this if it was started here.
pub struct Target {
    name: &'static str,
    client: Client,
    _running: Running,
}

#[expect(dead_code, reason = "held to be dropped")]
enum Running {
    Simulator(Simulator),
    Agent(DevelopmentAgent, tempfile::TempDir),
    Elsewhere,
}

impl Target {
    pub fn simulator() -> Self {
        let settings = nomad_sim::Settings {
            speed: SPEED,
            ..nomad_sim::Settings::default()
        };
        let simulator = Simulator::start(settings).unwrap();
        Self::new("simulator", simulator.url(), Running::Simulator(simulator))
    }

    /// The agent at `NOMAD_ADDR`, or one started here if there is a program for it.
    pub async fn real_agent() -> Option<Self> {
        if let Some(address) = env::var("NOMAD_ADDR").ok().filter(|text| !text.is_empty()) {
            return Some(Self::new("agent", address, Running::Elsewhere));
        }
        let program = agent::find_program()?;
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("nomad.log");
        let agent = match DevelopmentAgent::start(&program, &log).await {
            Ok(agent) => agent,
            Err(error) => panic!("{error}:\n{}", std::fs::read_to_string(log).unwrap()),
        };
        let address = agent.address().to_owned();
        let target = Self::new("agent", address, Running::Agent(agent, folder));
        target.wait_for_node().await;
        Some(target)
    }

    pub fn name(&self) -> &'static str {
        self.name
    }

    pub fn client(&self) -> Client {
        self.client.clone()
    }

    fn new(name: &'static str, address: String, running: Running) -> Self {
        let settings = ClientSettings {
            address,
            token: None,
            region: None,
            ca_certificate: None,
            client_certificate: None,
            server_name: None,
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(60),
            max_idle_connections: 4,
        };
        Self {
            name,
            client: Client::new(&settings).unwrap(),
            _running: running,
        }
    }

    /// The API answers before there is a leader, and the node comes after that.
    async fn wait_for_node(&self) {
        crate::stage::eventually("a node that runs raw_exec", async || {
            let nodes = self.client.nodes().await.ok()?;
            nodes
                .iter()
                .any(|node| node.can_run("raw_exec"))
                .then_some(())
        })
        .await;
    }
}
