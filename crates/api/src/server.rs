//! From settings to a running server: the one place where the parts are put together.

use std::{net::TcpListener, sync::Arc};

use actix_web::{App, HttpServer, dev::Server, web::Data};
use embedded_postgres::{Binaries, Cluster, ClusterError, Durability};
use migration::SchemaState;
use persistence::{ConnectionSettings, Database, PoolSettings};
use secrecy::SecretString;

use crate::{
    routes,
    settings::{DatabaseServer, Environment, Settings, SslMode, kept_secret},
    sign_in::{AccessTokens, PasswordHasher},
    state::State,
    use_cases::administration,
};

/// Why the server does not start, for its operator.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The private PostgreSQL does not start.
    #[error("{0}; or set DATABASE_URL to a server of yours")]
    PrivateDatabase(#[from] ClusterError),
    /// The database is not one this program can work with.
    #[error("the database {0}")]
    Database(String),
    /// The schema is not the one this program was built for.
    #[error("the database's schema does not fit this program, and MIGRATE_ON_START is false: {0}")]
    Schema(String),
    /// A setting passes every check and is still not usable.
    #[error("{0}")]
    Setting(String),
    /// The port can't be opened.
    #[error("port {port} on {host} can't be opened: {source}")]
    Port {
        /// The address.
        host: std::net::IpAddr,
        /// The port.
        port: u16,
        /// What the system says.
        source: std::io::Error,
    },
}

/// A server whose port is open, and what it has started for itself.
pub struct Application {
    server: Server,
    port: u16,
    cluster: Option<Cluster>,
}

impl std::fmt::Debug for Application {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Application")
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

impl Application {
    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether it runs a PostgreSQL of its own.
    pub fn has_private_database(&self) -> bool {
        self.cluster.is_some()
    }

    /// Serves until it is told to stop, then stops what it has started.
    ///
    /// # Errors
    /// Fails where the server can't go on.
    pub async fn run(self) -> std::io::Result<()> {
        let served = self.server.await;
        drop(self.cluster);
        served
    }
}

/// The server that `settings` describe. Without a database it starts a private one.
///
/// # Errors
/// Says what its operator can do.
pub async fn build(settings: &Settings) -> Result<Application, StartError> {
    let database = settings
        .database
        .server()
        .map_err(|allowed| StartError::Setting(allowed.to_owned()))?;
    let (database, cluster) = match database {
        Some(database) => (database, None),
        None => {
            let cluster = private_cluster(settings).await?;
            (private_database(&cluster), Some(cluster))
        }
    };
    prepare_schema(settings, &database).await?;
    let state = Arc::new(state(settings, &database)?);
    if settings.environment == Environment::Development {
        first_administrator(settings, &state).await?;
    }
    let (host, port) = (settings.server.host, settings.server.port);
    let open = |source| StartError::Port { host, port, source };
    let listener = TcpListener::bind((host, port)).map_err(open)?;
    let port = listener.local_addr().map_err(open)?.port();
    let configure = routes::configure(settings.server.max_body);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(Data::new(state.clone()))
            .configure(configure.clone())
    })
    .client_request_timeout(settings.server.receive_timeout.get())
    .keep_alive(settings.server.keep_alive.get())
    .shutdown_timeout(settings.server.shutdown_timeout.get().as_secs())
    .listen(listener)
    .map_err(open)?;
    Ok(Application {
        server: server.run(),
        port,
        cluster,
    })
}

async fn private_cluster(settings: &Settings) -> Result<Cluster, ClusterError> {
    let binaries = Binaries::find_or_fetch(settings.database.bin_directory.as_deref()).await?;
    Cluster::start(binaries, &settings.data.postgres(), Durability::Durable).await
}

/// It listens on loopback alone.
fn private_database(cluster: &Cluster) -> DatabaseServer {
    DatabaseServer {
        url: cluster.url(),
        ssl_mode: SslMode::Disable,
        ssl_root_cert: None,
    }
}

/// Development begins with an administrator whose password is in a file; production asks for `admin create`.
async fn first_administrator(settings: &Settings, state: &State) -> Result<(), StartError> {
    let file = settings.data.admin_password();
    let password = kept_secret(&file).map_err(|error| StartError::Setting(error.to_string()))?;
    match administration::create_first(state, &password).await {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == domain::ErrorKind::Conflict => Ok(()),
        Err(error) => Err(StartError::Database(format!(
            "refuses the first administrator: {error}"
        ))),
    }
}

async fn prepare_schema(settings: &Settings, database: &DatabaseServer) -> Result<(), StartError> {
    let url = migration_url(database);
    if settings.database.migrate_on_start {
        let migrated = migration::up(&url).await;
        return migrated
            .map_err(|error| StartError::Database(format!("can't be migrated: {error}")));
    }
    match migration::state(&url).await {
        Ok(SchemaState::Current) => Ok(()),
        Ok(SchemaState::Behind(missing)) => Err(StartError::Schema(format!(
            "it lacks {}",
            missing.join(", ")
        ))),
        Ok(SchemaState::Unknown(newer)) => Err(StartError::Schema(format!(
            "a newer program added {}",
            newer.join(", ")
        ))),
        Err(error) => Err(StartError::Database(format!(
            "can't be asked for its schema: {error}"
        ))),
    }
}

/// Migrations have a driver of their own, which reads the protection from the address.
fn migration_url(database: &DatabaseServer) -> SecretString {
    use secrecy::ExposeSecret;
    let url = database.url.expose_secret();
    let separator = if url.contains('?') { '&' } else { '?' };
    let root = database
        .ssl_root_cert
        .as_ref()
        .map(|path| format!("&sslrootcert={}", path.display()));
    let mode = ssl_mode(database.ssl_mode).as_str();
    format!("{url}{separator}sslmode={mode}{}", root.unwrap_or_default()).into()
}

fn state(settings: &Settings, database: &DatabaseServer) -> Result<State, StartError> {
    let auth = &settings.auth;
    let connection = ConnectionSettings {
        url: database.url.clone(),
        ssl_mode: ssl_mode(database.ssl_mode),
        ssl_root_certificate: database.ssl_root_cert.clone(),
    };
    let bounds = PoolSettings {
        max_open: settings.database.max_open,
        max_idle: settings.database.max_idle,
        max_lifetime: settings.database.max_lifetime.get(),
        idle_timeout: settings.database.idle_timeout.get(),
        acquire_timeout: settings.database.acquire_timeout.get(),
        ..PoolSettings::default()
    };
    let secret = settings.jwt_secret().map_err(|error| {
        StartError::Setting(format!(
            "the secret for access tokens can't be kept: {error}"
        ))
    })?;
    Ok(State {
        database: Database::new(&connection, bounds)
            .map_err(|error| StartError::Database(error.to_string()))?,
        access_tokens: AccessTokens::new(
            &secret,
            auth.jwt_previous_secret.as_ref(),
            auth.issuer.clone(),
            auth.audience.clone(),
            auth.access_token_duration.get(),
        ),
        refresh_duration: auth.refresh_token_duration.get(),
        passwords: PasswordHasher::new(&auth.password)
            .map_err(|error| StartError::Setting(format!("auth.password: {error:?}")))?,
        max_services: Some(settings.saas.max_services_per_tenant).filter(|count| *count > 0),
    })
}

fn ssl_mode(mode: SslMode) -> persistence::SslMode {
    match mode {
        SslMode::Disable => persistence::SslMode::Disable,
        SslMode::Prefer => persistence::SslMode::Prefer,
        SslMode::Require => persistence::SslMode::Require,
        SslMode::VerifyCa => persistence::SslMode::VerifyCa,
        SslMode::VerifyFull => persistence::SslMode::VerifyFull,
    }
}
