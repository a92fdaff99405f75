//! From the parts of a server to a running process and back: its ports are opened, requests served, and all is taken apart in
//! order.

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

use crate::{
    connection, edge,
    lifecycle::{Lifecycle, Phase},
    observability::metrics,
    openapi, routes,
    server::{Parts, StartError, database::ChosenDatabase, orchestrator::Orchestrator},
    settings::Settings,
};

/// A server whose port is open, and what it has started for itself.
pub struct Process {
    settings: Settings,
    parts: Parts,
    lifecycle: Arc<Lifecycle>,
    server: Server,
    address: SocketAddr,
    metrics: Option<SocketAddr>,
    // Stopped in this order, after the last request.
    orchestrator: Orchestrator,
    database: ChosenDatabase,
}

impl std::fmt::Debug for Process {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Process")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Process {
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

    /// Whether it starts, serves or drains.
    pub fn lifecycle(&self) -> Arc<Lifecycle> {
        self.lifecycle.clone()
    }

    /// Serves until `stop` ends, then lets requests finish, then stops what it has started. It is alive at once, and ready
    /// as soon as its database is.
    ///
    /// # Errors
    /// The database can't be used, or the server can't go on.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Result<(), StartError> {
        let Self {
            settings,
            parts,
            lifecycle,
            server,
            orchestrator,
            database,
            ..
        } = self;
        let handle = server.handle();
        let mut server = pin!(server);
        let work = async {
            let mut stop = pin!(stop);
            tokio::select! {
                prepared = parts.prepare(&settings, &database, &orchestrator) => prepared?,
                () = &mut stop => return Ok(()),
            }
            lifecycle.enter(Phase::Serving);
            parts.begin_background_work(&settings, &lifecycle);
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
pub async fn build(settings: &Settings) -> Result<Process, StartError> {
    let (host, port) = (settings.server.host, settings.server.port);
    let (listener, address) = open(host, port, "SERVER_PORT")?;
    let metrics = match settings.metrics.port {
        0 => None,
        port => Some(open(settings.metrics.host, port, "METRICS_PORT")?),
    };
    let database = ChosenDatabase::for_server(settings).await?;
    let orchestrator = Orchestrator::choose(settings).await?;
    let parts = Parts::new(settings, &database, &orchestrator)?;
    let lifecycle = Arc::new(Lifecycle::default());
    parts.begin_to_look(&lifecycle);
    let recorder = metrics::recorder();
    let metrics_address = metrics.as_ref().map(|(_, address)| *address);
    if let (Some((listener, _)), Some(recorder)) = (metrics, recorder) {
        let server = metrics::server(listener, recorder.clone(), parts.gauges());
        let server = server.map_err(StartError::Serving)?;
        lifecycle.spawn(|stop| metrics::serve(server, recorder, stop));
    }

    let shared = (
        Data::from(parts.app.clone()),
        Data::from(parts.readiness.clone()),
        Data::from(lifecycle.clone()),
        Data::new(parts.fingerprints.clone()),
    );
    let operations = openapi::served().map_err(|error| StartError::Routes(error.to_string()))?;
    let operations = Data::new(operations);
    let configure = routes::configure(&settings.server, openapi::compact().into());
    let cors = settings.cors.clone();
    let app = move || {
        // The last that is wrapped is the first that sees a request.
        App::new()
            .app_data(shared.0.clone())
            .app_data(shared.1.clone())
            .app_data(shared.2.clone())
            .app_data(shared.3.clone())
            .app_data(operations.clone())
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
            .wrap(from_fn(edge::pass))
    };
    let server = connection::serve(app, listener, &settings.server).map_err(StartError::Serving)?;
    Ok(Process {
        settings: settings.clone(),
        parts,
        lifecycle,
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
