//! What can be done: authorise, open the transaction, apply the rules, write, commit. No HTTP type stands in here.

pub mod accounts;
pub mod administration;
pub mod api_keys;
pub mod audit_logs;
pub mod deployments;
pub mod invitations;
pub mod members;
pub mod profiles;
pub mod services;
pub mod sessions;
pub mod templates;
pub mod tenants;
