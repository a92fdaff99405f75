//! The HTTP adapter to a Nomad cluster. [`client`] speaks Nomad's API and knows nothing of the product: typed views of
//! what Nomad answers, and errors typed from its status codes and texts. [`job`] turns a service's configuration into the
//! job that Nomad is sent, [`Nomad`] is the orchestrator that the domain's deployment rules ask for.

pub mod client;
mod errors;
mod inspection;
pub mod job;
mod observation;
mod orchestrator;

pub use client::{Client, ClientSettings, Error, ErrorKind, NamespaceClient, SetupError};
pub use inspection::Following;
pub use orchestrator::Nomad;
