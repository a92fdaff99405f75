//! What a handler's signature proves: who calls and for which tenant, and that the body is within bounds.

pub(crate) mod body;
mod caller;

pub(crate) use body::Body;
pub(crate) use caller::{Anybody, Caller, Member};
