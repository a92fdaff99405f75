//! What callers ask of the cluster: to register, stop, revert and scale jobs, and to steer deployments.

mod register;
mod revert;
mod scale;
mod steer;
mod stop;

pub use register::{Registered, Registration};
pub use scale::{ScaleError, Scaling};
