//! Which Nomad runs the services: the cluster that the settings name; else, in development, an agent started beside the
//! server; else the simulator, which says plainly that it is one.

use super::{
    StartError,
    agent::{self, DevelopmentAgent},
};
use crate::settings::Settings;

/// The Nomad to use; what was started for it stops when this is dropped.
#[derive(Debug)]
pub enum Orchestrator {
    /// Somebody else runs it, at this address.
    Given(String),
    /// An agent beside the server.
    Agent(DevelopmentAgent),
    /// There is none: nothing can be deployed.
    Absent,
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
        Ok(Self::Absent)
    }

    /// `http(s)://host:port`.
    pub fn address(&self) -> Option<&str> {
        match self {
            Self::Given(address) => Some(address),
            Self::Agent(agent) => Some(agent.address()),
            Self::Absent => None,
        }
    }

    /// For people: which one it is.
    pub fn description(&self) -> String {
        match self {
            Self::Given(address) => format!("Nomad at {address}"),
            Self::Agent(agent) => format!(
                "`nomad agent -dev`, started beside the server, at {}",
                agent.address()
            ),
            Self::Absent => "none: NOMAD_ADDR is not set and no nomad is on PATH".to_owned(),
        }
    }
}
