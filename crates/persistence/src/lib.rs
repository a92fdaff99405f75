//! The only place that builds SQL. A tenant's transaction is the repository: its functions stand in one file for each
//! resource, and none of them takes a tenant id, because the transaction was opened for one.

mod admission;
mod api_keys;
mod audit;
pub mod audit_export;
mod audit_logs;
pub mod audit_seal;
mod callers;
mod connection;
mod deployment_queue;
mod deployments;
pub mod encryption;
mod error;
mod idempotency;
mod invitations;
pub mod isolation;
mod members;
mod page;
mod rows;
mod scope;
mod services;
mod sessions;
mod sign_in;
mod statement;
mod store;
mod templates;
mod tenants;
mod throttles;
mod users;

pub use connection::{
    Connections, Database, PoolSettings, SystemTx, TenantRead, TenantTx, Transaction,
};
pub use encryption::StoredConfig;
