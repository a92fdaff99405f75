#![doc = include_str!("../README.md")]

pub mod api_key;
pub mod audit_log;
pub mod context;
pub mod deployment;
pub mod duration;
pub mod error;
mod fields;
pub mod id;
pub mod idempotency;
pub mod invitation;
pub mod page;
pub mod password;
pub mod plan;
pub mod pointer;
pub mod policy;
pub mod ports;
pub mod runtime;
pub mod scopes;
pub mod secret;
pub mod service;
pub mod service_config;
pub mod service_template;
pub mod session;
pub mod subscription;
pub mod template;
pub mod tenant;
mod text_enum;
pub mod user;
mod violation;

pub use audit_log::AuditLog;
pub use context::{
    Acting, Caller, Credential, Inspection, Origin, SYSTEM_USER, SystemPurpose, TenantScope,
};
pub use deployment::{Deployment, DeploymentAction, DeploymentStatus};
pub use duration::PositiveDuration;
pub use error::{Error, ErrorKind, FieldError, LimitExcess, Result};
pub use id::{DeploymentId, ServiceId, TenantId, UserId};
pub use plan::{Limits, Plan};
pub use scopes::{Scope, Scopes};
pub use service::{Service, ServiceStatus, ServiceType};
pub use service_config::ServiceConfig;
pub use subscription::{BillingCycle, SubscriptionStatus};
pub use user::Role;
pub use violation::Violation;
