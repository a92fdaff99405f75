//! The only place that builds SQL. A tenant's transaction is the repository: its functions stand in one file for each
//! resource, and none of them takes a tenant id, because the transaction was opened for one.

pub mod api_keys;
pub mod audit;
pub mod audit_export;
pub mod audit_logs;
pub mod audit_seal;
mod callers;
mod connection;
mod deployment_queue;
pub mod deployments;
pub mod encryption;
mod error;
pub mod idempotency;
pub mod invitations;
pub mod isolation;
pub mod members;
pub mod page;
mod rows;
mod scope;
pub mod services;
pub mod sessions;
pub mod sign_in;
mod statement;
pub mod templates;
pub mod tenants;
pub mod throttles;
pub mod users;

pub use connection::{
    Connections, Database, PoolSettings, SystemPurpose, SystemTx, TenantRead, TenantTx, Transaction,
};
pub use scope::{Acting, Credential, Inspection, Origin, SYSTEM_USER, TenantScope};
pub use sea_orm::Statement;
pub use users::User;
