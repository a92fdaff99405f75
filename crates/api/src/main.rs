//! The `nomad-services` command.

use std::{path::Path, process::ExitCode};

use nomad_services::{
    server,
    settings::{Environment, Settings},
};

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
        .with_max_level(tracing::Level::WARN)
        .init();
    let application = server::build(&settings).await?;
    let (host, port) = (settings.server.host, application.port());
    println!("Nomad Services on http://{host}:{port}");
    if settings.environment == Environment::Development {
        let file = settings.data.admin_password();
        println!("  administrator  admin, password in {}", file.display());
    }
    if application.has_private_database() {
        println!(
            "  database       a private PostgreSQL in {}",
            settings.data.postgres().display()
        );
    }
    Ok(application.run().await?)
}
