//! The `nomad-services` command.

use std::{path::Path, process::ExitCode};

use nomad_services::{server, settings::Settings};

#[actix_web::main]
async fn main() -> ExitCode {
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("nomad-services: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> Result<(), Box<dyn std::error::Error>> {
    let settings = Settings::load(Path::new("config"))?;
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::INFO)
        .init();
    let (server, port) = server::build(&settings).await?;
    tracing::info!("the API listens on http://{}:{port}", settings.server.host);
    Ok(server.await?)
}
