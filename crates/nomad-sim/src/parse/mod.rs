//! Job files: HCL and the values of its variables become a job, and a job gets the defaults that Nomad fills in.

pub(crate) mod expression;
mod functions;
