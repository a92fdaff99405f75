//! What happens to a job between a caller and the cluster: it is checked, and brought into the form the server keeps.

mod normalize;
mod validate;

pub use normalize::{normalize, warnings};
pub use validate::{Findings, validate};
