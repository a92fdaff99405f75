//! The process's log: text for people or JSON for machines, on standard error.

use std::io;

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use crate::settings::{LogFormat, LogLevel, LogSettings};

/// Begins to log, once in the life of a process. What libraries say is logged from `warn` on.
pub fn install(settings: &LogSettings) {
    let level = match settings.level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
        LogLevel::Trace => "trace",
    };
    let libraries = match settings.level {
        LogLevel::Error => "error",
        _ => "warn",
    };
    let filter = EnvFilter::new(format!(
        "{libraries},nomad_services={level},application={level},nomad_sim={level},persistence={level}"
    ));
    let registry = tracing_subscriber::registry().with(filter);
    match settings.format {
        LogFormat::Text => registry
            .with(
                fmt::layer()
                    .with_writer(io::stderr)
                    .with_ansi(io::IsTerminal::is_terminal(&io::stderr())),
            )
            .init(),
        LogFormat::Json => registry
            .with(
                fmt::layer()
                    .json()
                    .flatten_event(true)
                    .with_span_list(false)
                    .with_writer(io::stderr),
            )
            .init(),
    }
}
