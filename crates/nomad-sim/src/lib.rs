//! A simulated Nomad agent with the same HTTP API, for newcomers without Nomad and for tests: docker tasks are played,
//! `raw_exec` tasks really run. It behaves as a real agent was seen to behave, traps included.

mod admission;
mod agent;
pub mod checks;
mod clock;
mod diff;
mod faults;
mod http;
pub mod logs;
mod node;
mod operations;
pub mod parse;
pub mod runtime;
mod scheduler;
mod spec;
mod state;
mod timers;

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;

use actix_web::dev::ServerHandle;
use tokio::task::JoinHandle;

use crate::agent::Agent;
use crate::state::Senders;

/// How a simulator is to run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The address to listen on.
    pub address: IpAddr,
    /// The port to listen on; 0 takes any free one.
    pub port: u16,
    /// Divides every wait of the cluster's own: 10 makes a deployment ten times as fast. Processes are not hurried.
    pub speed: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 0,
            speed: 1.0,
        }
    }
}

/// Why a simulator could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("speed is {0}, and must be a number above 0 and at most 1000")]
    Speed(f64),
    #[error("cannot listen on {address}: {source}")]
    Listen {
        address: SocketAddr,
        source: std::io::Error,
    },
}

/// A running simulator. Dropping it ends it and every process it started.
#[derive(Debug)]
pub struct Simulator {
    address: SocketAddr,
    server: ServerHandle,
    agent: Arc<Agent>,
    tasks: Vec<JoinHandle<()>>,
}

impl Simulator {
    /// Starts a simulator on the current tokio runtime.
    ///
    /// # Errors
    /// When a setting is out of bounds or the port is not free.
    pub fn start(settings: Settings) -> Result<Self, StartError> {
        if !(settings.speed > 0.0 && settings.speed <= 1000.0) {
            return Err(StartError::Speed(settings.speed));
        }
        let wanted = SocketAddr::from((settings.address, settings.port));
        let failed = |source| StartError::Listen {
            address: wanted,
            source,
        };
        let listener = TcpListener::bind(wanted).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let (messages, received_messages) = tokio::sync::mpsc::unbounded_channel();
        let (reports, received_reports) = tokio::sync::mpsc::unbounded_channel();
        let agent = Agent::new(settings, Senders { messages, reports });
        let server = http::serve(agent.clone(), listener).map_err(failed)?;
        let handle = server.handle();
        let serving = tokio::spawn(async move {
            // The server ends when it is told to, and reports nothing that anyone could act on then.
            let _ = server.await;
        });
        let driving = tokio::spawn(agent.clone().drive(received_messages, received_reports));
        Ok(Self {
            address,
            server: handle,
            agent,
            tasks: vec![serving, driving],
        })
    }

    /// Where the API answers, such as `http://127.0.0.1:4646`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Ends the simulator and its tasks.
    pub async fn stop(self) {
        self.server.stop(false).await;
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
        // The handles of all tasks go with the cluster, and the processes with the handles.
        self.agent.halt();
    }
}
