//! The server that is measured.

use std::{collections::BTreeMap, net::SocketAddr, path::Path, thread::JoinHandle};

use nomad_services::{lifecycle::Phase, process, settings::Settings};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::oneshot;

use crate::Result;

/// The server as production runs it with these environment variables besides, on a thread and a port of its own; it migrates the database first.
pub async fn start(
    database: SecretString,
    more: &[(&str, &str)],
) -> Result<(JoinHandle<Result<()>>, SocketAddr, oneshot::Sender<()>)> {
    let (stop, stopped) = oneshot::channel();
    let (tell, told) = oneshot::channel();
    let usual = [
        ("DATABASE_URL", database.expose_secret()),
        (
            "ENCRYPTION_KEY",
            "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        ),
        ("JWT_SECRET", "a secret of a benchmark, thirty-two bytes"),
        ("JWT_TOKEN_DURATION", "24h"),
        ("SERVER_PORT", "0"),
        ("METRICS_PORT", "0"),
        ("ENVIRONMENT", "production"),
        ("NOMAD_ADDR", "http://127.0.0.1:1"),
        ("SAAS_MAX_SERVICES_PER_TENANT", "6"),
        ("NOMAD_SERVICES__SERVER__HOST", "127.0.0.1"),
        ("NOMAD_SERVICES__SERVER__DRAIN_DELAY", "1ms"),
    ];
    let variables = usual.iter().chain(more);
    let variables: BTreeMap<_, _> = variables
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let server = std::thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let settings = Settings::from_sources(Path::new("config"), &variables)?;
            let application = process::build(&settings).await?;
            let (address, lifecycle) = (application.address(), application.lifecycle());
            actix_web::rt::spawn(async move {
                lifecycle.reached(Phase::Serving).await;
                let _ = tell.send(address);
            });
            application.run(async { drop(stopped.await) }).await?;
            Ok(())
        })
    });
    match told.await {
        Ok(address) => Ok((server, address, stop)),
        Err(_) => Err(match server.join() {
            Ok(Err(error)) => error,
            _ => "the server did not start".into(),
        }),
    }
}
