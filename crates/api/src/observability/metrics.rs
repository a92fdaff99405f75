//! Prometheus metrics, on an address of their own. No label names a tenant or a user: labels have few values, and whoever
//! reads metrics need not know who the customers are.

use std::{io, net::TcpListener, sync::OnceLock, time::Duration};

use actix_web::{App, HttpResponse, HttpServer, dev::Server, http::header::CONTENT_TYPE, web};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio_util::sync::CancellationToken;

use application::sealing;

const DURATIONS: [f64; 12] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
];
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Where the process counts; there is one, however many servers it runs.
static RECORDER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// The metrics of this process, counted from the first call on.
///
/// # Errors
/// `None` where something else in the process counts already.
pub(crate) fn recorder() -> Option<PrometheusHandle> {
    let recorder = RECORDER.get_or_init(|| {
        let builder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_duration_seconds".to_owned()), &DURATIONS);
        let recorder = builder.ok()?.install_recorder().ok()?;
        describe();
        metrics::gauge!("nomad_services_build_info", "version" => env!("CARGO_PKG_VERSION"))
            .set(1.0);
        Some(recorder)
    });
    recorder.clone()
}

fn describe() {
    metrics::describe_counter!("nomad_services_http_requests_total", "Requests answered.");
    metrics::describe_histogram!(
        "nomad_services_http_request_duration_seconds",
        metrics::Unit::Seconds,
        "From the end of a request's headers to the beginning of its answer."
    );
    metrics::describe_gauge!(
        "nomad_services_database_connections",
        "Open connections to the database, by what they do."
    );
    metrics::describe_gauge!(
        "nomad_services_database_waiting_requests",
        "Requests that wait for a connection to the database."
    );
    metrics::describe_counter!(
        "nomad_services_database_connections_opened_total",
        "Connections to the database that were opened."
    );
    metrics::describe_gauge!(
        "nomad_services_password_hashes",
        "Passwords that are being hashed or wait for it."
    );
    metrics::describe_counter!(
        "nomad_services_deployments_total",
        "Deployments that ended, by action and result."
    );
    metrics::describe_counter!(
        "nomad_services_password_verifications_total",
        "Passwords compared with a hash, each sign-in's once."
    );
    metrics::describe_counter!(
        "nomad_services_decryption_failures_total",
        "Stored values that could not be decrypted: changed, moved, or encrypted under a key that is gone."
    );
    metrics::describe_counter!(
        "nomad_services_sign_ins_total",
        "Attempts to sign in, by how they ended."
    );
    metrics::describe_counter!(
        "nomad_services_session_reuses_total",
        "Sessions that ended because a refresh token was used twice."
    );
    sealing::describe();
    metrics::describe_gauge!("nomad_services_build_info", "1; its label is the version.");
}

/// What the process does at one moment, looked up rather than counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gauges {
    /// Connections to the database that a request uses.
    pub connections_in_use: usize,
    /// Those that are open and free.
    pub connections_idle: usize,
    /// Requests that wait for one.
    pub waiting_requests: usize,
    /// Passwords that are being hashed.
    pub hashes_running: usize,
    /// Passwords that wait for it.
    pub hashes_waiting: usize,
}

fn show(gauges: Gauges) {
    let gauge = |name, label: &'static str, count: usize| {
        metrics::gauge!(name, "state" => label).set(count as f64);
    };
    let name = "nomad_services_database_connections";
    gauge(name, "in_use", gauges.connections_in_use);
    gauge(name, "idle", gauges.connections_idle);
    metrics::gauge!("nomad_services_database_waiting_requests").set(gauges.waiting_requests as f64);
    let name = "nomad_services_password_hashes";
    gauge(name, "running", gauges.hashes_running);
    gauge(name, "waiting", gauges.hashes_waiting);
}

/// Answers `GET /metrics` on `listener`, once it is run.
///
/// # Errors
/// The listener can't be used.
pub(crate) fn server(
    listener: TcpListener,
    recorder: PrometheusHandle,
    gauges: impl Fn() -> Gauges + Clone + Send + 'static,
) -> io::Result<Server> {
    let server = HttpServer::new(move || {
        let (recorder, gauges) = (recorder.clone(), gauges.clone());
        let answer = move || {
            show(gauges());
            let body = recorder.render();
            async move {
                HttpResponse::Ok()
                    .insert_header((CONTENT_TYPE, TEXT))
                    .body(body)
            }
        };
        App::new().route("/metrics", web::get().to(answer))
    });
    let server = server.workers(1).disable_signals().shutdown_timeout(1);
    Ok(server.listen(listener)?.run())
}

/// Runs `server` until it is told to stop.
pub(crate) async fn serve(server: Server, recorder: PrometheusHandle, stop: CancellationToken) {
    let handle = server.handle();
    let keep_up = async {
        let mut clock = tokio::time::interval(UPKEEP_INTERVAL);
        loop {
            clock.tick().await;
            recorder.run_upkeep();
        }
    };
    let stopped = async {
        stop.cancelled().await;
        handle.stop(true).await;
    };
    tokio::select! {
        served = server => if let Err(error) = served {
            tracing::error!(%error, "metrics are not served any more");
        },
        () = keep_up => {}
        () = stopped => {}
    }
}
