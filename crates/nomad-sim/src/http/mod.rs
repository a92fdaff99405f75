//! The HTTP API: one place that takes every call, asks the faults, finds the resource and adds the usual headers. Paths
//! are matched decoded and by prefix and suffix, as the agent does, because job IDs may hold slashes.

mod agent;
mod allocations;
mod answer;
mod blocking;
mod call;
mod deployments;
mod evaluations;
mod events;
mod jobs;
mod namespaces;
mod page;
mod plan;
mod register;
mod revert;
mod services;
mod simulation;
mod variables;

use std::net::{Shutdown, TcpListener};
use std::os::fd::AsFd;
use std::pin::Pin;
use std::sync::Arc;

use actix_web::body::{BodySize, BodyStream, MessageBody};
use actix_web::dev::{Extensions, Server};
use actix_web::http::header::{HeaderValue, VARY};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};

use futures::StreamExt;

use self::answer::{Answer, ApiError};
use self::call::Call;
use crate::agent::Agent;
use crate::faults::FaultKind;

/// The agent has no limit; this keeps a mistake from filling the memory.
const BODY_LIMIT: usize = 128 * 1024 * 1024;

/// The connection a call came in on, kept so that a fault can cut it.
struct Connection(std::net::TcpStream);

fn keep_connection(connection: &dyn std::any::Any, extensions: &mut Extensions) {
    let stream = connection.downcast_ref::<actix_web::rt::net::TcpStream>();
    if let Some(copy) = stream.and_then(|stream| stream.as_fd().try_clone_to_owned().ok()) {
        extensions.insert(Connection(copy.into()));
    }
}

pub fn serve(agent: Arc<Agent>, listener: TcpListener) -> std::io::Result<Server> {
    let agent = web::Data::from(agent);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(agent.clone())
            .app_data(web::PayloadConfig::new(BODY_LIMIT))
            .default_service(web::to(take))
    })
    .on_connect(keep_connection)
    .workers(2)
    .shutdown_timeout(1)
    .disable_signals()
    .listen(listener)?;
    Ok(server.run())
}

async fn take(agent: web::Data<Agent>, request: HttpRequest, body: web::Bytes) -> HttpResponse {
    let mut response = if request.path().starts_with("/sim") {
        answer::finish(simulation::route(&agent, &request, &body))
    } else {
        let mut restarts = agent.restarts();
        tokio::select! {
            response = meet_faults(&agent, &request, body) => until_restart(&agent, response),
            _ = restarts.changed() => cut(&request),
        }
    };
    let vary = HeaderValue::from_static("Accept-Encoding");
    response.headers_mut().insert(VARY, vary);
    // The agent's own casing on the wire.
    response.head_mut().set_camel_case_headers(true);
    response
}

/// Lets a stream end when the agent is restarted.
fn until_restart(agent: &Agent, response: HttpResponse) -> HttpResponse {
    if response.body().size() != BodySize::Stream {
        return response;
    }
    let mut restarts = agent.restarts();
    response.map_body(|_, mut body| {
        let stream =
            futures::stream::poll_fn(move |context| Pin::new(&mut body).poll_next(context));
        let ended = Box::pin(async move { restarts.changed().await });
        BodyStream::new(stream.take_until(ended)).boxed()
    })
}

async fn meet_faults(
    agent: &web::Data<Agent>,
    request: &HttpRequest,
    body: web::Bytes,
) -> HttpResponse {
    let fault = simulation::meet(agent, request);
    match fault.as_ref().map(|fault| fault.kind) {
        Some(FaultKind::Refuse) => return cut(request),
        Some(FaultKind::Error) => return answer::fault(fault.as_ref()),
        Some(FaultKind::Delay) => {
            tokio::time::sleep(
                fault
                    .as_ref()
                    .map(crate::faults::Fault::wait)
                    .unwrap_or_default(),
            )
            .await
        }
        Some(FaultKind::LoseAnswer) | None => {}
    }
    let response = answer::finish(route(agent, request, body).await);
    if fault.is_some_and(|fault| fault.kind == FaultKind::LoseAnswer) {
        return cut(request);
    }
    response
}

/// Closes the connection under the call, so that no answer arrives.
fn cut(request: &HttpRequest) -> HttpResponse {
    if let Some(Connection(stream)) = request.conn_data::<Connection>() {
        // It may be closed already, which is what is wanted.
        let _ = stream.shutdown(Shutdown::Both);
    }
    HttpResponse::ServiceUnavailable().force_close().finish()
}

async fn route(
    agent: &web::Data<Agent>,
    request: &HttpRequest,
    body: web::Bytes,
) -> Result<Answer, ApiError> {
    if let Some(clean) = call::cleaned(request.uri().path()) {
        return Ok(Answer::redirect(&clean, request.query_string()));
    }
    let call = Call::new(agent.clone().into_inner(), request, body);
    let path = call.path.clone();
    let Some(path) = path.strip_prefix("/v1/") else {
        return Err(ApiError::UnknownPath);
    };
    if call.method == "HEAD" || call.method == "OPTIONS" {
        return Err(ApiError::InvalidMethod);
    }
    call.check_region()?;
    let (first, rest) = path.split_once('/').unwrap_or((path, ""));
    match (first, rest) {
        ("jobs", "") => register::collection(&call).await,
        ("jobs", "parse") => register::parse(&call),
        ("jobs", "statuses") => jobs::statuses(&call).await,
        ("validate", "job") => register::validate_job(&call),
        ("job", rest) if !rest.is_empty() => jobs::route(&call, rest).await,
        ("evaluations", "") => evaluations::list(&call).await,
        ("evaluation", rest) => evaluations::route(&call, rest).await,
        ("deployments", "") => deployments::list(&call).await,
        ("deployment", rest) => deployments::route(&call, rest).await,
        ("allocations", "") => allocations::list(&call).await,
        ("allocation", rest) => allocations::route(&call, rest).await,
        ("client", rest) => allocations::client(&call, rest).await,
        ("services", "") => services::list(&call).await,
        ("service", rest) if !rest.is_empty() => services::read(&call, rest).await,
        ("namespaces", "") => namespaces::list(&call).await,
        ("namespace", rest) => namespaces::route(&call, rest).await,
        ("vars", "") => variables::list(&call).await,
        ("var", rest) => variables::route(&call, rest).await,
        ("event", "stream") => events::stream(&call).await,
        _ => agent::route(&call, path).await,
    }
}
