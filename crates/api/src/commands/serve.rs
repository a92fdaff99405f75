//! `serve`: the API, until somebody ends it.

use std::path::Path;

use tokio::signal::unix::{SignalKind, signal};

use super::{Failure, print};
use crate::{
    lifecycle::Phase,
    observability::log,
    process::{self, Process},
    settings::{Environment, LogFormat, Purpose, Settings},
};

pub async fn run(directory: &Path) -> Result<(), Failure> {
    let settings = Settings::load(directory, Purpose::Serve)?;
    log::install(&settings.log);
    // Caught from here on, so that a signal during the start stops what has been started by then.
    let (mut interrupt, mut terminate) = (
        signal(SignalKind::interrupt())?,
        signal(SignalKind::terminate())?,
    );
    let mut stop = std::pin::pin!(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    });
    let process = tokio::select! {
        process = process::build(&settings) => process?,
        () = &mut stop => return Ok(()),
    };
    let lifecycle = process.lifecycle();
    let banner = banner(&settings, &process);
    let announce = async {
        lifecycle.reached(Phase::Serving).await;
        if lifecycle.phase() == Phase::Serving {
            announce(&settings, &banner)?;
        }
        std::future::pending::<Result<(), Failure>>().await
    };
    tokio::select! {
        served = process.run(stop) => Ok(served?),
        announced = announce => announced,
    }
}

/// Lines for people; a log for machines holds nothing else.
fn announce(settings: &Settings, banner: &[(&str, String)]) -> Result<(), Failure> {
    let version = env!("CARGO_PKG_VERSION");
    if settings.log.format == LogFormat::Json {
        for (name, value) in banner {
            tracing::info!(name, value, version, "serving");
        }
        return Ok(());
    }
    let lines = banner
        .iter()
        .map(|(name, value)| format!("  {name:<14} {value}\n"));
    let environment = settings.environment.name();
    let lines: String = lines.collect();
    Ok(print(&format!(
        "Nomad Services {version} ({environment})\n{lines}"
    ))?)
}

fn banner(settings: &Settings, process: &Process) -> Vec<(&'static str, String)> {
    let url = format!("http://{}", process.address());
    let mut lines = vec![
        ("URL", format!("{url}/api/v1")),
        ("description", format!("{url}/docs")),
    ];
    if settings.environment == Environment::Development {
        let file = settings.data.admin_password();
        lines.push((
            "administrator",
            format!("admin, password in {}", file.display()),
        ));
    }
    lines.push(("database", process.database().description()));
    lines.push(("orchestrator", process.orchestrator().description()));
    if let Some(metrics) = process.metrics_address() {
        lines.push(("metrics", format!("http://{metrics}/metrics")));
    }
    lines
}
