//! From settings to a running server and back: the one place where the parts are put together, and taken apart in order.

use std::{
    future::Future,
    net::{IpAddr, SocketAddr, TcpListener},
    pin::pin,
    sync::Arc,
};

use actix_web::{
    App,
    dev::{Server, Service as _},
    middleware::from_fn,
    web::Data,
};
use deployer::{Worker, WorkerSettings};
use tokio::sync::{Semaphore, watch};

use crate::{
    connection, edge,
    idempotency::Fingerprints,
    lifecycle::{Lifecycle, Phase},
    observability::{metrics, requests},
    problem, request_id, retention, routes, sealing,
    settings::{Environment, Settings, kept_secret},
    sign_in::{AccessTokens, KnownKeys, PasswordHasher},
    start::{
        StartError,
        database::{ChosenDatabase, check_isolation},
        encryption,
        orchestrator::Orchestrator,
    },
    state::{Encryption, State},
    use_cases::administration,
};

/// The administrator that development begins with.
const FIRST_ADMINISTRATOR: (&str, &str) = ("admin", "admin@localhost.localdomain");

/// A server whose port is open, and what it has started for itself.
pub struct Application {
    settings: Settings,
    state: Arc<State>,
    server: Server,
    address: SocketAddr,
    metrics: Option<SocketAddr>,
    // Stopped in this order, after the last request.
    orchestrator: Orchestrator,
    database: ChosenDatabase,
}

impl std::fmt::Debug for Application {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Application")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Application {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where its metrics are, if anywhere.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics
    }

    /// The database it uses.
    pub fn database(&self) -> &ChosenDatabase {
        &self.database
    }

    /// The Nomad it uses.
    pub fn orchestrator(&self) -> &Orchestrator {
        &self.orchestrator
    }

    /// What its requests share.
    pub fn state(&self) -> Arc<State> {
        self.state.clone()
    }

    /// Serves until `stop` ends, then lets requests finish, then stops what it has started. It is alive at once, and ready
    /// as soon as its database is.
    ///
    /// # Errors
    /// The database can't be used, or the server can't go on.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Result<(), StartError> {
        let Self {
            settings,
            state,
            server,
            orchestrator,
            database,
            ..
        } = self;
        let lifecycle = &state.lifecycle;
        let handle = server.handle();
        let mut server = pin!(server);
        let work = async {
            let mut stop = pin!(stop);
            tokio::select! {
                prepared = prepare(&settings, &state, &database, &orchestrator) => prepared?,
                () = &mut stop => return Ok(()),
            }
            lifecycle.enter(Phase::Serving);
            begin_background_work(&settings, &state);
            stop.await;
            lifecycle.enter(Phase::Draining);
            tokio::time::sleep(settings.server.drain_delay.get()).await;
            Ok(())
        };
        let result = tokio::select! {
            served = &mut server => served.map_err(StartError::Serving),
            result = work => {
                let (served, ()) = tokio::join!(server, handle.stop(result.is_ok()));
                result.and(served.map_err(StartError::Serving))
            }
        };
        lifecycle.stop(settings.server.shutdown_timeout.get()).await;
        drop(orchestrator);
        drop(database);
        result
    }
}

/// The server that `settings` describe. What is missing in development, it starts.
///
/// # Errors
/// Says what its operator can do.
pub async fn build(settings: &Settings) -> Result<Application, StartError> {
    let (host, port) = (settings.server.host, settings.server.port);
    let (listener, address) = open(host, port, "SERVER_PORT")?;
    let metrics = match settings.metrics.port {
        0 => None,
        port => Some(open(settings.metrics.host, port, "METRICS_PORT")?),
    };
    let database = ChosenDatabase::for_server(settings).await?;
    let orchestrator = Orchestrator::choose(settings).await?;
    let state = Arc::new(state(settings, &database, &orchestrator)?);
    let recorder = metrics::recorder();
    let metrics_address = metrics.as_ref().map(|(_, address)| *address);
    if let (Some((listener, _)), Some(recorder)) = (metrics, recorder) {
        let server = metrics::server(listener, recorder.clone(), state.clone());
        let server = server.map_err(StartError::Serving)?;
        state
            .lifecycle
            .spawn(|stop| metrics::serve(server, recorder, stop));
    }

    let shared = state.clone();
    let configure = routes::configure(&settings.server);
    let cors = settings.cors.clone();
    let app = move || {
        // The last that is wrapped is the first that sees a request.
        App::new()
            .app_data(Data::new(shared.clone()))
            .configure(configure.clone())
            .wrap(from_fn(edge::head::check))
            .wrap(edge::cors(&cors))
            .wrap_fn({
                let cors = cors.clone();
                move |mut request, next| {
                    edge::ignore_preflight_of_others(&cors, &mut request);
                    next.call(request)
                }
            })
            .wrap(from_fn(problem::complete))
            .wrap(from_fn(edge::headers::protect))
            .wrap(from_fn(requests::observe))
            .wrap(from_fn(request_id::identify))
            .wrap(from_fn(connection::take_turn))
    };
    let server = connection::serve(app, listener, &settings.server).map_err(StartError::Serving)?;
    Ok(Application {
        settings: settings.clone(),
        state,
        server,
        address,
        metrics: metrics_address,
        orchestrator,
        database,
    })
}

fn open(
    host: IpAddr,
    port: u16,
    variable: &'static str,
) -> Result<(TcpListener, SocketAddr), StartError> {
    let opened = TcpListener::bind((host, port));
    opened
        .and_then(|listener| {
            let address = listener.local_addr()?;
            Ok((listener, address))
        })
        .map_err(|source| StartError::Port {
            host,
            port,
            variable,
            source,
        })
}

/// What goes on beside the requests once the database is ready.
fn begin_background_work(settings: &Settings, state: &State) {
    let deployments = &settings.deployments;
    let worker = Worker::new(
        Arc::new(state.database.clone()),
        Arc::new(state.nomad.clone()),
        WorkerSettings {
            lease: deployments.lease.get(),
            poll_interval: deployments.poll_interval.get(),
            concurrency: deployments.concurrency,
        },
        state.wake_worker.clone(),
    );
    state.lifecycle.spawn(|stop| worker.run(stop));
    let database = state.database.clone();
    state.lifecycle.spawn(|stop| retention::run(database, stop));
    let (database, current) = (state.database.clone(), state.seal.clone());
    let (settings, pause) = (settings.clone(), state.seal_interval);
    state
        .lifecycle
        .spawn(|stop| sealing::run(database, current, move || settings.seal(), pause, stop));
}

async fn prepare(
    settings: &Settings,
    state: &State,
    database: &ChosenDatabase,
    orchestrator: &Orchestrator,
) -> Result<(), StartError> {
    database.answers(settings).await?;
    let is_migrated = database.has_data_keys_table().await?;
    encryption::wait(settings, state, is_migrated).await;
    database.prepare(settings).await?;
    check_isolation(&state.database).await?;
    // A key that is derived from those that encrypt is there once they are.
    let seal = settings.seal().map_err(|reason| {
        StartError::Setting(format!("the audit trail can't be sealed: {reason}"))
    })?;
    state.seal.send_replace(Some(Arc::new(seal)));
    let keys = state.database.make_missing_data_keys().await;
    keys.map_err(|error| StartError::Database(format!("can't be given data keys: {error}")))?;
    if orchestrator.is_empty() {
        let recorded = state.database.record_that_nothing_runs().await;
        recorded.map_err(|error| StartError::Database(format!("can't be written: {error}")))?;
    }
    if settings.environment == Environment::Development {
        first_administrator(settings, state).await?;
    }
    Ok(())
}

/// Development begins with an administrator whose password is in a file; production asks for `admin create`.
async fn first_administrator(settings: &Settings, state: &State) -> Result<(), StartError> {
    let file = settings.data.admin_password();
    let password = kept_secret(&file).map_err(|error| StartError::Setting(error.to_string()))?;
    let (username, email) = FIRST_ADMINISTRATOR;
    let made = administration::create_administrator(
        &state.database,
        &state.passwords,
        username.to_owned(),
        email.to_owned(),
        &password,
    );
    match made.await {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == domain::ErrorKind::Conflict => Ok(()),
        Err(error) => Err(StartError::Database(format!(
            "refuses the first administrator: {error}"
        ))),
    }
}

fn state(
    settings: &Settings,
    database: &ChosenDatabase,
    orchestrator: &Orchestrator,
) -> Result<State, StartError> {
    let auth = &settings.auth;
    let secret = settings.jwt_secret().map_err(|error| {
        StartError::Setting(format!(
            "the secret for access tokens can't be kept: {error}"
        ))
    })?;
    Ok(State {
        lifecycle: Lifecycle::default(),
        database: database
            .pool(settings)?
            .with_keyring(encryption::keyring(settings)),
        encryption: Encryption::default(),
        nomad: orchestrator.client(settings)?,
        namespace: settings
            .nomad
            .namespace
            .clone()
            .unwrap_or("default".to_owned()),
        wake_worker: Arc::default(),
        log_followers: Arc::new(Semaphore::new(settings.nomad.max_log_followers)),
        deployment_deadline: settings.deployments.deadline.get(),
        access_tokens: AccessTokens::new(
            &secret,
            auth.jwt_previous_secret.as_ref(),
            auth.issuer.clone(),
            auth.audience.clone(),
            auth.access_token_duration.get(),
        ),
        fingerprints: Fingerprints::new(secret.clone()),
        refresh_duration: auth.refresh_token_duration.get(),
        refusal_time: auth.refusal_time.get(),
        throttle: auth.throttle.policy(),
        api_keys: KnownKeys::default(),
        rotation_overlap: settings.api_keys.rotation_overlap.get(),
        invitation_duration: settings.invitations.duration.get(),
        passwords: PasswordHasher::new(&auth.password)
            .map_err(|error| StartError::Setting(format!("auth.password: {error:?}")))?,
        seal: watch::Sender::new(None),
        seal_interval: settings.audit.seal_interval.get(),
        max_services: Some(settings.saas.max_services_per_tenant).filter(|count| *count > 0),
    })
}
