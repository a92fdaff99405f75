//! What can be done: authorise, open the transaction, apply the rules, write, commit. No HTTP type stands in here.

pub mod administration;
pub mod audit_logs;
pub mod deployments;
pub mod profiles;
pub mod services;
pub mod sessions;
pub mod templates;
