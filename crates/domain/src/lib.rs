//! The rules of Nomad Services, free of I/O: what a service configuration may hold, what a plan allows, who may do
//! what, which state follows which, and what a deployment needs next. It depends on no async runtime, ORM or web
//! framework, so other Rust tools can validate a configuration or compute a limit with it.

pub mod error;
pub mod id;

pub use error::{Error, ErrorKind, FieldError, LimitExcess, Result};
pub use id::{DeploymentId, ServiceId, TenantId, UserId};
