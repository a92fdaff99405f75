//! What a handler's signature proves: who calls and for which tenant, and that the body is within bounds.

pub(crate) mod body;
mod caller;
mod id;
mod inspection;

pub(crate) use body::Body;
pub(crate) use caller::{Anybody, Authenticated, Member};
pub(crate) use id::Id;
pub(crate) use inspection::{LONGEST_REASON, REASON_PATTERN};
