//! The HTTP adapter to a Nomad cluster. [`client`] speaks Nomad's API and knows nothing of the product: typed views of
//! what Nomad answers, and errors typed from its status codes and texts.

pub mod client;

pub use client::{Client, ClientSettings, Error, ErrorKind, NamespaceClient, SetupError};
