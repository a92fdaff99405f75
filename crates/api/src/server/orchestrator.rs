//! Which Nomad runs the services: the cluster that the settings name; else, in development, an agent started beside the
//! server; else the simulator, which says plainly that it is one.

use nomad::{
    Client, ClientSettings, Nomad,
    job::{JobBuilder, JobFiles},
};
use nomad_sim::Simulator;

use super::{
    StartError,
    agent::{self, DevelopmentAgent},
};
use crate::settings::Settings;

/// The Nomad to use; what was started for it stops when this is dropped.
pub enum Orchestrator {
    /// Somebody else runs it, at this address.
    Given(String),
    /// An agent beside the server.
    Agent(DevelopmentAgent),
    /// No Nomad at all: an imitation inside this process.
    Simulator(Simulator),
}

impl std::fmt::Debug for Orchestrator {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.description())
    }
}

impl Orchestrator {
    /// What `settings` name, or what can be started on this machine. Production names one.
    ///
    /// # Errors
    /// Says why it does not start.
    pub async fn choose(settings: &Settings) -> Result<Self, StartError> {
        if let Some(address) = &settings.nomad.addr {
            return Ok(Self::Given(address.clone()));
        }
        if let Some(program) = agent::find_program() {
            let agent = DevelopmentAgent::start(&program, &settings.data.nomad_log()).await;
            return agent.map(Self::Agent).map_err(StartError::Orchestrator);
        }
        let simulator = Simulator::start(nomad_sim::Settings::default());
        simulator
            .map(Self::Simulator)
            .map_err(|error| StartError::Orchestrator(format!("the simulator: {error}")))
    }

    /// Whether it has just begun, with nothing in it.
    pub fn is_empty(&self) -> bool {
        !matches!(self, Self::Given(_))
    }

    /// `http(s)://host:port`.
    pub fn address(&self) -> String {
        match self {
            Self::Given(address) => address.clone(),
            Self::Agent(agent) => agent.address().to_owned(),
            Self::Simulator(simulator) => simulator.url(),
        }
    }

    /// For people: which one it is.
    pub fn description(&self) -> String {
        let address = self.address();
        match self {
            Self::Given(_) => format!("Nomad at {address}"),
            Self::Agent(_) => {
                format!("`nomad agent -dev`, started beside the server, at {address}")
            }
            Self::Simulator(_) => format!(
                "a SIMULATOR, not Nomad, at {address}: NOMAD_ADDR is not set and no nomad is on PATH"
            ),
        }
    }

    /// The way to it, as `settings` say. One that was started here has its own region and asks for no token or TLS.
    ///
    /// # Errors
    /// Names the setting that can't be used.
    pub fn client(&self, settings: &Settings) -> Result<Nomad, StartError> {
        let nomad = &settings.nomad;
        let mut client = ClientSettings {
            address: self.address(),
            token: None,
            region: None,
            ca_certificate: None,
            client_certificate: None,
            server_name: None,
            connect_timeout: nomad.connect_timeout.get(),
            request_timeout: nomad.request_timeout.get(),
            max_idle_connections: nomad.max_idle_connections,
        };
        if let Self::Given(_) = self {
            client.token.clone_from(&nomad.token);
            client.region.clone_from(&nomad.region);
            client.ca_certificate.clone_from(&nomad.ca_cert);
            client.client_certificate = nomad.client_cert.clone().zip(nomad.client_key.clone());
            client.server_name.clone_from(&nomad.tls_server_name);
        }
        let client = Client::new(&client).map_err(|error| {
            let cause = std::error::Error::source(&error);
            let cause = cause.map(|cause| format!(": {cause}")).unwrap_or_default();
            StartError::Setting(format!("{error}{cause}"))
        })?;
        if let Err(cause) = std::fs::read_dir(&nomad.jobs_path) {
            tracing::warn!(
                path = %nomad.jobs_path.display(),
                %cause,
                "nomad.jobs_path (environment variable NOMAD_JOBS_PATH) names no folder of job files; every service that names one is refused"
            );
        }
        let files = JobFiles::new(nomad.jobs_path.clone());
        let drivers = nomad.allowed_drivers.iter().map(|driver| driver.name());
        let jobs = JobBuilder::new(client.clone(), files, drivers.collect());
        Ok(Nomad::new(client, jobs))
    }
}
