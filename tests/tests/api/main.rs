//! The API from outside, over HTTP, on real PostgreSQL: one file for each resource.

mod admin;
mod app;
mod auth;
mod contract;
mod deployments;
mod idempotency;
mod older_clients;
mod operations;
mod requests;
mod services;
mod users;
