#![doc = include_str!("../README.md")]

pub mod api_key;
pub mod audit_log;
pub mod deployment;
pub mod duration;
pub mod error;
mod fields;
pub mod id;
pub mod invitation;
pub mod password;
pub mod plan;
pub mod pointer;
pub mod policy;
pub mod scopes;
pub mod secret;
pub mod service;
pub mod service_config;
pub mod service_template;
pub mod subscription;
pub mod template;
pub mod tenant;
mod text_enum;
pub mod user;
mod violation;

pub use audit_log::AuditLog;
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
