//! The tables as SeaORM entities, one file a table, with every relationship of the document a field on both sides. No logic:
//! nullability and types are the schema's, even where the product never writes a NULL.

pub mod api_key;
pub mod audit_log;
pub mod deployment_task;
pub mod idempotency_key;
pub mod refresh_token;
pub mod service;
pub mod service_deployment;
pub mod service_template;
mod stored;
pub mod subscription;
pub mod tenant;
pub mod tenant_key;
pub mod user;

pub use stored::Stored;
